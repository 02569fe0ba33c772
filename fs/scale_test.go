package fs

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"memlens/memimage"
	"memlens/memimage/synth"
)

var scaleImages = flag.String("scaleimages", "", "write the images of BenchmarkStatTree to this folder")

// scaleSystems are systems that are large in one way each. Some have many processes, whose pages are in all sorts of
// states or which all miss the same pages of one program. Some have many imports, from a thousand DLLs or from one.
var scaleSystems = []struct {
	name  string
	build func() synth.System
}{
	{"processes", func() synth.System { return manyProcesses(4000, synth.Mixed) }},
	{"sharers", func() synth.System { return manyProcesses(4000, missingBut(0)) }},
	{"processes-500", func() synth.System { return manyProcesses(500, synth.Mixed) }},
	{"sharers-500", func() synth.System { return manyProcesses(500, missingBut(0)) }},
	{"descriptors", func() synth.System { return manyImports(1000, 1000) }},
	{"thunks", func() synth.System { return manyImports(1, 1_000_000) }},
	{"names", func() synth.System { return importsOf(longNames(1_000_000)) }},
}

// missingBut returns states of pages: all pages are on disk, except one.
func missingBut(there int) func(uint64) func(int) synth.State {
	return func(uint64) func(int) synth.State {
		return func(page int) synth.State {
			if page == there {
				return synth.Valid
			}
			return synth.ProtoDisk
		}
	}
}

// manyProcesses is a system of n processes of one program.
func manyProcesses(n int, pages func(seed uint64) func(page int) synth.State) synth.System {
	sys := synth.Demo()
	sys.RAM, sys.Processes = 1<<30, nil
	program := synth.NewProgram(synth.Program{Name: "worker.exe", Base: 0x1000000, Code: 0x6000, Data: 0x2800, Bits: 32})
	for i := range n {
		sys.Processes = append(sys.Processes, synth.Process{PID: uint64(8 + 4*i), PPID: 4, Name: "worker.exe", Image: program,
			Pages: pages(uint64(i)), Section: func(int) synth.Under { return synth.UnderDisk }})
	}
	return sys
}

// manyImports is a system with a process whose program imports so many functions of each of so many DLLs.
func manyImports(dlls, functions int) synth.System {
	exe := &synth.PE{Bits: 32, Base: 0x1000000, Entry: 0x1000, Sections: []synth.PESection{{Name: ".text", Data: make([]byte, 0x1000), Flags: synth.SectionCode}}}
	names := make([]string, functions)
	for i := range names {
		names[i] = fmt.Sprintf("#%d", 1+i%0xffff)
	}
	for i := range dlls {
		exe.Imports = append(exe.Imports, synth.Import{DLL: fmt.Sprintf("library%d.dll", i), Names: names})
	}
	return importsOf(exe.Bytes())
}

// importsOf is a system with a process of a program.
func importsOf(program []byte) synth.System {
	sys := synth.Demo()
	sys.RAM = 256 << 20
	sys.Processes = []synth.Process{{PID: 1000, PPID: 4, Name: "imports.exe", Image: &synth.Executable{File: program}}}
	return sys
}

// longNames is a program that imports n functions of a DLL. Each has a name of its own, up to 500 characters long: all of
// them lie over each other.
func longNames(n int) []byte {
	exe := &synth.PE{Bits: 32, Base: 0x1000000, Entry: 0x1000, Sections: []synth.PESection{
		{Name: ".text", Data: make([]byte, 0x1000), Flags: synth.SectionCode},
		{Name: ".names", Data: bytes.Repeat(append(bytes.Repeat([]byte("x"), 500), 0), (n+1000)/501), Flags: synth.SectionReadOnly},
	}}
	const ordinal, thunk = "#65534", 0x8000fffe
	exe.Imports = []synth.Import{{DLL: "library.dll", Names: slices.Repeat([]string{ordinal}, n)}}
	out, names := exe.Bytes(), exe.RVA(1)
	for at, i := 0, 0; at+4 <= len(out); at += 4 {
		if binary.LittleEndian.Uint32(out[at:]) == thunk {
			binary.LittleEndian.PutUint32(out[at:], names-2+uint32(i%n))
			i++
		}
	}
	return out
}

// TestWriteScaleImages writes the images that BenchmarkStatTree has in memory, for testdata/bench.sh to mount.
func TestWriteScaleImages(t *testing.T) {
	if *scaleImages == "" {
		t.Skip("only with -scaleimages")
	}
	for _, s := range scaleSystems {
		m, err := synth.Build(s.build())
		if err == nil {
			err = m.WriteFile(filepath.Join(*scaleImages, s.name+".raw"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkStatTree looks at every file of trees that are large, as find -ls does: from the opening of the image on.
func BenchmarkStatTree(b *testing.B) {
	for _, s := range scaleSystems {
		b.Run(s.name, func(b *testing.B) {
			m, err := synth.Build(s.build())
			if err != nil {
				b.Fatal(err)
			}
			path := filepath.Join(b.TempDir(), "image.raw")
			if err := m.WriteFile(path); err != nil {
				b.Fatal(err)
			}
			m = nil
			b.ReportAllocs()
			for b.Loop() {
				im, err := memimage.Open(b.Context(), path, memimage.Options{})
				if err != nil {
					b.Fatal(err)
				}
				files := statTree(b, New(im, Options{}))
				b.ReportMetric(float64(files), "files")
				if err := im.Close(); err != nil {
					b.Fatal(err)
				}
			}
			if err := os.Remove(path); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// statTree asks for the attributes of everything, and returns how much that is.
func statTree(t testing.TB, f *FS) (n int) {
	err := iofs.WalkDir(f, ".", func(name string, d iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		_, err = d.Info()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
