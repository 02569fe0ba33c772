package fs_test

import (
	"testing"

	"memlens/memimage"
	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// campaignStores are builds for which the campaign makes a system with a compressed store: one with Xpress data, one
// with its store in pool, and one with LZ4 data.
var campaignStores = []string{"Win10x64_19041.2846", "Win11x64_22621.382", "Win11x64_26100"}

// storeTags are the pool tags of the structures that lead to the pages of a store.
var storeTags = []string{"smSa", "smBA", "smRA", "SmPa", "Mm  "}

// buildStoreSubject builds a system whose processes have pages of every kind in the compressed store.
func buildStoreSubject(t testing.TB, name string) *subject {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := synth.Build(synth.StoreSystem(p))
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]byte, m.Reader.Size())
	if _, err := m.Reader.ReadAt(mem, 0); err != nil {
		t.Fatal(err)
	}
	s := newSubject(t, name+" with a store", mem)
	s.addStore(t, &m.Truth)
	return s
}

// addStore adds the structures of the store, so often that most changes are made there.
func (s *subject) addStore(t testing.TB, truth *synth.Truth) {
	im, err := memimage.OpenSource(t.Context(), newMutant(s.mem), memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	add := func(va uint64, size int64) {
		for off := int64(0); off < size; off += pageSize {
			s.addVirtual(im.Kernel.Space, "store", paging.Virt(va+uint64(off)), min(size-off, pageSize))
		}
	}
	s.addPool("store", storeTags)
	add(truth.Kernel.Vars["SmGlobals"], 0x400)
	add(truth.Store.SmGlobals, 0x400)
	s.addTree(im.Kernel.Space, truth.Store.GlobalTree, 3)
	for _, one := range truth.Store.Stores {
		add(one.Address, 2*pageSize)
		s.addTree(im.Kernel.Space, one.Tree, 3)
	}
	if len(s.byKind["store"]) < 20 {
		t.Fatalf("only %d places of the store were found to damage", len(s.byKind["store"]))
	}
	s.kinds = append(s.kinds, "store", "store", "store", "store", "store", "store", "store")
}

// addTree adds the nodes of a tree.
func (s *subject) addTree(space *paging.Space, va uint64, levels int) {
	page, err := space.Translate(paging.Virt(va))
	if err != nil || levels == 0 {
		return
	}
	s.add("store", page.Off+int64(va)-int64(page.VA), pageSize)
	m := newMutant(s.mem)
	at := page.Off + int64(va) - int64(page.VA)
	if m.word(at+3, 1) != 0 {
		return
	}
	for i := range 1 + int64(m.word(at, 2)) {
		s.addTree(space, m.word(at+8+16*i, 8), levels-1)
	}
}
