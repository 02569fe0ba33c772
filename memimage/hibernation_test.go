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

// TestHibernationFileOfDamagedSets has only sets that cannot be unpacked. The error must say so, and not that there is
// no memory.
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

// damageSets overwrites the code tables of the sets in a section. The header has its page number at an offset.
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

// writeHibernationXP writes a hibernation file as 32-bit Windows XP does, of a raw image without its pages of zeros: the
// blocks are stored as they are.
func writeHibernationXP(raw []byte, cr3 uint32) []byte {
	const page, table, block = 4096, 3, 16
	le := binary.LittleEndian
	var pages []int
	for i := range len(raw) / page {
		if len(bytes.Trim(raw[i*page:(i+1)*page], "\x00")) > 0 {
			pages = append(pages, i)
		}
	}
	out := make([]byte, table*page)
	copy(out, "hibr")
	le.PutUint32(out[0x58:], table)
	for i, v := range []uint32{0x8001003b, 0, cr3, 0x6f9} { // with PAE
		le.PutUint32(out[2*page+0x2cc+4*i:], v)
	}
	for len(pages) > 0 {
		link, count, data := len(out), 0, []byte(nil)
		out = append(out, make([]byte, page)...)
		for len(pages) > 0 && count < page/16-1 {
			n := 1
			for n < len(pages) && pages[n] == pages[0]+n {
				n++
			}
			count++
			le.PutUint32(out[link+16*count+4:], uint32(pages[0]))
			le.PutUint32(out[link+16*count+8:], uint32(pages[0]+n))
			data = append(data, raw[pages[0]*page:(pages[0]+n)*page]...)
			pages = pages[n:]
		}
		for len(data) > 0 {
			n := min(block*page, len(data))
			out = append(out, "\x81\x81xpress"...)
			out = le.AppendUint32(out, uint32(n-1)<<10|uint32(n/page-1))
			out = append(append(out, make([]byte, 20)...), data[:n]...)
			data = data[n:]
		}
		out = append(out, make([]byte, -len(out)&(page-1))...)
		le.PutUint32(out[link+12:], uint32(count))
		if len(pages) > 0 {
			le.PutUint32(out[link+4:], uint32(len(out)/page))
		}
	}
	return out
}

// TestHibernationFileOfXPWithPAE has the page tables of a process that do not begin at the start of a page: with PAE
// they begin at any multiple of 32.
func TestHibernationFileOfXPWithPAE(t *testing.T) {
	truth := corpus.Load(t, "WinXPSP2x86PAE")
	raw, err := os.ReadFile(corpus.Unpack(t, "WinXPSP2x86PAE.raw"))
	if err != nil {
		t.Fatal(err)
	}
	last := truth.Processes[len(truth.Processes)-1]
	cr3 := uint32(hexNumber(t, last.DTB))
	if cr3&0xfff == 0 {
		t.Fatalf("the page tables of %q begin with a page", last.Name)
	}
	path := filepath.Join(t.TempDir(), "hiberfil.sys")
	if err := os.WriteFile(path, writeHibernationXP(raw, cr3), 0o644); err != nil {
		t.Fatal(err)
	}
	im, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if cpus := im.Container.Hints.CPUs; len(cpus) != 1 || cpus[0].CR3 != uint64(cr3) {
		t.Errorf("%+v, want CR3 %#x", cpus, cr3)
	}
	if said := strings.Join(im.Kernel.Found, "\n"); !strings.Contains(said, "register CR3") {
		t.Errorf("the kernel was found otherwise: %s", said)
	}
	if all := allProcesses(t, im); len(all) != len(truth.Processes) {
		t.Errorf("%d processes, want %d", len(all), len(truth.Processes))
	}
}
