package profile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CheckSymbols returns an error when there can be no symbols at path: it does not exist, is a file that does not begin as
// symbol files do, or is a folder without any file of a kind that holds symbols. It does not look into the files of a folder.
func CheckSymbols(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return checkSymbolFile(path, info)
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

// symbolStarts are the first bytes of PDB files, and of symbol tables that are packed by xz and gzip.
var symbolStarts = []string{"Microsoft C/C++ MSF 7.00", "\xfd7zXZ\x00", "\x1f\x8b"}

// checkSymbolFile returns an error when a file is of no kind that holds symbols, by its first bytes.
func checkSymbolFile(path string, info fs.FileInfo) error {
	start := make([]byte, 64)
	if info.Mode().IsRegular() {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := recognise(f); err != nil {
			return fmt.Errorf("profile: %s: %w", path, err)
		}
		n, err := f.ReadAt(start, 0)
		if err != nil && err != io.EOF {
			return err
		}
		start = start[:n]
	}
	for _, s := range symbolStarts {
		if strings.HasPrefix(string(start), s) {
			return nil
		}
	}
	if text := bytes.TrimLeft(start, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		return nil
	}
	return fmt.Errorf("profile: %s is neither a PDB file nor a symbol table of Volatility 3", path)
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
