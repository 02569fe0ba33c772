package memimage

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestStoreOfTwoLayouts: for 14393 x86 the sources do not agree on the distance between the elements of an array of
// chunks. With either distance, every page is read, and none is a wrong page.
func TestStoreOfTwoLayouts(t *testing.T) {
	corpus.Long(t)
	for _, stride := range []int{8, 12} {
		sys := storeSystem(t, "Win10x86_14393")
		sys.Store.Stride = stride
		sys.Store.Stores = []synth.SMKM{{Index: 1, Levels: 3, Records: 2, RecordSize: 20, Header: 64, RegionBits: 13}}
		m := buildMemory(t, sys)
		im := openBuiltStore(t, m, true, false)
		c := im.Kernel.CompressedStore()
		if c == nil || c.Err != nil {
			t.Errorf("stride %d: %v", stride, c)
			continue
		}
		checkBuiltPages(t, allProcesses(t, im), m, synth.Stores)
	}
}

// TestPageFileWithTheStoresNumber: where the kernel's list of page files is not found, a page file may be given under
// the number of the store, which the keys in its tree show. No page is read from that file: the entries mean the store.
func TestPageFileWithTheStoresNumber(t *testing.T) {
	sys := storeSystem(t, "Win10x64_19041.2846")
	sys.Store.Lacks = synth.StoreLacks{RVAs: true, Files: true}
	m := buildMemory(t, sys)
	name := filepath.Join(t.TempDir(), "other.bin")
	if err := os.WriteFile(name, bytes.Repeat([]byte("wrong"), 40<<20/5), 0o600); err != nil {
		t.Fatal(err)
	}
	im := openMemory(t, m, Options{AllPages: true, PageFiles: []GivenPageFile{{name, 2}}})
	if files, _ := im.Kernel.PagingFiles(); len(files) != 0 {
		t.Fatal(files)
	}
	if says := strings.Join(im.Assumed(), "\n"); !strings.Contains(says, "nothing is read from it") {
		t.Error(says)
	}
	checkBuiltPages(t, allProcesses(t, im), m, synth.Stores)
}

// TestStoreWithAPageFileOfAnotherMoment: a page file of another moment leads to no page, and does not hide the pages
// with data in memory.
func TestStoreWithAPageFileOfAnotherMoment(t *testing.T) {
	sys := storeSystem(t, "Win10x64_19041.2846")
	forms := &sys.Processes[0]
	forms.Pages = func(page int) synth.State {
		switch {
		case page == 0:
			return synth.Valid
		case page%3 == 0:
			return synth.Compressed
		}
		return synth.Compressed.As(synth.StorePageFile)
	}
	sys.Processes = sys.Processes[:1]
	m := buildMemory(t, sys)
	for i := range m.PageFile {
		m.PageFile[i] ^= byte(0x55 + i)
	}
	im := openBuiltStore(t, m, true, true)
	c := im.Kernel.CompressedStore()
	if c == nil || c.Err != nil {
		t.Fatal(c)
	}
	read := 0
	b := make([]byte, pageSize)
	for _, p := range allProcesses(t, im) {
		for i := range m.Truth.Store.Pages {
			want := &m.Truth.Store.Pages[i]
			if want.PID != p.PID || !want.Readable(synth.Stores) {
				continue
			}
			if _, err := p.Process.Space().ReadVirt(b, paging.Virt(want.VA)); err != nil || !bytes.Equal(b, want.Content) {
				t.Errorf("%#x: %v", want.VA, err)
			} else {
				read++
			}
		}
	}
	if read < 5 {
		t.Errorf("only %d pages were read", read)
	}
}

// TestRestoredOfAssumedPages: an assumed page of a section is assumed in the restored file, too.
func TestRestoredOfAssumedPages(t *testing.T) {
	m := buildMemory(t, storeSystem(t, "Win10x64_19041.2846"))
	im := openBuiltStore(t, m, true, true)
	checked := 0
	for _, p := range allProcesses(t, im) {
		assumed := map[int64]string{}
		for page := range p.Pages() {
			if page.Source != FromNowhere && strings.HasPrefix(page.Note, "assumed") {
				assumed[page.RVA] = page.Note
			}
		}
		r, err := p.Restored()
		if err != nil {
			continue
		}
		for _, row := range r.Rows {
			note := assumed[row.RVA&^(pageSize-1)]
			if note == "" || row.Source != FromStore.String() && !strings.HasPrefix(row.Source, "page file") {
				continue // it is from the section, which has another page
			}
			checked++
			if row.Exact() || !strings.Contains(row.Note, note) {
				t.Errorf("%s, RVA %#x: %v, %q; want %q", p.Name(), row.RVA, row.Certainty(), row.Note, note)
			}
		}
	}
	if checked < 2 {
		t.Errorf("only %d rows", checked)
	}
}
