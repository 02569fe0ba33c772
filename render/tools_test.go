package render_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// needTool skips the test where a program is not installed, unless the
// environment demands it.
func needTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is required: %v", name, err)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// run returns the standard output of a program; other files that it leaves in its folder are gone with the test.
func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(needTool(t, name), args...)
	cmd.Dir = t.TempDir()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.Bytes())
	}
	return out
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pixels is a decoded picture: rows from the top, three bytes a pixel in the
// order blue, green, red.
type pixels struct {
	w, h int
	bgr  []byte
}

// firstDifference describes the first pixel that differs, or is empty.
func (p pixels) firstDifference(q pixels) string {
	if p.w != q.w || p.h != q.h {
		return fmt.Sprintf("size %d × %d, want %d × %d", p.w, p.h, q.w, q.h)
	}
	if bytes.Equal(p.bgr, q.bgr) {
		return ""
	}
	for i := 0; i < len(p.bgr); i += 3 {
		if a, b := p.bgr[i:i+3], q.bgr[i:i+3]; !bytes.Equal(a, b) {
			return fmt.Sprintf("pixel x %d y %d is %x, want %x", i/3%p.w, i/3/p.w, a, b)
		}
	}
	return "different lengths"
}

// decodeBMP reads the files that colorize and this package write, and no others.
func decodeBMP(t testing.TB, file []byte) pixels {
	t.Helper()
	le := binary.LittleEndian
	if len(file) < 54 || string(file[:2]) != "BM" {
		t.Fatalf("no BMP: %d bytes, %.20x", len(file), file)
	}
	p := pixels{w: int(le.Uint32(file[18:])), h: int(le.Uint32(file[22:]))}
	first, bits := int(le.Uint32(file[10:])), int(le.Uint16(file[28:]))
	stride := (p.w*bits/8 + 3) &^ 3
	if bits == 24 && len(file) == first+3*p.w*p.h {
		stride = 3 * p.w // colorize -d forgets to pad its rows
	}
	if len(file) != first+stride*p.h {
		t.Fatalf("BMP of %d × %d, %d bits: %d bytes, want %d", p.w, p.h, bits, len(file), first+stride*p.h)
	}
	for y := range p.h {
		row := file[first+(p.h-1-y)*stride:]
		if bits == 24 {
			p.bgr = append(p.bgr, row[:3*p.w]...)
			continue
		}
		for _, c := range row[:p.w] {
			p.bgr = append(p.bgr, file[54+4*int(c):][:3]...)
		}
	}
	return p
}
