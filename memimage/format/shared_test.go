package format

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ulikunitz/xz"
)

// unpackShared unpacks a shared image into the test's directory.
func unpackShared(t *testing.T, name string) string {
	t.Helper()
	in, err := os.Open(sharedImage(t, name+".xz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := unxz(in)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, r); err != nil {
		t.Fatal(err)
	}
	return path
}

// unxz unpacks with the xz tool, which is five times as fast, or with a library if there is no such tool.
func unxz(in *os.File) (io.Reader, error) {
	tool, err := exec.LookPath("xz")
	if err != nil {
		return xz.NewReader(bufio.NewReader(in))
	}
	cmd := exec.Command(tool, "-dc")
	cmd.Stdin = in
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return out, cmd.Start()
}

// TestSharedImages compares images in containers with the same memory in raw form.
func TestSharedImages(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks several hundred MiB")
	}
	for _, c := range []struct{ raw, packed, format string }{
		{"WinXPSP2x86.raw", "WinXPSP2x86.lime", "LiME"},
		{"WinXPSP3x86PAE.raw", "WinXPSP3x86PAE.dmp", "Microsoft crash dump, 32-bit, full"},
		{"Win7SP1x64.raw", "Win7SP1x64.dmp", "Microsoft crash dump, 64-bit, full"},
		{"Win7SP1x64.raw", "Win7SP1x64.elf", "ELF core, 64-bit, QEMU"},
		{"Win10x64_19041.raw", "Win10x64_19041.elf", "ELF core, 64-bit, QEMU"},
	} {
		t.Run(c.packed, func(t *testing.T) {
			raw, err := OpenFile(unpackShared(t, c.raw), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			packed, err := OpenFile(unpackShared(t, c.packed), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer packed.Close()
			if packed.Format != c.format {
				t.Errorf("format %q, want %q", packed.Format, c.format)
			}
			if digest(t, packed.Memory, packed.Memory.Size()) != digest(t, raw.Memory, raw.Memory.Size()) {
				t.Error("the memory differs from the raw image")
			}
		})
	}
}
