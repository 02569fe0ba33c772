package profile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CheckSymbols returns an error when there can be no symbols at path: it does not exist, or is a folder without any
// file of a kind that holds symbols. It does not look into the files.
func CheckSymbols(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return err
	}
	left, found := maxLookedAt, false
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if left--; err != nil || left < 0 {
			found = true // it is not known that there is none
			return fs.SkipAll
		}
		if isSymbolName(d.Name()) && !d.IsDir() {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("profile: no file of %s is a PDB file (.pdb) or a symbol table of Volatility 3 (.json, .json%s)", path, strings.Join(packings[1:], ", .json"))
	}
	return err
}

// maxLookedAt bounds the files that CheckSymbols looks at.
const maxLookedAt = 100_000

func isSymbolName(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, ".pdb") {
		return true
	}
	for _, packing := range packings {
		if strings.HasSuffix(name, ".json"+packing) {
			return true
		}
	}
	return false
}
