package synth

import "fmt"

// writeGlobals writes SmGlobals: the rows of the array of stores, and the global tree. From 22H2 on it lies in a block of
// pool, into which SmGlobals points.
func (st *storeBuilder) writeGlobals(entries int) {
	b, l := st.b, &st.l
	ptr := int(l.ptr)
	at := b.variable(varSmGlobals)
	st.globals = at
	if l.moved != 0 {
		st.globals = b.nonpaged.alloc("SmPa", int(l.movedBy)+0x100)
		b.k.write(at+l.moved, le(st.globals+l.movedBy, ptr))
	}
	rows := map[int]uint64{0: st.newRow()}
	for _, m := range st.smkms {
		row := m.Index >> 5
		if rows[row] == 0 {
			rows[row] = st.newRow()
		}
		meta := rows[row] + uint64(m.Index&31)*l.metadata
		b.k.write(meta, le(m.va, ptr))
		b.k.write(meta+l.metadataProcess, le(st.proc.eprocess.va, ptr))
	}
	for row, va := range rows {
		b.k.write(st.globals+uint64(row*ptr), le(va, ptr))
	}
	b.k.write(st.globals+l.globalTree, le(st.tree, ptr))
	b.k.write(st.globals+l.globalTree+l.ptr, le(uint64(entries), ptr))
	if b.Store.Lacks.Globals {
		st.dropGlobals(at)
	}
}

// newRow is the memory for 32 SMKM_STORE_METADATA.
func (st *storeBuilder) newRow() uint64 {
	tag := "smSa"
	if st.b.Store.Lacks.ArrayTag {
		tag = "smXx"
	}
	return st.b.nonpaged.alloc(tag, int(32*st.l.metadata))
}

// dropGlobals takes the page of SmGlobals out of memory.
func (st *storeBuilder) dropGlobals(at uint64) {
	b := st.b
	pa, _ := b.k.resolve(at)
	if b.LargePages {
		b.m.write(pa&^(pageSize-1), make([]byte, pageSize))
		return
	}
	b.k.set(at, 0)
	delete(b.m.frames, pa>>pageShift)
}

// writePageFiles writes the _MMPAGING_FILE structures and the array of pointers to them.
func (st *storeBuilder) writePageFiles() {
	b, l := st.b, pageFileLayoutOf(st.b.x64(), st.b.l.build)
	count := max(st.number, st.outFile, b.PageFile) + 1
	array, ptr := b.variable(varPagingFile), b.l.ptr
	for number := range count {
		f := st.writePageFile(l, number)
		st.files = append(st.files, f)
		if !b.Store.Lacks.Files {
			b.k.write(array+uint64(number*ptr), le(f.Address, ptr))
		}
	}
	if b.Store.Lacks.Files {
		return
	}
	b.k.write(array-l.count, le(uint64(count), 4))
	if l.initialized != 0 {
		b.k.write(array-l.initialized, []byte{1})
	}
}

// writePageFile writes one _MMPAGING_FILE. The virtual store has no name.
func (st *storeBuilder) writePageFile(l pageFileLayout, number int) PageFileTruth {
	const swapBit, virtualBit = 1 << 4, 1 << 6
	b := st.b
	tag := "Mm  "
	if b.Store.Lacks.FileTag {
		tag = "Xx  "
	}
	f := PageFileTruth{Number: number, Virtual: number == st.number, Address: b.nonpaged.alloc(tag, 0x140)}
	bits := uint64(number)
	switch {
	case f.Virtual:
		if !b.Store.Lacks.FileFlag {
			bits |= virtualBit
		}
	case number == 0:
		f.Name = `\??\C:\pagefile.sys`
	case number == 1:
		f.Name = `\??\C:\swapfile.sys`
		bits |= swapBit
	default:
		f.Name = fmt.Sprintf(`\??\%c:\pagefile.sys`, 'C'+number)
	}
	b.k.write(f.Address, le(0x4000, b.l.ptr)) // Size, in pages
	b.k.write(f.Address+l.number, le(bits, 4))
	if f.Name != "" {
		raw := utf16le(f.Name)
		buffer := b.pagedP.alloc("MmFl", len(raw)+2)
		b.k.write(buffer, raw)
		b.k.unicode(f.Address+l.name, buffer, raw, b.l.ptr)
	}
	return f
}
