package pe

import (
	"encoding/binary"
	"fmt"
)

const delayDescriptorSize = 32 // sizeof(IMAGE_DELAYLOAD_DESCRIPTOR)

// DelayImports reads the tables of the DLLs that are loaded when they are first called. The error is of a source that
// fails; bytes that are missing are no error.
func (f *File) DelayImports() (*Imports, error) {
	w := &importWalk{f: f}
	dir := f.Directory(dirDelay)
	for i := 0; dir.Address != 0; i++ {
		var d [delayDescriptorSize]byte
		at := int64(dir.Address) + int64(i)*delayDescriptorSize
		if i == maxDLLs || !w.read(d[:], at) {
			w.fail(fmt.Errorf("pe: the delay import descriptor at RVA %#x is the %dth: %w", at, maxDLLs, ErrFormat))
			w.out.Open = true
			break
		}
		if binary.LittleEndian.Uint32(d[4:]) == 0 {
			break
		}
		w.delayed(d[:])
	}
	return &w.out, w.err
}

// delayed reads one IMAGE_DELAYLOAD_DESCRIPTOR. It holds RVAs or, as compilers of the 1990s had it, addresses.
func (w *importWalk) delayed(d []byte) {
	rva := func(at int) uint32 {
		v := binary.LittleEndian.Uint32(d[at:])
		if d[0]&1 == 0 {
			v -= uint32(w.f.ImageBase)
		}
		return v
	}
	name, handle, thunks, names := rva(4), rva(8), rva(12), rva(16)
	dll := DLL{Handle: handle}
	dll.Name, _ = w.name(int64(name))
	w.table(&dll, names, thunks)
	w.out.DLLs = append(w.out.DLLs, dll)
}
