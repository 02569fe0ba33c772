package memimage

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// armTables is a raw memory of an ARM64 Windows: translation tables, written by hand, that lead to the page that Windows
// shares with its programs.
func armTables() []byte {
	const root, shared, table = 0x3000, 0x8000, 0x703 // a table or page: valid, accessed, inner shareable
	m := make([]byte, 1<<20)
	for pa, entry := range map[int]uint64{
		root + 8*0x1ed: root | table | 1<<11, root + 8*0x1ef: 0x4000 | table, 0x4000: 0x5000 | table, 0x5000: 0x6000 | table,
		0x6000: shared | table | 3<<53,
	} {
		binary.LittleEndian.PutUint64(m[pa:], entry)
	}
	binary.LittleEndian.PutUint32(m[shared+0x2c:], 0xaa64aa64)
	for i, c := range []byte(`C:\Windows`) {
		m[shared+0x30+2*i] = c
	}
	binary.LittleEndian.PutUint32(m[shared+0x260:], 0xf0005867)
	binary.LittleEndian.PutUint32(m[shared+0x26c:], 10)
	return m
}

// limeOf wraps a memory in the header of LiME, at a physical address.
func limeOf(m []byte, at uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x4c694d45)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint64(b, at)
	b = binary.LittleEndian.AppendUint64(b, at+uint64(len(m))-1)
	return append(append(b, make([]byte, 8)...), m...)
}

// TestARM64ByItsPageTables opens files with a container that does not name the processor.
func TestARM64ByItsPageTables(t *testing.T) {
	for name, content := range map[string][]byte{"raw": armTables(), "lime": limeOf(armTables(), 0)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "memory")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(context.Background(), path, Options{})
			var machine *MachineError
			if !errors.As(err, &machine) || machine.Machine != 0xaa64 || machine.Build != 22631 {
				t.Fatal(err)
			}
			for _, want := range []string{"its page tables show that it is of an ARM64 system, Windows build 22631", "not supported", "MemProcFS", "at 0x3000", `C:\Windows`} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "--profile") || strings.Contains(err.Error(), "memmap") {
				t.Error(err)
			}
		})
	}
}
