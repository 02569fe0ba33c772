package profile

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// onlyFile returns the path of the only file in a folder.
func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

func TestCacheGivesTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	path := copyTo(t, t.TempDir(), "kernel.pdb", "kernel_x64.pdb")
	first, err := ReadSymbols(path, SymbolOptions{Cache: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := newCache(dir, path).load(); !ok {
		t.Fatal("no copy was made")
	}
	again, err := ReadSymbols(path, SymbolOptions{Cache: dir})
	if err != nil || !reflect.DeepEqual(first.header, again.header) || !reflect.DeepEqual(first.structs(), again.structs()) {
		t.Errorf("not the same from the copy: %v", err)
	}
}

func TestCacheIsOfOneStateOfTheFile(t *testing.T) {
	dir := t.TempDir()
	path := copyTo(t, t.TempDir(), "kernel.pdb", "kernel_x64.pdb")
	if _, err := ReadSymbols(path, SymbolOptions{Cache: dir}); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if _, ok := newCache(dir, path).load(); ok {
		t.Error("the copy of the earlier state was taken")
	}
}

func TestDamagedCacheIsWrittenAgain(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"empty":   func(b []byte) []byte { return nil },
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"one bit": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"longer":  func(b []byte) []byte { return append(b, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := copyTo(t, t.TempDir(), "kernel.pdb", "kernel_x64.pdb")
			if _, err := ReadSymbols(path, SymbolOptions{Cache: dir}); err != nil {
				t.Fatal(err)
			}
			copied := onlyFile(t, dir)
			good, err := os.ReadFile(copied)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copied, damage(append([]byte(nil), good...)), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := ReadSymbols(path, SymbolOptions{Cache: dir})
			if err != nil {
				t.Fatal(err)
			}
			if size, _ := p.SizeOf("_KPROCESS"); size == 0 {
				t.Error("no structures")
			}
			if again, err := os.ReadFile(onlyFile(t, dir)); err != nil || string(again) != string(good) {
				t.Errorf("the copy was not written again: %v", err)
			}
		})
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSymbols("testdata/kernel_x64.pdb", SymbolOptions{Cache: filepath.Join(blocked, "sub")}); err != nil {
		t.Error(err)
	}
}
