package pe

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"memlens/memimage/sparse"
)

const (
	exportDirectorySize = 40      // sizeof(IMAGE_EXPORT_DIRECTORY)
	maxExports          = 1 << 16 // ordinals have 16 bits
)

// Exports are the functions that a file exports. Its tables are read on demand, and only the parts that are needed.
type Exports struct {
	Base      uint32 // the ordinal of the first function
	Count     uint32 // of addresses: ordinals
	Addresses uint32 // the RVA of AddressOfFunctions

	f               *File
	dir             Directory
	names           uint32 // number of names
	namesAt, ordsAt uint32 // the RVAs of AddressOfNames and AddressOfNameOrdinals
	scanned         func() scannedNames
	all             func() allAddresses
}

// Plus reports whether the file is of 64 bits (PE32+).
func (e *Exports) Plus() bool { return e.f.Plus }

// Export is an exported function.
type Export struct {
	RVA     uint32
	Forward string // "DLL.Name" or "DLL.#ordinal" of the function that it is forwarded to; then RVA is not of code
}

// scannedNames are the readable names, and the error of the first unreadable one.
type scannedNames struct {
	indexes map[string]uint32
	err     error
}

// allAddresses are the readable addresses, and the error of an unreadable one.
type allAddresses struct {
	known map[uint32]bool
	err   error
}

// Exports reads the export directory. The error is the source's where it cannot be read. A file without a directory
// exports nothing.
func (f *File) Exports() (*Exports, error) {
	e := &Exports{f: f, dir: f.Directory(dirExport)}
	e.scanned, e.all = sync.OnceValue(e.scan), sync.OnceValue(e.readAddresses)
	if e.dir.Address == 0 {
		return e, nil
	}
	var d [exportDirectorySize]byte
	if err := e.read(d[:], int64(e.dir.Address)); err != nil {
		return nil, err
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(d[at:]) }
	e.Base, e.Count, e.Addresses = u32(16), min(u32(20), maxExports), u32(28)
	e.names, e.namesAt, e.ordsAt = min(u32(24), maxExports), u32(32), u32(36)
	return e, nil
}

// read fills p from the image.
func (e *Exports) read(p []byte, rva int64) error {
	if n, err := e.f.image.ReadAt(p, rva); n < len(p) {
		return fmt.Errorf("pe: the export tables at RVA %#x cannot be read: %w", rva, err)
	}
	return nil
}

// nameAt returns the i-th name.
func (e *Exports) nameAt(i uint32) (string, error) {
	var b [4]byte
	if err := e.read(b[:], int64(e.namesAt)+4*int64(i)); err != nil {
		return "", err
	}
	return e.f.name(int64(binary.LittleEndian.Uint32(b[:])))
}

// indexAt returns the index of the function with the i-th name.
func (e *Exports) indexAt(i uint32) (uint32, error) {
	var b [2]byte
	err := e.read(b[:], int64(e.ordsAt)+2*int64(i))
	return uint32(binary.LittleEndian.Uint16(b[:])), err
}

// Named returns the function with a name. The names are in order, so it halves them as the loader does. Where a name on
// the way cannot be read, or is out of order, it looks at all names. The error is the source's, or has [ErrFormat] in
// its chain, where the function may be in a part that cannot be read.
func (e *Exports) Named(name string) (Export, bool, error) {
	low, high := uint32(0), e.names
	first, last := "", "\xff" // names around the range from low to high
	for low < high {
		i := low + (high-low)/2
		at, err := e.nameAt(i)
		switch {
		case err != nil || at < first || at > last:
			return e.search(name)
		case at == name:
			index, err := e.indexAt(i)
			if err != nil {
				return Export{}, false, err
			}
			return e.at(index)
		case at < name:
			low, first = i+1, at
		default:
			high, last = i, at
		}
	}
	return Export{}, false, nil
}

// search looks for a name among all readable names.
func (e *Exports) search(name string) (Export, bool, error) {
	s := e.scanned()
	if i, ok := s.indexes[name]; ok {
		return e.at(i)
	}
	return Export{}, false, s.err
}

func (e *Exports) scan() scannedNames {
	out := scannedNames{indexes: map[string]uint32{}}
	for i := range e.names {
		name, err := e.nameAt(i)
		index, missing := e.indexAt(i)
		if err = cmp.Or(err, missing); err == nil {
			out.indexes[name] = index
		} else if out.err == nil || sparse.Failed(err) {
			out.err = err
		}
	}
	return out
}

// Ordinal returns the function with an ordinal. The error is the same as in [Exports.Named].
func (e *Exports) Ordinal(n uint16) (Export, bool, error) { return e.at(uint32(n) - e.Base) }

// IsFunction reports whether an exported function is at an RVA. Where none was found, the error is the source's for an
// address that cannot be read.
func (e *Exports) IsFunction(rva uint32) (bool, error) {
	all := e.all()
	if rva != 0 && all.known[rva] {
		return true, nil
	}
	return false, all.err
}

func (e *Exports) readAddresses() allAddresses {
	out := allAddresses{known: map[uint32]bool{}}
	for i := range e.Count {
		rva, err := e.address(i)
		if err == nil {
			out.known[rva] = true
		} else if out.err == nil || sparse.Failed(err) {
			out.err = err
		}
	}
	return out
}

// address returns the RVA of the function with an index; 0 for none.
func (e *Exports) address(i uint32) (uint32, error) {
	var b [4]byte
	err := e.read(b[:], int64(e.Addresses)+4*int64(i))
	return binary.LittleEndian.Uint32(b[:]), err
}

// at returns the function with an index. An RVA in the export directory itself is the name of another function.
func (e *Exports) at(i uint32) (Export, bool, error) {
	if i >= e.Count {
		return Export{}, false, nil
	}
	rva, err := e.address(i)
	if err != nil || rva == 0 {
		return Export{}, false, err
	}
	out := Export{RVA: rva}
	if rva-e.dir.Address >= e.dir.Size {
		return out, true, nil
	}
	if out.Forward, err = e.f.name(int64(rva)); err != nil {
		return Export{}, false, err
	}
	return out, strings.Contains(out.Forward, "."), nil
}
