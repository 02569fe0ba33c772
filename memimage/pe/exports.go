package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/sparse"
)

const (
	exportDirectorySize = 40      // sizeof(IMAGE_EXPORT_DIRECTORY)
	maxExports          = 1 << 16 // ordinals have 16 bits
)

// Exports are the functions that a file exports, as far as its tables could be read.
type Exports struct {
	Base      uint32   // the ordinal of the first function
	Addresses uint32   // the RVA of AddressOfFunctions
	Functions []uint32 // their RVAs by ordinal; 0 for none, or one that could not be read
	Gaps      bool     // part of the tables could not be read, or makes no sense
	Whole     bool     // but all of Functions could

	f      *File
	dir    Directory
	byName map[string]uint32 // indexes of Functions
	known  map[uint32]bool   // RVAs of functions
}

// Export is where an exported function is.
type Export struct {
	RVA     uint32
	Forward string // "DLL.Name" or "DLL.#ordinal" of the function that it stands for; then RVA is not of code
}

// Exports reads the export tables. The error is of a source that fails; bytes that are missing are no error.
func (f *File) Exports() (*Exports, error) {
	e := &Exports{f: f, dir: f.Directory(dirExport), byName: map[string]uint32{}, known: map[uint32]bool{}}
	if e.dir.Address == 0 {
		e.Whole = true
		return e, nil
	}
	w := &exportWalk{Exports: e}
	var d [exportDirectorySize]byte
	if !w.read(d[:], int64(e.dir.Address)) {
		return e, w.err
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(d[at:]) }
	e.Base, e.Addresses = u32(16), u32(28)
	w.functions(u32(20))
	e.Whole = !e.Gaps
	w.names(u32(24), u32(32), u32(36))
	return e, w.err
}

// exportWalk is the reading of export tables.
type exportWalk struct {
	*Exports
	err error // of a source that fails
}

// read fills p from the image. It reports whether all of it is there.
func (w *exportWalk) read(p []byte, rva int64) bool {
	n, err := w.f.image.ReadAt(p, rva)
	if n == len(p) {
		return true
	}
	w.gap(fmt.Errorf("pe: reading the export tables at RVA %#x: %w", rva, err))
	return false
}

// gap notes that something could not be read.
func (w *exportWalk) gap(err error) {
	w.Gaps = true
	if w.err == nil && sparse.Failed(err) {
		w.err = err
	}
}

// functions reads the addresses of count functions.
func (w *exportWalk) functions(count uint32) {
	w.Gaps = w.Gaps || count > maxExports
	w.Functions = make([]uint32, min(count, maxExports))
	for i := range w.Functions {
		var b [4]byte
		if w.err != nil || !w.read(b[:], int64(w.Addresses)+4*int64(i)) {
			continue
		}
		w.Functions[i] = binary.LittleEndian.Uint32(b[:])
		w.known[w.Functions[i]] = true
	}
}

// names reads count names, and which functions they are of.
func (w *exportWalk) names(count, names, ordinals uint32) {
	w.Gaps = w.Gaps || count > maxExports
	for i := range int64(min(count, maxExports)) {
		var name [4]byte
		var index [2]byte
		if w.err != nil || !w.read(name[:], int64(names)+4*i) || !w.read(index[:], int64(ordinals)+2*i) {
			continue
		}
		s, err := w.f.name(int64(binary.LittleEndian.Uint32(name[:])))
		if err != nil {
			w.gap(err)
			continue
		}
		if _, twice := w.byName[s]; !twice {
			w.byName[s] = uint32(binary.LittleEndian.Uint16(index[:]))
		}
	}
}

// Named returns the function with a name. The error is of a source that fails.
func (e *Exports) Named(name string) (Export, bool, error) {
	i, ok := e.byName[name]
	if !ok {
		return Export{}, false, nil
	}
	return e.at(i)
}

// Ordinal returns the function with an ordinal. The error is of a source that fails.
func (e *Exports) Ordinal(n uint16) (Export, bool, error) { return e.at(uint32(n) - e.Base) }

// IsFunction reports whether an exported function is at an RVA.
func (e *Exports) IsFunction(rva uint32) bool { return rva != 0 && e.known[rva] }

// at returns the function of an index. What lies in the export directory itself is the name of another function.
func (e *Exports) at(i uint32) (Export, bool, error) {
	if int64(i) >= int64(len(e.Functions)) || e.Functions[i] == 0 {
		return Export{}, false, nil
	}
	out := Export{RVA: e.Functions[i]}
	if out.RVA-e.dir.Address >= e.dir.Size {
		return out, true, nil
	}
	var err error
	out.Forward, err = e.f.name(int64(out.RVA))
	switch {
	case err == nil:
		return out, strings.Contains(out.Forward, "."), nil
	case sparse.IsHole(err) || errors.Is(err, ErrFormat):
		return Export{}, false, nil
	}
	return Export{}, false, err
}
