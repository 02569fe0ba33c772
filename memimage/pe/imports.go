package pe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage/sparse"
)

const (
	descriptorSize = 20      // sizeof(IMAGE_IMPORT_DESCRIPTOR)
	maxName        = 512     // bytes of a name; a longer one is no name
	maxDLLs        = 1 << 12 // descriptors that are read
	maxFunctions   = 1 << 16 // functions that are read, of all descriptors together
)

// Imports are the import tables of a file, as far as they could be read.
type Imports struct {
	DLLs []DLL
	Open bool // the end of the descriptors could not be read: there may be more
	// Err is the first error of reading, nil when all could be read. For missing bytes it is the source's error; for
	// tables that make no sense it has [ErrFormat] in the chain.
	Err error
}

// DLL holds the imports from one DLL.
type DLL struct {
	Name       string // empty when it could not be read
	Functions  []Function
	Unreadable int      // functions with unreadable names, which Functions leaves out
	Nameless   []uint32 // the RVAs of their thunks
	Open       bool     // the end of the functions could not be read: there may be more
	// Handle is the RVA of the handle of a DLL that is loaded late; 0 for other DLLs.
	Handle uint32
}

// Function is an imported function.
type Function struct {
	Name      string
	Ordinal   uint16
	ByOrdinal bool   // then it has no name
	Thunk     uint32 // the RVA at which the loader puts its address
}

// Unreadable returns the number of DLLs, and of functions, with names that could not be read.
func (im *Imports) Unreadable() (dlls, functions int) {
	for i := range im.DLLs {
		if im.DLLs[i].Name == "" {
			dlls++
		}
		functions += im.DLLs[i].Unreadable
	}
	return dlls, functions
}

// Complete reports whether all of the tables could be read.
func (im *Imports) Complete() bool { return im.Err == nil }

// Imports reads the import tables. The error is of a source that fails; bytes that are missing are no error.
func (f *File) Imports() (*Imports, error) {
	w := &importWalk{f: f}
	dir := f.Directory(dirImport)
	for i := 0; dir.Address != 0; i++ {
		var d [descriptorSize]byte
		at := int64(dir.Address) + int64(i)*descriptorSize
		if i == maxDLLs || !w.read(d[:], at) {
			w.fail(fmt.Errorf("pe: the import descriptor at RVA %#x is the %dth: %w", at, maxDLLs, ErrFormat))
			w.out.Open = true
			break
		}
		name, thunks := binary.LittleEndian.Uint32(d[12:]), binary.LittleEndian.Uint32(d[16:])
		if name == 0 || thunks == 0 {
			break
		}
		w.dll(name, binary.LittleEndian.Uint32(d[:]), thunks)
	}
	return &w.out, w.err
}

// importWalk is the reading of import tables.
type importWalk struct {
	f     *File
	out   Imports
	count int   // functions so far
	err   error // of a source that fails
}

// read fills p from the image. It reports whether all bytes are present.
func (w *importWalk) read(p []byte, rva int64) bool {
	n, err := w.f.image.ReadAt(p, rva)
	if n == len(p) {
		return true
	}
	if !sparse.IsHole(err) && w.err == nil {
		w.err = fmt.Errorf("pe: reading at RVA %#x: %w", rva, err)
	}
	w.fail(fmt.Errorf("pe: the import tables at RVA %#x cannot be read: %w", rva, err))
	return false
}

// fail notes an error of reading, if none was noted before.
func (w *importWalk) fail(err error) {
	if w.out.Err == nil {
		w.out.Err = err
	}
}

// dll reads the functions of one DLL by its lookup table, or by its import address table where it has none.
func (w *importWalk) dll(name, lookup, thunks uint32) {
	d := DLL{}
	d.Name, _ = w.name(int64(name))
	if lookup != 0 {
		w.table(&d, lookup, thunks)
	}
	if empty := len(d.Functions) == 0 && d.Unreadable == 0 && !d.Open; empty {
		w.table(&d, thunks, thunks)
	}
	w.out.DLLs = append(w.out.DLLs, d)
}

// table reads a table of names at rva, which ends with a zero. thunks is the table of their thunks.
func (w *importWalk) table(d *DLL, rva, thunks uint32) {
	size := w.f.PointerSize()
	for at := int64(rva); ; at += int64(size) {
		var b [8]byte
		if w.count == maxFunctions || !w.read(b[:size], at) {
			w.fail(fmt.Errorf("pe: more than %d imported functions: %w", maxFunctions, ErrFormat))
			d.Open = true
			return
		}
		thunk := binary.LittleEndian.Uint64(b[:])
		if thunk == 0 {
			return
		}
		w.count++
		slot := thunks + uint32(at-int64(rva))
		if fn, ok := w.function(thunk, size); ok {
			fn.Thunk = slot
			d.Functions = append(d.Functions, fn)
		} else {
			d.Unreadable++
			d.Nameless = append(d.Nameless, slot)
		}
	}
}

// function reads the function of a thunk of size bytes: an ordinal, or the RVA of a hint and a name.
func (w *importWalk) function(thunk uint64, size int) (Function, bool) {
	flag := uint64(1) << (8*size - 1)
	if thunk&flag != 0 {
		if thunk&^flag > 0xffff {
			w.fail(fmt.Errorf("pe: the import %#x is no ordinal: %w", thunk, ErrFormat))
			return Function{}, false
		}
		return Function{Ordinal: uint16(thunk), ByOrdinal: true}, true
	}
	if thunk >= 1<<32 {
		w.fail(fmt.Errorf("pe: the import %#x is no RVA: %w", thunk, ErrFormat))
		return Function{}, false
	}
	name, ok := w.name(int64(thunk) + 2)
	return Function{Name: name}, ok
}

// isName reports whether a linker can have written a name: all its bytes are visible ASCII.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return s != ""
}

// name reads a name, which ends with a zero: the whole name or nothing.
func (w *importWalk) name(rva int64) (string, bool) {
	name, err := w.f.name(rva)
	if err != nil {
		if !sparse.IsHole(err) && !errors.Is(err, ErrFormat) && w.err == nil {
			w.err = err
		}
		w.fail(err)
	}
	return name, err == nil
}

// name reads a name of the image, which ends with a zero. The error is the source's, or has [ErrFormat] in its chain.
func (f *File) name(rva int64) (string, error) {
	const step = 64
	b := make([]byte, 0, step) // most names are shorter
	for n := 0; n < maxName; n += step {
		b = slices.Grow(b, step)[:n+step]
		got, err := f.image.ReadAt(b[n:], rva+int64(n))
		if end := bytes.IndexByte(b[n:n+got], 0); end >= 0 {
			name := string(b[:n+end])
			if !isName(name) {
				return "", fmt.Errorf("pe: at RVA %#x there is no name of an import: %w", rva, ErrFormat)
			}
			return name, nil
		}
		if got < step {
			return "", fmt.Errorf("pe: the name at RVA %#x cannot be read: %w", rva, err)
		}
	}
	return "", fmt.Errorf("pe: the name at RVA %#x has no end: %w", rva, ErrFormat)
}
