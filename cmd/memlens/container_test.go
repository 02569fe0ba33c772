package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"memlens/memimage"
	"memlens/memimage/synth/corpus"
)

// limeRange is a range of a LiME file: its header promises n bytes at an address.
func limeRange(address, n uint64, data []byte) []byte {
	h := make([]byte, 32)
	copy(h, "EMiL\x01\x00\x00\x00")
	binary.LittleEndian.PutUint64(h[8:], address)
	binary.LittleEndian.PutUint64(h[16:], address+n-1)
	return append(h, data...)
}

// dumpHeader is the header of a full 64-bit crash dump with one run of pages.
func dumpHeader(machine uint32, pages uint64) []byte {
	h := bytes.Repeat([]byte("PAGE"), 0x2000/4)
	copy(h, "PAGEDU64\x0f\x00\x00\x00\x5d\x58\x00\x00")
	binary.LittleEndian.PutUint64(h[0x10:], 0x187000)
	binary.LittleEndian.PutUint32(h[0x30:], machine)
	for i, v := range []uint64{1, pages, 1, pages} {
		binary.LittleEndian.PutUint64(h[0x88+8*i:], v)
	}
	binary.LittleEndian.PutUint32(h[0xf98:], 1)
	return h
}

// armCore is an ELF core file of a machine that is not x86.
func armCore() []byte {
	h := make([]byte, 64+56+4096)
	copy(h, "\x7fELF\x02\x01\x01")
	for off, v := range map[int]uint16{16: 4, 18: 183, 52: 64, 54: 56, 56: 1} {
		binary.LittleEndian.PutUint16(h[off:], v)
	}
	binary.LittleEndian.PutUint64(h[32:], 64)
	binary.LittleEndian.PutUint32(h[64:], 1)
	for off, v := range map[int]uint64{8: 120, 24: 0x40000000, 32: 4096, 40: 4096} {
		binary.LittleEndian.PutUint64(h[64+off:], v)
	}
	return h
}

// damagedFrames packs data in frames of zstd that all have wrong checksums.
func damagedFrames(t *testing.T, data []byte) []byte {
	t.Helper()
	code, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for at := 0; at < len(data); at += 64 << 10 {
		out = code.EncodeAll(data[at:at+64<<10], out)
		out[len(out)-1] ^= 1
	}
	return out
}

func packGzip(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestErrorsTellOfTheContainer opens containers without a Windows in them. The error must say what is wrong with
// each, and must not guess anything that does not follow from it.
func TestErrorsTellOfTheContainer(t *testing.T) {
	corpus.Long(t)
	const mib = 1 << 20
	packed := packGzip(t, random(mib))
	for _, test := range []struct {
		name  string
		data  []byte
		first string // the begin of the message
		says  []string
		not   string
	}{
		{"a.lime", limeRange(0x1000, 64*mib, random(3*mib)), "the file is truncated: it holds 3145760 bytes (3 MiB) of the 67108896 bytes (64 MiB) that its headers promise",
			[]string{"no Windows system found in the part that is there (LiME, 3145760 bytes; its memory reaches to 67112960 bytes, of which 3145728 are in the file)", "Copy the whole file"}, ""},
		{"zeros.dmp", append(dumpHeader(0x8664, 0x4000), make([]byte, mib)...), "the file is truncated: it holds 1056768 bytes (1.008 MiB) of the 67117056 bytes (64.01 MiB)",
			[]string{"nothing but zeros, judged by the 1048576 bytes (1 MiB) of it that are there", "the page directory at 0x187000, from the container's register CR3, is not in the image"}, "acquisition failed"},
		{"zeros.lime", limeRange(0, mib, make([]byte, mib)), "no Windows system found in this image (LiME, 1048608 bytes; memory of 1048576 bytes)",
			[]string{"nothing but zeros in 256 samples over the file: the acquisition failed"}, "truncated"},
		{"a.raw.gz", packed[:mib/2], "the file is truncated: it ends after 524288 bytes (512 KiB), within its gzip data, which unpack to",
			[]string{"(gzip: raw, 524288 bytes; memory of 524238 bytes)", "is taken for raw"}, ""},
		{"a.zst", damagedFrames(t, random(mib)), "no Windows system found in this image (zstd: raw, ",
			[]string{"looks like nothing that could be looked at", "in none of 256 places tried could it be read", "None of the 16 compressed blocks can be unpacked"}, "zeros"},
		{"arm64.dmp", append(dumpHeader(0xaa64, 16), random(16*4096)...), "its header says that it is of an ARM64 system, Windows build 22621, which is not supported",
			[]string{"only the memory of x86 and x64 systems can be read", "MemProcFS", "--profile"}, "random"},
		{"ia64.dmp", append(dumpHeader(0x200, 16), random(16*4096)...), "its header says that it is of an Itanium (IA-64) system, Windows build 22621", nil, "random"},
		{"arm64.elf", armCore(), "its header says that it is of an ARM64 system, which is not supported", nil, "zeros"},
		{"unfilled.dmp", append(dumpHeader(0x45474150, 16), random(16*4096)...), "no Windows system found in this image (Microsoft crash dump, 64-bit, full, 73728 bytes; ", []string{"random data"}, "header says"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkRefusal(t, writeFile(t, test.name, test.data), test.first, test.says, test.not)
		})
	}
}

