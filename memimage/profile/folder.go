package profile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// folderPatterns are the places in a folder where the symbols of one kernel can be, the likeliest first. Upper and
// lower case do not matter.
var folderPatterns = []string{
	"{pdb}/{guid}{age}/{pdb}", // a symbol store
	"{guid}{age}/{pdb}",
	"windows/{pdb}/{guid}-{AGE}.json", // symbol tables in Volatility's folders
	"symbols/windows/{pdb}/{guid}-{AGE}.json",
	"{pdb}/{guid}-{AGE}.json",
	"{guid}-{AGE}.json",
}

// packings are the ways in which a symbol table can be compressed, as file name endings.
var packings = []string{"", ".xz", ".gz"}

// maxLoose bounds the files that are opened although their names say nothing.
const maxLoose = 64

// openFolder looks for the symbols of one kernel in a folder.
func openFolder(dir string, want Identity, o SymbolOptions) (*Profile, error) {
	var problems []error
	try := func(path string) *Profile {
		p, err := ReadSymbols(path, o)
		if err != nil {
			problems = append(problems, err)
			return nil
		}
		if id, _ := p.Identity(); !sameFile(id, want) {
			return nil
		}
		return p
	}
	tried := places(want)
	for _, place := range tried {
		if path, ok := find(dir, place); ok {
			if p := try(path); p != nil {
				return p, nil
			}
		}
	}
	for _, path := range loose(dir) {
		if p := try(path); p != nil {
			return p, nil
		}
	}
	err := fmt.Errorf("%w of %s in %s: tried %s, *.pdb, *.json*\n%s", ErrNoSymbols, want, dir, strings.Join(tried, ", "), howToGet(want))
	return nil, errors.Join(append([]error{err}, problems...)...)
}

// places are the paths of folderPatterns for one kernel.
func places(want Identity) (out []string) {
	fill := strings.NewReplacer("{pdb}", want.PDB, "{guid}", want.GUID, "{age}", fmt.Sprintf("%X", want.Age), "{AGE}", fmt.Sprint(want.Age))
	for _, pattern := range folderPatterns {
		place := fill.Replace(pattern)
		if !strings.HasSuffix(place, ".json") {
			out = append(out, place)
			continue
		}
		for _, packing := range packings {
			out = append(out, place+packing)
		}
	}
	return out
}

// find goes down from dir by the names in place, in upper or lower case.
func find(dir, place string) (path string, ok bool) {
	path = dir
	for name := range strings.SplitSeq(place, "/") {
		if path, ok = entry(path, name); !ok {
			return "", false
		}
	}
	return path, true
}

func entry(dir, name string) (path string, ok bool) {
	path = filepath.Join(dir, name)
	if _, err := os.Lstat(path); err == nil {
		return path, true
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return filepath.Join(dir, e.Name()), true
		}
	}
	return "", false
}

// loose are the symbol files that lie in dir itself.
func loose(dir string) (out []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		if e.Type().IsRegular() && len(out) < maxLoose && (strings.HasSuffix(name, ".pdb") || strings.Contains(name, ".json")) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}
