package memimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestHibernationFileHasTheTruth of the raw image of the same memory: all processes, and the digests of their dumps.
func TestHibernationFileHasTheTruth(t *testing.T) {
	truth := corpus.Load(t, "Win10x64_19041")
	im, err := Open(t.Context(), filepath.Join(corpus.Case(t, "xpress-huffman"), "hib19041.sys"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	all := allProcesses(t, im)
	if len(all) != len(truth.Processes) {
		t.Errorf("%d processes, want %d", len(all), len(truth.Processes))
	}
	for _, want := range truth.Processes {
		p, dumps := all[hexNumber(t, want.OffsetP)], want.Dumps["volatility2"]
		if p == nil {
			t.Errorf("process %d %q at %s is missing", want.PID, want.Name, want.OffsetP)
			continue
		}
		checkProcess(t, p, want)
		if want.Volatility2.Exe != nil {
			dumps.Exe, dumps.Mem = want.Volatility2.Exe, want.Volatility2.Mem
		}
		exe, err := p.FileDump()
		checkDump(t, want.Name+" in file layout", exe, err, dumps.Exe)
		mem, err := p.MemoryDump()
		checkDump(t, want.Name+" in memory layout", mem, err, dumps.Mem)
	}
	t.Logf("%d processes", len(all))
}

// TestHibernationFileOfDamagedSets has no set that can be unpacked, and says that, and not that there is no memory.
func TestHibernationFileOfDamagedSets(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus.Case(t, "xpress-huffman"), "hib19041.sys"))
	if err != nil {
		t.Fatal(err)
	}
	damageSets(data, 0x70)
	damageSets(data, 0x68)
	path := filepath.Join(t.TempDir(), "hiberfil.sys")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	im, err := Open(t.Context(), path, Options{})
	if err == nil {
		im.Close()
		t.Fatal("no error")
	}
	for _, part := range []string{"None of the 152 blocks of the hibernation file can be unpacked", "no code"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\ndoes not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "nothing but zeros") {
		t.Errorf("%v", err)
	}
}

// damageSets overwrites the code tables of the sets in the section whose page the header has at an offset.
func damageSets(data []byte, section int) {
	at := binary.LittleEndian.Uint64(data[section:]) * 4096
	for at > 0 && at+4 < uint64(len(data)) {
		head := binary.LittleEndian.Uint32(data[at:])
		ranges, size := uint64(head&0xff), uint64(head>>8&0x3fffff)
		if ranges == 0 || size < 256 {
			return
		}
		at += 4 + ranges*8
		copy(data[at:], bytes.Repeat([]byte{0xff}, 256))
		at += size
	}
}