// checkRefusal opens an image. That must fail, the message must begin with first, and the rest may be anywhere in it.
func checkRefusal(t *testing.T, path, first string, says []string, not string) {
	t.Helper()
	r := memlens(t, "info", path)
	if rest, ok := strings.CutPrefix(r.stderr, "memlens: unpacking the image to "); ok {
		_, r.stderr, _ = strings.Cut(rest, "\n")
	}
	if r.code != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("it exits with %d, prints %q and says in more than a line: %q", r.code, r.stdout, r.stderr)
	}
	for _, want := range says {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("it does not say %q, but:\n%s", want, r.stderr)
		}
	}
	if !strings.HasPrefix(r.stderr, "memlens: "+path+": "+first) {
		t.Errorf("it does not begin with %q, but:\n%s", first, r.stderr)
	}
	if not != "" && strings.Contains(strings.TrimPrefix(r.stderr, "memlens: "+path), not) {
		t.Errorf("it says %q:\n%s", not, r.stderr)
	}
	for _, prefix := range []string{"memimage: ", "format: ", "nt: ", "sparse: "} {
		if strings.Contains(r.stderr, prefix) {
			t.Errorf("it names the package %q:\n%s", prefix, r.stderr)
		}
	}
}

// TestProfileOverridesTheMachine searches memory whose header names another processor when the user names a profile.
func TestProfileOverridesTheMachine(t *testing.T) {
	path := writeFile(t, "arm64.dmp", append(dumpHeader(0xaa64, 16), random(16*4096)...))
	refused(t, []string{"no Windows system found in this image"}, "info", path, "--profile", "Win10x64_19041")
}

// TestCasesOfContainers are files of the kinds above, found elsewhere.
func TestCasesOfContainers(t *testing.T) {
	t.Run("truncated.lime", func(t *testing.T) {
		path := corpus.UnpackCase(t, "truncated", "truncated.lime")
		checkRefusal(t, path, "the file is truncated: it holds 5242880 bytes (5 MiB) of the 66707520 bytes (63.62 MiB) that its headers promise", []string{"(LiME, 5242880 bytes;"}, "acquisition failed")
	})
	t.Run("truncated.dmp", func(t *testing.T) {
		path := corpus.UnpackCase(t, "truncated", "truncated.dmp")
		checkRefusal(t, path, "the file is truncated: it holds 1056768 bytes (1.008 MiB) of the 66715648 bytes (63.62 MiB)", []string{"full, 1056768 bytes;"}, "acquisition failed")
	})
	t.Run("arm64-dump", func(t *testing.T) {
		path := filepath.Join(corpus.Case(t, "arm64-dump"), "arm64.dmp")
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		checkRefusal(t, path, "its header says that it is of an ARM64 system, Windows build 22621, which is not supported", []string{"the file is truncated: it holds 73728 bytes"}, "random")
	})
}

// TestKernelWithoutHeaders checks the information about the demo's kernel when its first page is missing.
func TestKernelWithoutHeaders(t *testing.T) {
	image, _ := demo(t)
	if text := succeeds(t, "info", image); !strings.Contains(text, "ntoskrnl.exe at 0x804d7000") {
		t.Fatalf("info says\n%s", text)
	}
	im, err := memimage.Open(t.Context(), image, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	header, err := im.Kernel.Space.Translate(im.Kernel.Base)
	if err := errors.Join(err, im.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[header.Off+int64(im.Kernel.Base-header.VA):][:4096])
	text := succeeds(t, "info", writeFile(t, "wiped.raw", b))
	if !strings.Contains(text, "ntoskrnl.exe, whose headers are not in memory") {
		t.Errorf("info says\n%s", text)
	}
}
