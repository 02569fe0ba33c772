package memimage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// stored are the reference images with processes that have pages in the compressed store.
var stored = []string{"Win10x64_18362-store", "Win10x64_19041-store", "Win11x64_22000-store"}

// storeLevels are the sources that are read from these images, by the truth's names, and the options for them.
var storeLevels = []struct {
	name          string
	all, pageFile bool
}{{"volatility2", false, false}, {"volatility2", false, true}, {"store", true, false}, {"store+pagefile", true, true}}

func openStored(t testing.TB, name string, all, pageFile bool) *Image {
	t.Helper()
	o := Options{AllPages: all}
	if pageFile {
		o.PageFiles = []GivenPageFile{{corpus.Unpack(t, name+".pagefile.sys"), -1}}
	}
	return openReference(t, name, o)
}

// TestDumpsWithTheStore compares both dumps of every process with the dumps that the compressed store gives. By default
// the store is not read, as in Volatility 2.
func TestDumpsWithTheStore(t *testing.T) {
	corpus.Long(t)
	for _, level := range storeLevels {
		for _, name := range stored {
			t.Run(level.name+"/"+name, func(t *testing.T) {
				truth := corpus.Load(t, name)
				all := allProcesses(t, openStored(t, name, level.all, level.pageFile))
				n := 0
				for _, want := range truth.Processes {
					p, dumps := all[hexNumber(t, want.OffsetP)], want.Dumps[level.name]
					if p == nil {
						t.Errorf("process %d %q is missing", want.PID, want.Name)
						continue
					}
					exe, err := p.FileDump()
					checkDump(t, want.Name+" in file layout", exe, err, dumps.Exe)
					mem, err := p.MemoryDump()
					checkDump(t, want.Name+" in memory layout", mem, err, dumps.Mem)
					if err == nil {
						n++
					}
				}
				if n < 20 {
					t.Errorf("only %d dumps", n)
				}
			})
		}
	}
}

// storedStates are the sources that pages of the truth's states have, without and with the page file.
var storedStates = map[string][2]Source{
	"compressed": {FromStore, FromStore}, "compressed-pagefile": {FromNowhere, FromStore}, "pagefile": {FromNowhere, FromPageFile},
	"compressed-missing": {FromNowhere, FromNowhere}, "compressed-damaged": {FromNowhere, FromNowhere}, "compressed-out": {FromNowhere, FromNowhere},
}

// storedNotes are parts of the notes on pages of the truth's kinds that are missing or rest on an assumption.
var storedNotes = map[string]string{
	"nokey": "no entry in the global tree", "invalid": "is invalid", "norecord": "no entry in the store's tree",
	"baddist": "is damaged", "short": "is damaged", "out": "in page file 1", "pf": "page file", "size0": "assumed: that a record without data",
}

// TestPagesInTheStore reads every page of every process and module that the truth has in the compressed store or the page file.
func TestPagesInTheStore(t *testing.T) {
	corpus.Long(t)
	for _, name := range stored {
		for i, pageFile := range []bool{false, true} {
			im := openStored(t, name, false, pageFile)
			truth := corpus.Load(t, name)
			byPID := map[uint64]*Process{}
			for _, p := range allProcesses(t, im) {
				byPID[p.PID] = p
			}
			kinds := map[string]int{}
			for _, want := range append(truth.Store.Pages, pageFilePages(truth)...) {
				p := byPID[want.PID]
				kinds[want.Kind]++
				checkStored(t, p, want, storedStates[want.State][i])
			}
			if len(kinds) < 18 {
				t.Errorf("%s: only %d kinds of pages: %v", name, len(kinds), kinds)
			}
		}
	}
}

func pageFilePages(truth *corpus.Truth) []corpus.StoredPage {
	out := truth.Store.PageFile
	for i := range out {
		out[i].State = "pagefile"
	}
	return out
}

