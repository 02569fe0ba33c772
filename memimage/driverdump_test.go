package memimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"testing"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/pedump"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestDriverDumpsAreVolatilitys compares both dumps of every driver with what Volatility 2 wrote, and with what they are
// when all page sources are used.
func TestDriverDumpsAreVolatilitys(t *testing.T) {
	for _, name := range corpus.DriverImages {
		t.Run(name, func(t *testing.T) {
			truth := corpus.LoadDrivers(t, name)
			k := openReference(t, name, Options{}).Kernel
			drivers := map[string]*nt.Driver{}
			for d, err := range k.Drivers() {
				if err == nil {
					drivers[fmt.Sprintf("%#x", uint64(d.Base))] = d
				}
			}
			scanned, err := k.ScanDrivers(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range scanned {
				drivers[fmt.Sprintf("%#x", uint64(d.Base))] = d
			}
			for _, want := range truth.Drivers {
				if d := drivers[want.Base]; d != nil {
					checkDriverDumps(t, d, want)
				}
				if d := drivers[want.Base]; d != nil && d.Space.Header {
					checkSections(t, d, want)
				}
			}
		})
	}
}

func checkDriverDumps(t *testing.T, d *nt.Driver, want corpus.Driver) {
	t.Helper()
	if exe, ok := want.Volatility["2.6.1 moddump"]; want.Dumps == nil && ok { // ReactOS
		mem := want.Volatility["2.6.1 moddump --memory"]
		want.Dumps = map[string]corpus.Dumps{"volatility2": {Status: exe.Result, Exe: &exe.Digest, Mem: &mem.Digest}}
	}
	for level, space := range map[string]*paging.Space{"volatility2": d.Space.Tables, "prototype": d.Space.Complete, "vad": d.Space.Complete} {
		dumps, ok := want.Dumps[level]
		if !ok {
			continue
		}
		if d.Space.Header != (dumps.Status != "no-address-space") {
			t.Errorf("%s: its header page is in memory: %v, want %s", d.Name, d.Space.Header, dumps.Status)
		}
		if space == nil {
			continue // its header page is not there, which has been compared
		}
		window := space.Window(d.Base, space.Mode().UserSpace())
		header, err := pedump.Parse(window)
		checkDriverDump(t, d.Name+" in file layout, "+level, header, window, err, (*pedump.Image).FileLayout, dumps.Exe)
		checkDriverDump(t, d.Name+" in memory layout, "+level, header, window, err, (*pedump.Image).MemoryLayout, dumps.Mem)
	}
}

// checkSections holds the sections against those of the truth, and the pages that are gone: those of drivers in memory are
// gone because their section was discarded.
func checkSections(t *testing.T, d *nt.Driver, want corpus.Driver) {
	t.Helper()
	header, err := pedump.Parse(d.Space.Tables.Window(d.Base, int64(d.Size)))
	if err != nil || len(want.Sections) == 0 {
		return
	}
	for i, s := range want.Sections {
		if got := header.Sections[i]; got.Name() != s.Name || got.VirtualAddress != s.RVA || got.Discardable() != s.Discardable {
			t.Errorf("%s: section %s at %#x, discardable: %v; want %+v", d.Name, got.Name(), got.VirtualAddress, got.Discardable(), s)
		}
	}
	for rva := int64(0); rva < int64(d.Size); rva += 0x1000 {
		_, err := d.Space.Tables.Translate(d.Base + paging.Virt(rva))
		var fault *paging.FaultError
		if !errors.As(err, &fault) || fault.State == paging.PageFile {
			continue
		}
		if s, ok := header.SectionAt(uint32(rva)); !ok || !s.Discardable() {
			t.Errorf("%s: the page at RVA %#x is gone, which is in no section that is discarded: %v", d.Name, rva, err)
		}
	}
}

func checkDriverDump(t *testing.T, what string, header *pedump.Image, window sparse.Source, err error,
	layout func(*pedump.Image, sparse.Source) (*sparse.Reader, error), want *corpus.Digest) {
	t.Helper()
	var r *sparse.Reader
	if err == nil {
		r, err = layout(header, window)
	}
	switch {
	case want == nil || want.Error != "" || want.SHA256 == "":
		if err == nil {
			t.Errorf("%s: there is a file of %d bytes where Volatility has none", what, r.Size())
		}
	case err != nil:
		t.Errorf("%s: %v", what, err)
	case r.Size() != want.Size:
		t.Errorf("%s: %d bytes, want %d", what, r.Size(), want.Size)
	default:
		h := sha256.New()
		n, err := io.Copy(h, io.NewSectionReader(sparse.ZeroFill(r, nil), 0, r.Size()))
		if got := hex.EncodeToString(h.Sum(nil)); got != want.SHA256 || err != nil {
			t.Errorf("%s: SHA-256 %s of %d bytes, want %s; %v", what, got, n, want.SHA256, err)
			return
		}

	}
}
