package memimage

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// reference are the reference images.
var reference = []string{"WinXPSP2x86", "WinXPSP2x86PAE", "WinXPSP3x86PAE", "Win2003SP2x86", "ReactOS0413x86",
	"Win7SP1x86PAE", "Win7SP1x64", "Win10x64_18362", "Win10x64_19041", "Win11x64_22000"}

func openReference(t testing.TB, name string, o Options) *Image {
	t.Helper()
	im, err := Open(context.Background(), corpus.Unpack(t, name+".raw"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

func hexNumber(t testing.TB, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// allProcesses returns the listed and the scanned processes by the physical address of their _EPROCESS.
func allProcesses(t *testing.T, im *Image) map[uint64]*Process {
	t.Helper()
	listed, damage := im.Processes()
	if len(damage) > 0 {
		t.Errorf("the process list is damaged: %v", damage)
	}
	scanned, err := im.Scanned(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64]*Process{}
	for _, p := range append(append([]*Process(nil), listed...), scanned...) {
		if all[uint64(p.PA)] != nil {
			t.Errorf("process %d at %#x comes twice", p.PID, uint64(p.PA))
		}
		all[uint64(p.PA)] = p
	}
	return all
}

func TestProcessesAreThoseOfTheTruth(t *testing.T) {
	corpus.Long(t)
	for _, name := range reference {
		t.Run(name, func(t *testing.T) {
			truth := corpus.Load(t, name)
			all := allProcesses(t, openReference(t, name, Options{}))
			for _, want := range truth.Processes {
				p := all[hexNumber(t, want.OffsetP)]
				if p == nil {
					t.Errorf("process %d %q at %s is missing", want.PID, want.Name, want.OffsetP)
					continue
				}
				delete(all, uint64(p.PA))
				checkProcess(t, p, want)
			}
			for _, p := range all {
				t.Errorf("process %d %q at %#x does not exist", p.PID, p.RawName, uint64(p.PA))
			}
		})
	}
}

func checkProcess(t *testing.T, p *Process, want corpus.Process) {
	t.Helper()
	if want.PID != p.PID || want.NameHex != "" && hex.EncodeToString(p.RawName) != want.NameHex {
		t.Errorf("process %d %q, want %d %q", p.PID, p.RawName, want.PID, want.Name)
	}
	if listed := want.InPslist || want.OffsetV == ""; listed != p.Listed {
		t.Errorf("process %d: in the list: %v, want %v", p.PID, p.Listed, listed)
	}
	if want.CreateTime != "" && !strings.HasPrefix(p.Created.Format("2006-01-02 15:04:05"), strings.Replace(want.CreateTime, "T", " ", 1)[:19]) {
		t.Errorf("process %d was created %v, want %s", p.PID, p.Created, want.CreateTime)
	}
	env, err := p.Environment()
	if err != nil || want.ImageBase == "" {
		return
	}
	if uint64(env.ImageBase) != hexNumber(t, want.ImageBase) || env.Path != want.Path || env.CommandLine != want.CommandLine {
		t.Errorf("process %d: base %#x path %q command line %q, want %s %q %q", p.PID, uint64(env.ImageBase), env.Path, env.CommandLine,
			want.ImageBase, want.Path, want.CommandLine)
	}
}

// TestDumpsAreVolatilitys compares both dumps of every process with Volatility 2's dumps, and with the dumps that all
// page sources give.
func TestDumpsAreVolatilitys(t *testing.T) {
	corpus.Long(t)
	for _, level := range []struct {
		name string
		all  bool
	}{{"volatility2", false}, {"vad", true}} {
		for _, name := range reference {
			t.Run(level.name+"/"+name, func(t *testing.T) {
				truth := corpus.Load(t, name)
				all := allProcesses(t, openReference(t, name, Options{AllPages: level.all}))
				for _, want := range truth.Processes {
					p, dumps := all[hexNumber(t, want.OffsetP)], want.Dumps[level.name]
					if want.Volatility2.Exe != nil {
						dumps.Exe, dumps.Mem = want.Volatility2.Exe, want.Volatility2.Mem
					}
					if p == nil {
						continue // reported elsewhere
					}
					exe, err := p.FileDump()
					checkDump(t, want.Name+" in file layout", exe, err, dumps.Exe)
					mem, err := p.MemoryDump()
					checkDump(t, want.Name+" in memory layout", mem, err, dumps.Mem)
				}
			})
		}
	}
}

// longDump is the size from which a digest is left to the long tests: one process claims 2 GiB.
const longDump = 1 << 28

func checkDump(t *testing.T, what string, e *Executable, err error, want *corpus.Digest) {
	t.Helper()
	switch {
	case want == nil || want.Error != "" || want.MD5 == "":
		if err == nil {
			t.Errorf("%s: there is a file of %d bytes where Volatility has none", what, e.Reader.Size())
		}
	case err != nil:
		t.Errorf("%s: %v", what, err)
	case e.Reader.Size() != want.Size:
		t.Errorf("%s: %d bytes, want %d", what, e.Reader.Size(), want.Size)
	case want.Size < longDump || !testing.Short() && !raceEnabled:
		if got := digest(t, sparse.ZeroFill(e.Reader, nil), want.Size); got != want.MD5 {
			t.Errorf("%s: MD5 %s, want %s", what, got, want.MD5)
		}
	}
}

func digest(t *testing.T, r io.ReaderAt, size int64) string {
	t.Helper()
	h := md5.New()
	if n, err := io.Copy(h, io.NewSectionReader(r, 0, size)); n != size || err != nil {
		t.Errorf("read %d of %d bytes: %v", n, size, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