// checkStored reads a page: the listed source must be the source that is read.
func checkStored(t *testing.T, p *Process, want corpus.StoredPage, from Source) {
	t.Helper()
	va := paging.Virt(hexNumber(t, want.VA))
	listed := (&Module{im: p.image, where: &mainImage{p}}).page(va, 0)
	b := make([]byte, pageSize)
	_, err := p.Process.Space().ReadVirt(b, va)
	sum := sha256.Sum256(b)
	switch {
	case listed.Source != from:
		t.Errorf("process %d, %s (%s): from %s (%s), want %s", want.PID, want.VA, want.Kind, listed.Source, listed.Note, from)
	case from == FromNowhere && !sparse.IsHole(err):
		t.Errorf("process %d, %s (%s): %v, want a hole", want.PID, want.VA, want.Kind, err)
	case from != FromNowhere && (err != nil || hex.EncodeToString(sum[:]) != want.SHA256):
		t.Errorf("process %d, %s (%s): other bytes, %v", want.PID, want.VA, want.Kind, err)
	case !strings.Contains(listed.Note, storedNotes[want.Kind]):
		t.Errorf("process %d, %s (%s): %q, want %q", want.PID, want.VA, want.Kind, listed.Note, storedNotes[want.Kind])
	case from == FromStore && want.Kind == "raw" && bytes.Equal(b, make([]byte, pageSize)):
		if !strings.Contains(listed.Note, "zeros which were not compressed") {
			t.Errorf("process %d, %s: %q", want.PID, want.VA, listed.Note)
		}
	case from == FromStore && storedNotes[want.Kind] == "" && listed.Note != "":
		t.Errorf("process %d, %s (%s): %q", want.PID, want.VA, want.Kind, listed.Note)
	}
	if _, tables := p.Tables().ReadVirt(b, va); tables == nil {
		t.Errorf("process %d, %s (%s): the page tables alone lead to it", want.PID, want.VA, want.Kind)
	}
}

// TestPageStatesWithTheStore compares the state of every page of the main programs with the truth.
func TestPageStatesWithTheStore(t *testing.T) {
	corpus.Long(t)
	for _, name := range stored {
		for i, pageFile := range []bool{false, true} {
			im := openStored(t, name, false, pageFile)
			all := allProcesses(t, im)
			for _, want := range corpus.Load(t, name).Processes {
				p := all[hexNumber(t, want.OffsetP)]
				var counts Counts
				for state, pages := range want.Pages {
					of, other := storedStates[state], len(pageSet(t, pages))
					if state == "compressed" || strings.HasPrefix(state, "compressed-") || state == "pagefile" {
						counts[of[i]] += other
					}
				}
				got := p.PageCounts()
				if got[FromStore] != counts[FromStore] || got[FromPageFile] != counts[FromPageFile] {
					t.Errorf("%s, process %d %q: %v, want %d in the store and %d in the page file", name, want.PID, want.Name, got, counts[FromStore], counts[FromPageFile])
				}
			}
		}
	}
}

// TestStoreIsFound: the numbers and addresses on the way to the store equal the truth's.
func TestStoreIsFound(t *testing.T) {
	for _, name := range stored {
		truth, k := corpus.Load(t, name).Store, openStored(t, name, false, false).Kernel
		c := k.CompressedStore()
		if c == nil || c.Err != nil || c.Number != truth.Number || c.Assumed || !strings.Contains(c.Found, "SmGlobals is at "+truth.SmGlobals) {
			t.Errorf("%s: %+v, want SmGlobals at %s, page file %d", name, c, truth.SmGlobals, truth.Number)
		}
		files, by := k.PagingFiles()
		if len(files) != len(truth.PageFiles) || by == "" {
			t.Fatalf("%s: %v, want %v", name, files, truth.PageFiles)
		}
		for i, want := range truth.PageFiles {
			if f := files[i]; f.Number != want.Number || f.Name != want.Name || f.Virtual != want.Virtual {
				t.Errorf("%s: %+v, want %+v", name, f, want)
			}
		}
	}
}
