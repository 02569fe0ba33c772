package synth

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Program describes an executable made up for a test or the demo: code with
// pointers in it, strings, tables, imports, data, and space that is only in
// memory.
type Program struct {
	Name string // also the seed of all its bytes
	Bits int    // 32 or 64
	Base uint64 // 0: 0x400000 or 0x140000000
	Code int    // bytes of code; 0: 0x3000
	Data int    // bytes of tables and pictures; 0: 0x1800
	BSS  int    // bytes that are only in memory; 0: 0x2000
	DLL  bool
}

// NewProgram writes the executable. Equal descriptions give equal files.
func NewProgram(d Program) *Executable {
	d.defaults()
	rng := rand.New(rand.NewPCG(hash(d.Name), uint64(d.Bits)))
	p := PE{Bits: d.Bits, Base: d.Base, DLL: d.DLL, Stamp: uint32(0x48025000 + hash(d.Name)%0x100000), Entry: 0x1000}
	p.Sections = []PESection{
		{Name: ".text", Data: code(rng, d.Code), Flags: SectionCode},
		{Name: ".rdata", Data: readOnly(rng, d.Name, d.Data), Flags: SectionReadOnly},
		{Name: ".data", Data: junk(rng, 0xa00), VirtualSize: 0x1200, Flags: SectionData},
		{Name: ".bss", VirtualSize: uint32(d.BSS), Flags: SectionBSS},
	}
	p.Debug = &RSDS{PDB: d.Name + ".pdb", GUID: madeGUID(d.Name), Age: 1}
	p.ExportName = d.Name
	p.Imports = d.imports(rng)
	if d.DLL {
		p.Exports = d.exports(rng)
	}
	p.pointers(rng)
	return &Executable{File: p.Bytes()}
}

func (d *Program) defaults() {
	if d.Base == 0 {
		d.Base = map[int]uint64{32: 0x400000, 64: 0x140000000}[d.Bits]
	}
	d.Code = orDefaultInt(d.Code, 0x3000)
	d.Data = orDefaultInt(d.Data, 0x1800)
	d.BSS = orDefaultInt(d.BSS, 0x2000)
}

func orDefaultInt(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// pointers writes absolute addresses into code, tables and data, and notes
// them for relocation.
func (p *PE) pointers(rng *rand.Rand) {
	target := p.RVA(1)
	for i, gap := range []int{0x180, 0x300, 0x100} {
		data := p.Sections[i].Data
		for at := 0x40; at+8 < len(data); at += gap + rng.IntN(gap)&^7 {
			putN(data, at, p.Base+uint64(target)+uint64(rng.IntN(0x1000)), p.ptr())
			p.Relocs = append(p.Relocs, p.RVA(i)+uint32(at))
		}
	}
}

// systemNames are functions that programs import from the two system DLLs.
var systemNames = map[string][]string{
	"ntdll.dll":    {"LdrLoadDll", "NtClose", "NtCreateFile", "NtReadFile", "RtlAllocateHeap", "RtlFreeHeap", "RtlInitUnicodeString"},
	"kernel32.dll": {"CloseHandle", "CreateFileW", "CreateProcessW", "ExitProcess", "GetLastError", "GetModuleHandleW", "LoadLibraryA", "ReadFile", "WriteFile"},
}

func (d *Program) imports(rng *rand.Rand) []Import {
	switch d.Name {
	case "ntdll.dll":
		return nil
	case "kernel32.dll":
		return []Import{{"ntdll.dll", systemNames["ntdll.dll"]}}
	}
	ordinals := []string{fmt.Sprintf("#%d", 2+rng.IntN(300)), "SHGetFolderPathW"}
	return []Import{{"kernel32.dll", systemNames["kernel32.dll"]}, {"ntdll.dll", systemNames["ntdll.dll"][:4]}, {"shell32.dll", ordinals}}
}

func (d *Program) exports(rng *rand.Rand) []Export {
	var out []Export
	for _, name := range systemNames[d.Name] {
		out = append(out, Export{name, 0x1000 + uint32(rng.IntN(d.Code))&^15})
	}
	if out == nil {
		out = []Export{{"DllMain", 0x1000}}
	}
	return out
}

// opcodes are the beginnings of common instructions. They make the code look like code to the eye and to fuzzy
// hashes.
var opcodes = [][]byte{
	{0x8b, 0x45}, {0x8b, 0x4d}, {0x89, 0x45}, {0x83, 0xc4}, {0xff, 0x75}, {0x33, 0xc0}, {0x85, 0xc0, 0x74}, {0x0f, 0x84},
	{0x6a}, {0xe8}, {0x8d, 0x4d}, {0x3b, 0xc8, 0x75}, {0x0f, 0xb7}, {0x83, 0xf8}, {0xeb}, {0x56, 0x57}, {0x5f, 0x5e}, {0xc9, 0xc3},
}

// code is n bytes that look like compiled functions, aligned and padded.
func code(rng *rand.Rand, n int) []byte {
	p := make([]byte, 0, n+64)
	for len(p) < n {
		p = append(p, 0x55, 0x8b, 0xec, 0x83, 0xec, byte(rng.IntN(32)*4))
		for range 8 + rng.IntN(60) {
			p = append(p, opcodes[rng.IntN(len(opcodes))]...)
			p = append(p, byte(rng.NormFloat64()*24))
			if rng.IntN(5) == 0 {
				p = append(p, byte(rng.IntN(256)), byte(rng.IntN(16)), 0, 0)
			}
		}
		p = append(p, 0x5d, 0xc3)
		for len(p)%16 != 0 {
			p = append(p, 0xcc)
		}
	}
	return p[:n]
}

var words = []string{
	"error", "file", "cannot", "open", "device", "module", "process", "the", "system", "memory", "invalid", "access", "denied",
	"registry", "service", "started", "stopped", "version", "parameter", "session", "object", "handle", "security", "token",
}

// readOnly is strings, a table of ascending numbers, and a picture.
func readOnly(rng *rand.Rand, name string, n int) []byte {
	p := utf16le(name + "\x00Synthetic program for tests\x00")
	for len(p) < n/3 {
		p = append(p, words[rng.IntN(len(words))]...)
		p = append(p, " \x00"[rng.IntN(2)])
	}
	for i := uint32(0); len(p) < n/2; i += uint32(rng.IntN(64)) {
		p = binary.LittleEndian.AppendUint32(p, 0x1000+i)
	}
	for y := 0; len(p) < n; y++ {
		for x := range 64 {
			p = append(p, byte((x*x+y*y)/16+rng.IntN(8)))
		}
	}
	return p[:n]
}
