package synth

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// storeBuilder is the compression store while a system is built: pages are taken in as they are placed, and laid out at
// the end.
type storeBuilder struct {
	b       *builder
	l       storeLayout
	rng     *rand.Rand // separate, so that a system without pages in the store has the same layout
	number  int        // of the virtual store
	outFile int
	next    uint64 // offset in the virtual store, in pages
	outNext uint64 // next offset in the page file that is not available
	proc    *proc  // MemCompression
	pages   []*StoredPage
	smkms   []*smkm
	globals uint64 // address of SmGlobals, or of the block in its place
	tree    uint64 // of the global tree
	files   []PageFileTruth
}

// firstStoreOffset is where the offsets of pages begin: below bit 13, above which the usual mask lies, so that there are
// entries with and without the swizzle bit.
const firstStoreOffset = 0x1f00

func newStoreBuilder(b *builder) *storeBuilder {
	if b.Store == nil {
		return nil
	}
	st := &storeBuilder{
		b: b, rng: rand.New(rand.NewPCG(b.Seed, hash("compression store"))), number: orDefaultInt(b.Store.Number, storeNumber),
		next: firstStoreOffset, outNext: 0x40,
	}
	st.l, _ = storeLayoutOf(b.l.build, b.x64())
	if b.Store.Stride != 0 {
		st.l.chunkStride = uint64(b.Store.Stride)
	}
	if b.Store.Lacks.Build {
		st.l = st.l.shifted()
	}
	st.outFile = b.outFile(st.number)
	for _, m := range b.Store.stores() {
		st.smkms = append(st.smkms, &smkm{SMKM: m, st: st})
	}
	return st
}

// outFile is the number of the page file that is not available.
func (b *builder) outFile(store int) int {
	n := b.Store.OutFile
	for n == b.PageFile || n == store {
		n++
	}
	return n
}

// addMemCompression makes the process that has the store's data in its user space.
func (b *builder) addMemCompression() {
	if b.store == nil {
		return
	}
	p := &proc{Process: Process{
		PID: cmp.Or(b.Store.PID, storePID), PPID: 4, Name: "MemCompression", Minimal: true, Threads: 12, Hidden: b.Store.Lacks.Owner,
		Created: b.Time.Add(-2 * 3600e9),
	}}
	p.space = b.newSpace()
	p.dtb = p.space.top
	b.addEPROCESS(p)
	b.procs = append(b.procs, p)
	b.store.proc = p
}

// maskVariable is InvalidPteMask as the kernel's variable has it.
func (b *builder) maskVariable() uint64 {
	if b.store != nil && b.Store.Lacks.Mask {
		return 0
	}
	return b.SwizzleMask
}

// compress takes a page into the store and returns the page-table entry that leads to it. va is the page's address in
// the process, or the address of its prototype PTE if pid is 0.
func (b *builder) compress(page []byte, k StoreKind, protection, pid, va uint64) uint64 {
	if b.store == nil {
		panic(buildError{fmt.Errorf("synth: a page of process %d at %#x is in the compression store, which System.Store does not describe", pid, va)})
	}
	offset := b.store.newOffset()
	p := &StoredPage{
		PID: pid, VA: va, Kind: k, Key: b.store.key(offset), Content: bytes.Clone(k.content(page)), Store: -1,
		PTE: b.softPTE().pageFile(b.store.number, offset, protection),
	}
	b.store.pages = append(b.store.pages, p)
	return p.PTE
}

// newOffset returns an offset that no page has.
func (st *storeBuilder) newOffset() uint64 {
	at := st.next
	st.next += 1 + st.rng.Uint64N(3)
	return at
}

// key is the SM_PAGE_KEY of an offset in the virtual store.
func (st *storeBuilder) key(offset uint64) uint32 {
	return (uint32(st.number)<<28 | uint32(offset)) & st.l.keyMask
}

// finishStore lays out all pages that were taken in.
func (b *builder) finishStore() {
	if b.store == nil {
		return
	}
	b.store.finish()
}

func (st *storeBuilder) finish() {
	global := st.fill()
	for _, m := range st.smkms {
		m.write()
	}
	st.tree = st.writeTree(global, orDefaultInt(st.b.Store.Levels, storeLevels))
	st.writeGlobals(len(global))
	st.writePageFiles()
	if at := st.b.kernel.vars[varMask]; at != 0 {
		st.b.k.write(st.b.variable(varMask), le(st.b.maskVariable(), 8))
	}
}

// fill puts the pages into the stores, with as many other pages as the trees need for their levels. It returns the
// entries of the global tree.
func (st *storeBuilder) fill() (global []treeEntry) {
	for _, p := range st.pages {
		m := st.choose()
		local := m.add(p)
		if p.Kind != StoreNoKey {
			global = append(global, treeEntry{p.Key, st.frontend(m, p.Kind)})
		}
		if p.Kind != StoreNoLocal {
			m.entries = append(m.entries, treeEntry{p.Key, local})
		}
	}
	for _, m := range st.smkms {
		for len(m.entries) < 1<<(m.Levels+1) {
			p := &StoredPage{Key: st.key(st.newOffset()), Content: st.other()}
			m.entries = append(m.entries, treeEntry{p.Key, m.add(p)})
			global = append(global, treeEntry{p.Key, st.frontend(m, p.Kind)})
		}
	}
	for len(global) < 1<<orDefaultInt(st.b.Store.Levels, storeLevels) {
		global = append(global, treeEntry{st.key(st.newOffset()), 1023 | 1<<24})
	}
	slices.SortFunc(global, byKey)
	return global
}

// choose returns the store for the next page: a store whose tree has room.
func (st *storeBuilder) choose() *smkm {
	for i := st.rng.IntN(len(st.smkms)); ; i = (i + 1) % len(st.smkms) {
		if m := st.smkms[i]; m.Levels > 1 || len(m.entries) < st.leafMost()-8 {
			return m
		}
	}
}

// other is a page of a process that is long gone.
func (st *storeBuilder) other() []byte {
	return append(readOnly(st.rng, "gone", 0x800), make([]byte, 0x800)...)
}

// frontend is the entry of a page in the global tree (SMKM_FRONTEND_ENTRY): the index of its store, and flags. The
// only known flag makes the entry invalid.
func (st *storeBuilder) frontend(m *smkm, k StoreKind) uint32 {
	value := uint32(m.Index) | st.rng.Uint32N(1<<14)<<10
	switch k {
	case StoreInvalid:
		return value | 1<<24
	case StoreNoStore:
		return value | 0x3ff
	}
	return value
}

// truth describes the store that was built.
func (st *storeBuilder) truth() *StoreTruth {
	t := &StoreTruth{
		Number: st.number, Mask: st.b.SwizzleMask, SmGlobals: st.globals, GlobalTree: st.tree,
		Levels: orDefaultInt(st.b.Store.Levels, storeLevels), PageFiles: st.files, PID: st.proc.PID, EPROCESS: st.proc.eprocess.va,
	}
	for _, m := range st.smkms {
		t.Stores = append(t.Stores, m.truth())
	}
	for _, p := range st.pages {
		t.Pages = append(t.Pages, *p)
	}
	return t
}
