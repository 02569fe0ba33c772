package restore

import (
	"bytes"
	"debug/pe"
	"math/rand/v2"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/loaded"
)

// program is an executable in memory as Windows lays it out and changes it.
type program struct {
	*loaded.Program
	rng      *rand.Rand
	resolved uint64 // the next address of an imported function
}

// loadProgram maps a file: at the base it was linked for, or elsewhere.
func loadProgram(t testing.TB, file []byte, vista bool, load uint64) *program {
	t.Helper()
	return &program{Program: loaded.New(t, file, vista, load), resolved: 0x7c801000}
}

// bind resolves the imports, as the loader does; bound imports only when stale.
func (p *program) bind(stale bool) *program {
	dir := p.Dirs[dirImport]
	for d := int64(dir.VirtualAddress); dir.VirtualAddress != 0 && p.U32(d+12) != 0; d += 20 {
		if p.U32(d+4) != 0 && !stale {
			continue
		}
		iat, names := p.U32(d+16), p.U32(d)
		if names == 0 {
			names = iat
		}
		for p.Thunk(names) != 0 {
			n := int64(len(p.Pointer(0)))
			p.resolved += 0x123
			p.Write(iat, p.Pointer(p.resolved))
			iat, names = iat+n, names+n
		}
	}
	return p
}

// resolveDelayed resolves the first delayed import.
func (p *program) resolveDelayed() *program {
	d := int64(p.Dirs[dirDelay].VirtualAddress)
	p.Write(p.U32(d+8), p.Pointer(0x66600000))  // the module handle
	p.Write(p.U32(d+12), p.Pointer(0x66601230)) // the first thunk
	return p
}

// fillSlots sets the pointers of section .00cfg and the security cookie, as the loader and the program do.
func (p *program) fillSlots() *program {
	cfg := p.PE.Section(".00cfg")
	if cfg == nil {
		return p
	}
	n := uint32(len(p.Pointer(0)))
	for at := uint32(0); at < cfg.VirtualSize; at += n {
		p.Write(int64(cfg.VirtualAddress+at), p.Pointer(0x77ed_0000+uint64(at)*16))
	}
	p.Write(int64(p.PE.Section(".data").VirtualAddress+n), p.Pointer(0x1badcafe))
	return p
}

// run writes n numbers to writable sections, addresses in and outside the image among them.
func (p *program) run(n int) *program {
	for range n {
		s := p.PE.Sections[p.rng.IntN(len(p.PE.Sections))]
		if s.Characteristics&scnWrite == 0 || s.VirtualSize <= 8 {
			continue
		}
		v := []uint64{0, p.Load + uint64(p.rng.IntN(int(p.Size))), p.rng.Uint64(), p.Base + 0x1234}[p.rng.IntN(4)]
		p.Write(int64(s.VirtualAddress)+p.rng.Int64N(int64(s.VirtualSize)-8), p.Pointer(v))
	}
	return p
}

// sources says which sources a test's image has. Each function selects the RVAs, or the file offsets, of the present
// pages; nil selects none.
type sources struct {
	mapped, own, file func(page int64) bool
	processOnly       bool // shared pages are known as the process's only
	fileSize          bool
}

func all(int64) bool { return true }

// input returns the program as a restoration gets it.
func (p *program) input(s sources) Input {
	in := Input{PageCount: int(p.Size / pageSize), LoadBase: p.Load, KernelRelocates: p.Vista}
	in.ByRVA = func(rva uint32) []Page {
		var c []Page
		if page := p.Mapped[int64(rva)]; page != nil && s.mapped != nil && s.mapped(int64(rva)) {
			base := p.Base
			if p.Vista {
				base = p.Load
			}
			c = append(c, Page{Kind: Mapped, Src: sparse.Bytes(page), Phys: 0x100000 + int64(rva), Base: base})
		}
		own := p.Own[int64(rva)]
		if own == nil && s.processOnly {
			own = p.Mapped[int64(rva)]
		}
		if own != nil && s.own != nil && s.own(int64(rva)) {
			c = append(c, Page{Kind: Private, Src: sparse.Bytes(own), Phys: 0x200000 + int64(rva), Base: p.Load})
		}
		return append(c, Page{Kind: Missing, Label: "in page file 0, which is not given", Phys: -1})
	}
	if s.file != nil {
		in.ByFileOffset = func(off int64) []Page {
			if off < 0 || off >= int64(len(p.Raw)) || !s.file(off) {
				return nil
			}
			page := make([]byte, pageSize)
			copy(page, p.Raw[off:])
			return []Page{{Kind: FileBytes, Src: sparse.Bytes(page), Phys: 0x300000 + off}}
		}
	}
	if s.fileSize {
		in.FileSize = int64(len(p.Raw))
	}
	return in
}

// check verifies the promises of a result: rows cover the file, missing rows cannot be read, exact rows are the
// file's bytes, and every byte that differs lies in a row that says so.
func check(t testing.TB, file []byte, r *Result) {
	t.Helper()
	if r.Reader.Size() != int64(len(file)) {
		t.Fatalf("size %#x, want %#x", r.Reader.Size(), len(file))
	}
	var off int64
	for _, row := range r.Rows {
		if row.FileOffset != off || row.Length <= 0 {
			t.Fatalf("row at %#x+%#x after %#x", row.FileOffset, row.Length, off)
		}
		b, want := make([]byte, row.Length), file[off:off+row.Length]
		off += row.Length
		n, err := r.Reader.ReadAt(b, row.FileOffset)
		if row.Kind == Missing {
			if gap, ok := err.(sparse.Gap); n != 0 || !ok || gap.Gap() < row.Length {
				t.Fatalf("missing row %+v: read %d bytes, %v", row, n, err)
			}
			continue
		}
		if n != len(b) {
			t.Fatalf("row %+v: %v", row, err)
		}
		if row.Exact() && !bytes.Equal(b, want) {
			i := 0
			for b[i] == want[i] {
				i++
			}
			t.Fatalf("row %+v: byte %#x is %#x, want %#x", row, row.FileOffset+int64(i), b[i], want[i])
		}
	}
	if base := linkedBase(t, file); r.BaseCertainty == Exact && r.ImageBase != base {
		t.Fatalf("base %#x is said to be proved (%s), it is %#x", r.ImageBase, r.Proof, base)
	}
	if off != int64(len(file)) {
		t.Fatalf("rows end at %#x of %#x", off, len(file))
	}
}

// linkedBase returns the base that a file was linked for.
func linkedBase(t testing.TB, file []byte) uint64 {
	f, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := f.OptionalHeader.(*pe.OptionalHeader32); ok {
		return uint64(o.ImageBase)
	}
	return f.OptionalHeader.(*pe.OptionalHeader64).ImageBase
}

// same reports whether the result is the file, digest for digest.
func same(file []byte, r *Result) bool {
	b := make([]byte, r.Reader.Size())
	n, _ := r.Reader.ReadAt(b, 0)
	return n == len(b) && bytes.Equal(b, file)
}
