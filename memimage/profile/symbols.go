package profile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"memlens/memimage/profile/internal/layout"
	"memlens/memimage/profile/isf"
	"memlens/memimage/profile/pdb"
)

// ErrOtherKernel is wrapped by OpenSymbols's error about a symbol file of another kernel than the wanted one.
var ErrOtherKernel = errors.New("profile: symbols of another kernel")

// ErrNoSymbols is wrapped by OpenSymbols's error about a folder without the symbols wanted.
var ErrNoSymbols = errors.New("profile: no symbols")

// SymbolOptions say how symbol files are read.
type SymbolOptions struct {
	Cache   string  // folder for compact copies of symbol files, created when needed; "": no copies are made
	Version Version // of the kernel, from its image; PDB files do not have it
}

// DefaultCache is the folder for compact copies of symbol files in the user's cache folder, or "" if there is none.
func DefaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "memlens")
}

// OpenSymbols reads the profile of the wanted kernel from path: a PDB file, a Volatility 3 symbol table (.json,
// .json.gz, .json.xz), or a folder, which may be a symbol store or hold symbol tables in Volatility's folders.
//
// A file of another kernel is an error wrapping ErrOtherKernel, and a folder without a file of this one an error
// wrapping ErrNoSymbols; both name the places that were tried, and say how to get the file.
func OpenSymbols(path string, want Identity, o SymbolOptions) (*Profile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("profile: symbols: %w", err)
	}
	want.PDB = fileName(want.PDB)
	if info.IsDir() {
		return openFolder(path, want, o)
	}
	p, err := ReadSymbols(path, o)
	if err != nil {
		return nil, err
	}
	return p.ofKernel(path, want)
}

// ofKernel returns the profile of a symbol file if the file belongs to the wanted kernel.
func (p *Profile) ofKernel(path string, want Identity) (*Profile, error) {
	if id, _ := p.Identity(); !sameFile(id, want) {
		return nil, fmt.Errorf("%w: %s is of %s, the kernel wants %s\n%s", ErrOtherKernel, path, id, want, howToGet(want))
	}
	return p, nil
}

// OpenSymbolsFrom is [OpenSymbols] for a file of size bytes that is read from r; name is its name, and shown is its
// place, for messages. No copy of it is kept.
func OpenSymbolsFrom(r io.ReaderAt, size int64, name, shown string, want Identity, o SymbolOptions) (*Profile, error) {
	want.PDB = fileName(want.PDB)
	t, err := readTableFrom(r, size, name)
	if err != nil {
		return nil, fmt.Errorf("profile: %s: %w", shown, err)
	}
	return newSymbols(t, o).ofKernel(shown, want)
}

// ReadSymbols reads the profile of a symbol file of any kernel.
func ReadSymbols(path string, o SymbolOptions) (*Profile, error) {
	c := newCache(o.Cache, path)
	t, ok := c.load()
	if !ok {
		var err error
		if t, err = readTable(path); err != nil {
			return nil, fmt.Errorf("profile: %s: %w", path, err)
		}
		c.store(t)
	}
	return newSymbols(t, o), nil
}

// newSymbols makes a profile from the table of a symbol file.
func newSymbols(t layout.Table, o SymbolOptions) *Profile {
	if t.Version == (layout.Version{}) {
		t.Version = layout.Version{o.Version.Major, o.Version.Minor, o.Version.Build, o.Version.Revision}
		t.Kernels[0].Version = t.Version
	}
	t = completed(t)
	p := &Profile{header: t.Header, structs: func() []layout.Struct { return t.Structs }}
	p.kernel = &p.header.Kernels[0]
	return p
}

// readTable reads a symbol file of either kind, by its first bytes.
func readTable(path string) (layout.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return layout.Table{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return layout.Table{}, err
	}
	return readTableFrom(f, info.Size(), filepath.Base(path))
}

func readTableFrom(f io.ReaderAt, size int64, name string) (layout.Table, error) {
	if err := recognise(f); err != nil {
		return layout.Table{}, err
	}
	t, err := readPDB(f, size, name)
	if errors.Is(err, pdb.ErrFormat) {
		t, err = isf.Read(io.NewSectionReader(f, 0, size), isf.Wanted{Struct: wantedStructs(), Symbol: wantedSymbol})
	}
	if err != nil {
		return layout.Table{}, err
	}
	id := identityOf(t.Kernels[0])
	t.Name = id.String()
	if p, ok := Builtin().ByIdentity(id); ok && t.Version == (layout.Version{}) {
		t.Version = p.kernel.Version
		t.Kernels[0].Version = t.Version
	}
	return t, nil
}

// otherFormats are kinds of files that are mistaken for symbol files, by their first bytes.
var otherFormats = []struct{ start, advice string }{
	{"MSCF", "a cabinet, as symbol stores compress their files: expand it first"},
	{"Microsoft MSFZ", "a compressed PDB file (MSFZ): convert it to a plain one first"},
	{"Microsoft C/C++ program database 2", "a PDB file of version 2, of before Windows XP"},
	{"MZ", "a program, not its symbols: the PDB file that belongs to it is needed"},
	{"PK", "an archive: unpack it first"},
}

func recognise(r io.ReaderAt) error {
	start := make([]byte, 64)
	n, _ := r.ReadAt(start, 0)
	for _, f := range otherFormats {
		if strings.HasPrefix(string(start[:n]), f.start) {
			return errors.New(f.advice)
		}
	}
	return nil
}

func readPDB(r io.ReaderAt, size int64, name string) (t layout.Table, err error) {
	f, err := pdb.Open(r, size)
	if err != nil {
		return t, err
	}
	id := NewIdentity("", f.GUID, f.Age)
	k := layout.Kernel{PDB: name, Age: id.Age}
	k.GUID, _ = parseGUID(id.GUID)
	t.Source = "PDB file"
	arch, _ := ArchOf(f.Machine)
	t.Arch = uint8(arch)
	if t.Structs, err = f.Structs(wantedStructs()); err != nil {
		return t, err
	}
	if k.Symbols, err = f.Publics(wantedSymbol); err != nil {
		return t, err
	}
	t.Kernels = []layout.Kernel{k}
	if t.Arch == 0 || len(t.Structs) == 0 {
		return t, fmt.Errorf("a PDB file, but not of a kernel with type information (machine %#x, %d structures)", f.Machine, len(t.Structs))
	}
	t.Normalize()
	return t, nil
}

// sameFile compares the parts that identify a PDB file: not its name, which may differ between copies.
func sameFile(a, b Identity) bool { return strings.EqualFold(a.GUID, b.GUID) && a.Age == b.Age }

// fileName is the last part of the name that an image gives its PDB file, which may be a whole path of the machine it
// was made on, or any text.
func fileName(pdb string) string {
	name := pdb[strings.LastIndexAny(pdb, `/\`)+1:]
	if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, unicode.IsControl) {
		return "ntkrnlmp.pdb"
	}
	return name
}

// howToGet says where to get the wanted symbols, for a machine that has a network.
func howToGet(want Identity) string {
	return fmt.Sprintf("get https://msdl.microsoft.com/download/symbols/%s/%s on a machine with a network, and give that file", want, want.PDB)
}
