package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// tool returns the path of an external program, or skips; with MEMLENS_REQUIRE_TOOLS=1 it fails.
func tool(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// run runs a program.
func run(t testing.TB, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

const mib = 1 << 20

// sparseFile makes a file of zeros.
func sparseFile(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.raw")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// newNTFS makes a volume with mkntfs and fills it through ntfs-3g.
func newNTFS(t testing.TB, size int64, fill func(dir string), args ...string) string {
	t.Helper()
	image := sparseFile(t, size)
	run(t, "", "mkntfs", append([]string{"-F", "-q", "-Q"}, append(args, image)...)...)
	mounted(t, image, "compression,streams_interface=windows,windows_names", fill)
	return image
}

// code returns bytes that compress as programs do.
func code(t testing.TB, n int) []byte {
	t.Helper()
	f, err := os.Open(tool(t, "mkntfs"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(all, n/len(all)+1)[:n]
}

// noise returns bytes that do not compress.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	src := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(src.Uint32())
	}
	return b
}

// put writes a file.
func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// junction returns the reparse point of a junction.
func junction(target string) []byte {
	return reparsePoint(tagMountPoint, nil, `\??\`+target, target)
}

// symlink returns the reparse point of a symbolic link.
func symlink(target string, relative bool) []byte {
	flags := make([]byte, 4)
	substitute := `\??\` + target
	if relative {
		flags[0] = 1
		substitute = target
	}
	return reparsePoint(tagSymlink, flags, substitute, target)
}

// reparsePoint returns a reparse point with two names (MS-FSCC 2.1.2.4 and 2.1.2.5).
func reparsePoint(tag uint32, flags []byte, substitute, show string) []byte {
	s, p := utf16le(substitute), utf16le(show)
	le := binary.LittleEndian
	var body []byte
	for _, n := range []int{0, len(s), len(s) + 2, len(p)} {
		body = le.AppendUint16(body, uint16(n))
	}
	body = append(body, flags...)
	body = append(append(append(append(body, s...), 0, 0), p...), 0, 0)
	return append(le.AppendUint32(le.AppendUint32(nil, tag), uint32(len(body))), body...)
}

func utf16le(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// openImage opens an image file as a disk.
func openImage(t testing.TB, path string) (*Volumes, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	return OpenDisk(t.Context(), f, size, "disk")
}

func mustOpen(t testing.TB, path string) *Volumes {
	t.Helper()
	v, err := openImage(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// contentOf reads all of a file.
func contentOf(t testing.TB, f *File) []byte {
	t.Helper()
	c, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Size() != f.Size {
		t.Errorf("%s has %d bytes, and %d when open", f.Path, f.Size, c.Size())
	}
	b := make([]byte, f.Size)
	if n, err := c.ReadAt(b, 0); n < len(b) || err != nil && err != io.EOF {
		t.Fatalf("%s: %d of %d bytes: %v", f.Path, n, len(b), err)
	}
	return b
}

// wantFile checks that a path leads to a file of that own path and content, and returns it.
func wantFile(t testing.TB, v *Volumes, p Path, own string, want []byte) *File {
	t.Helper()
	f, err := v.Lookup(t.Context(), p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	if f.Path != own {
		t.Errorf("%s leads to %s, want %s", p.Name, f.Path, own)
	}
	if got := contentOf(t, f); !bytes.Equal(got, want) {
		t.Errorf("%s: the content differs, at %d of %d", f.Path, firstDifference(got, want), len(want))
	}
	return f
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// disk puts volumes into a disk whose partition table a script of sfdisk makes. The key of a volume is the sector
// where it begins.
func disk(t testing.TB, size int64, script string, volumes map[int64]string) string {
	t.Helper()
	path := sparseFile(t, size)
	run(t, script, "sfdisk", "-q", "--no-reread", "--no-tell-kernel", path)
	for sector, volume := range volumes {
		placeVolume(t, path, volume, sector*512)
	}
	return path
}

// placeVolume copies a volume into a disk, without its zeros.
func placeVolume(t testing.TB, disk, volume string, off int64) {
	t.Helper()
	from, err := os.ReadFile(volume)
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	zero := make([]byte, 4096)
	for i := 0; i < len(from); i += 4096 {
		b := from[i:min(i+4096, len(from))]
		if bytes.Equal(b, zero[:len(b)]) {
			continue
		}
		if _, err := to.WriteAt(b, off+int64(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// windowsFiles fills a volume with a small Windows, and returns the content of its files by path.
func windowsFiles(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{
		`\Windows\System32\ntdll.dll`:            code(t, 300_001),
		`\Windows\System32\config\SYSTEM`:        noise(1, 70_000),
		`\Windows\System32\small.dll`:            noise(2, 200),
		`\Windows\System32\empty.dll`:            {},
		`\Windows\System32\drivers\tcpip.sys`:    code(t, 65_536),
		`\Windows\System32\drivers\etc\hosts`:    []byte("127.0.0.1"),
		`\Windows\SysWOW64\ntdll.dll`:            code(t, 200_000)[100_000:],
		`\Program Files\Ein Händler\Straße.exe`:  code(t, 12_345),
		`\Windows\WinSxS\amd64_a_1\comctl32.dll`: noise(3, 5000),
		`\Windows\WinSxS\amd64_b_2\comctl32.dll`: noise(4, 5000),
		`\Windows\WinSxS\amd64_c_3\other.dll`:    noise(5, 5000),
		`\Windows\WinSxS\Manifests\a.manifest`:   []byte("<assembly/>"),
		`\Windows\explorer.exe`:                  noise(6, 4096),
	}
	for path, data := range files {
		put(t, filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(path, `\`, "/"))), data)
	}
	return files
}

// manyNames puts so many files into a folder that its index has nodes below nodes.
func manyNames(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		put(t, filepath.Join(dir, fmt.Sprintf("Microsoft.Windows.Component-%05d.dll", i*7919%n)), []byte(fmt.Sprint(i*7919%n)))
	}
}
