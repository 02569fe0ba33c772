package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// compressedFolder makes a folder in which new files become compressed.
func compressedFolder(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	const compressed = 0x800
	attr(t, path, "attrib_be", binary.BigEndian.AppendUint32(nil, compressed))
}

// TestCompressed reads files that ntfs-3g has compressed.
func TestCompressed(t *testing.T) {
	zeros := make([]byte, 200_000)
	all := map[string][]byte{
		"code.dll":    code(t, 300_000),
		"noise.dll":   noise(1, 200_000),
		"zeros.dll":   zeros,
		"mixed.dll":   bytes.Join([][]byte{code(t, 70_000), zeros, noise(2, 90_000), zeros[:65536], code(t, 100)}, nil),
		"holes.dll":   bytes.Join([][]byte{code(t, 10_000), zeros, zeros, code(t, 10_000), zeros}, nil),
		"small.dll":   code(t, 5000),
		"unit.dll":    code(t, 65536),
		"unit1.dll":   code(t, 65537),
		"units.dll":   code(t, 131072),
		"chunk1.dll":  code(t, 4097),
		"tail.dll":    bytes.Join([][]byte{noise(3, 65536), code(t, 40_000)}, nil),
		"noise1.dll":  noise(4, 65536+4096),
		"zeros1.dll":  append(zeros[:65536:65536], 1),
		"zeros65.dll": zeros[:65536],
	}
	rewritten := code(t, 400_000)
	for _, cluster := range []string{"512", "1024", "4096"} {
		t.Run(cluster, func(t *testing.T) {
			image := newNTFS(t, 32*mib, func(dir string) {
				windowsFiles(t, dir)
				compressedFolder(t, dir+"/Windows/packed")
				for name, data := range all {
					put(t, dir+"/Windows/packed/"+name, data)
				}
				rewrite(t, dir+"/Windows/packed/rewritten.dll", rewritten)
			}, "-c", cluster)
			v := mustOpen(t, image)
			for name, data := range all {
				wantFile(t, v, Path{Name: `\Windows\packed\` + name}, `\Windows\packed\`+name, data)
			}
			wantFile(t, v, Path{Name: `\Windows\packed\rewritten.dll`}, `\Windows\packed\rewritten.dll`, rewritten)
			if !isCompressed(t, v, `Windows\packed\code.dll`) {
				t.Error("the tool has compressed nothing")
			}
		})
	}
}

// rewrite writes a file with other bytes, and puts the right ones in their place in pieces, so that its clusters move.
func rewrite(t testing.TB, path string, data []byte) {
	t.Helper()
	put(t, path, noise(9, len(data)))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, start := range []int{1, 0} {
		for i := start * 30_000; i < len(data); i += 60_000 {
			if _, err := f.WriteAt(data[i:min(i+30_000, len(data))], int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// streamOf returns the data of a file of the first volume.
func streamOf(t testing.TB, v *Volumes, path string) *stream {
	t.Helper()
	n := v.trees[0]
	w := walk{stack: []node{n.root()}, rest: split(path)}
	if err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := n.(*ntfs).data(t.Context(), w.top().(*ntfsNode).ref)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func isCompressed(t testing.TB, v *Volumes, path string) bool {
	s := streamOf(t, v, path)
	if s.unit == 0 {
		return false
	}
	for _, e := range s.extents {
		if e.lcn == hole {
			return true
		}
	}
	return false
}

// TestForms reads files in all other forms in which NTFS has them.
func TestForms(t *testing.T) {
	var pieces []byte
	holes := make([]byte, 3*mib)
	copy(holes[mib:], "in the middle")
	started := append(noise(8, 10_000), make([]byte, 90_000)...)
	image := newNTFS(t, 16*mib, func(dir string) {
		windowsFiles(t, dir)
		f, err := os.Create(dir + "/Windows/holes.dll")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, err := range []error{f.Truncate(3 * mib), second(f.WriteAt([]byte("in the middle"), mib))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		put(t, dir+"/Windows/started.dll", started[:10_000])
		if err := os.Truncate(dir+"/Windows/started.dll", int64(len(started))); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(dir+"/Windows/explorer.exe", dir+"/Windows/System32/hard.exe"); err != nil {
			t.Fatal(err)
		}
		put(t, dir+"/Windows/streams.dll", []byte("the file"))
		put(t, dir+"/Windows/streams.dll:other", []byte("not the file"))
		pieces = inPieces(t, dir, dir+"/Windows/pieces.dll")
	}, "-c", "4096")
	v := mustOpen(t, image)
	for name, want := range map[string][]byte{
		"pieces.dll": pieces, "holes.dll": holes, "started.dll": started,
		`System32\hard.exe`: noise(6, 4096), "streams.dll": []byte("the file"),
	} {
		wantFile(t, v, Path{Name: `\SystemRoot\` + name}, `\Windows\`+name, want)
	}
	if n := len(streamOf(t, v, `Windows\pieces.dll`).extents); n < 500 {
		t.Errorf("the file is in %d pieces: no list of attributes is tested", n)
	}
	if s := streamOf(t, v, `Windows\started.dll`); s.init >= s.size {
		t.Errorf("%d of %d bytes are written: zeros behind them are not tested", s.init, s.size)
	}
	var e *UnreadableError
	if _, err := v.Lookup(t.Context(), Path{Name: `\Windows\streams.dll:other`}); !errors.As(err, &e) {
		t.Errorf("a stream: %v", err)
	}
}

func second(_ int, err error) error { return err }

// inPieces frees half of the volume in many pieces, writes a file into all free space, and returns its content.
func inPieces(t testing.TB, dir, path string) []byte {
	t.Helper()
	var names []string
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s/fill%05d", dir, i)
		if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
			_ = os.Remove(name)
			break
		}
		names = append(names, name)
	}
	src := rand.New(rand.NewPCG(1, 1))
	src.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i := range len(names) / 2 {
		if err := os.Remove(names[i]); err != nil {
			t.Fatal(err)
		}
	}
	data := code(t, (len(names)/2-100)*4096-5)
	put(t, path, data)
	return data
}

// TestWOF reads files whose bytes wimlib has packed.
func TestWOF(t *testing.T) {
	data := bytes.Join([][]byte{code(t, 200_000), make([]byte, 100_000), noise(1, 50_000), code(t, 12_345)}, nil)
	tests := []struct {
		name      string
		algorithm uint32
		args      []string
	}{
		{"XPRESS4K", 0, []string{"--compress=XPRESS", "--chunk-size=4096"}},
		{"LZX", 1, []string{"--compress=LZX", "--chunk-size=32768"}},
		{"XPRESS8K", 2, []string{"--compress=XPRESS", "--chunk-size=8192"}},
		{"XPRESS16K", 3, []string{"--compress=XPRESS", "--chunk-size=16384"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packed := wimPacked(t, data, tt.args...)
			image := newNTFS(t, 16*mib, func(dir string) {
				windowsFiles(t, dir)
				wofCompressed(t, dir+"/Windows/a.dll", len(data), packed, 2, tt.algorithm)
				wofCompressed(t, dir+"/Windows/wim.dll", len(data), packed, 1, 0)
				wofCompressed(t, dir+"/Windows/new.dll", len(data), packed, 2, 4)
				bad := bytes.Clone(packed)
				copy(bad[20_000:], noise(2, 100))
				wofCompressed(t, dir+"/Windows/bad.dll", len(data), bad, 2, tt.algorithm)
				wofCompressed(t, dir+"/Windows/short.dll", len(data), packed[:len(packed)/2], 2, tt.algorithm)
			})
			v := mustOpen(t, image)
			wantFile(t, v, Path{Name: `C:\Windows\a.dll`}, `\Windows\a.dll`, data)
			for _, name := range []string{"wim", "new"} {
				var e *UnreadableError
				if f, err := v.Lookup(t.Context(), Path{Name: `C:\Windows\` + name + ".dll"}); !errors.As(err, &e) || !strings.Contains(e.Why, "WOF") {
					t.Errorf("%s: %v, %v", name, f, err)
				}
			}
			for _, name := range []string{"bad", "short"} {
				f, err := v.Lookup(t.Context(), Path{Name: `C:\Windows\` + name + ".dll"})
				if err != nil {
					t.Fatal(err)
				}
				c, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.ReadAt(make([]byte, len(data)), 0); err == nil {
					t.Errorf("%s: damaged data are read", name)
				}
			}
		})
	}
}

// wofCompressed makes a file as WOF leaves it.
func wofCompressed(t testing.TB, path string, size int, packed []byte, provider, algorithm uint32) {
	t.Helper()
	put(t, path, nil)
	if err := os.Truncate(path, int64(size)); err != nil {
		t.Fatal(err)
	}
	put(t, path+":"+wofStream, packed)
	data := binary.LittleEndian.AppendUint32(nil, tagWOF)
	for _, n := range []uint32{16, 1, provider, 1, algorithm} {
		data = binary.LittleEndian.AppendUint32(data, n)
	}
	attr(t, path, "reparse_data", data)
}

// wimPacked returns data as wimlib packs them. In a WIM it stores the same bytes for a file as WOF does.
func wimPacked(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	put(t, dir+"/in/file", data)
	run(t, "", "wimcapture", append([]string{dir + "/in", dir + "/out.wim", "--no-acls"}, args...)...)
	wim, err := os.ReadFile(dir + "/out.wim")
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	// the table of resources: the size of the packed bytes in 7 bytes, flags, where they are, and the size
	table, n := le.Uint64(wim[0x38:]), le.Uint64(wim[0x30:])&(1<<56-1)
	for e := wim[table : table+n]; len(e) >= 50; e = e[50:] {
		if le.Uint64(e[16:]) == uint64(len(data)) {
			off := le.Uint64(e[8:])
			return wim[off : off+le.Uint64(e)&(1<<56-1)]
		}
	}
	t.Fatal("the file is not in the WIM")
	return nil
}
