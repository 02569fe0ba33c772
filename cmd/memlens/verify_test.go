package main

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"hash/adler32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// acquired is an E01 image that ewfacquire makes from a raw image.
func acquired(t *testing.T, raw string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "case")
	tool(t, "ewfacquire", "-u", "-q", "-c", "deflate:fast", "-d", "sha1", "-m", "memory", "-t", target, raw)
	return target + ".E01"
}

// otherDigest changes the MD5 digests in the last sections of an E01 image, and their checksums.
func otherDigest(t *testing.T, image string, of []byte) {
	t.Helper()
	data, sum := []byte(readFile(t, image)), md5.Sum(of)
	for at := bytes.Index(data, sum[:]); at >= 0; at = bytes.Index(data, sum[:]) {
		data[at] ^= 0x80
		for _, n := range []int{32, 76} { // the sections "hash" and "digest"
			if end := at + n; end+4 <= len(data) && binary.LittleEndian.Uint32(data[end:]) != 0 {
				binary.LittleEndian.PutUint32(data[end:], adler32.Checksum(data[at:end]))
				break
			}
		}
	}
	if err := os.WriteFile(image, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestVerify checks the digests in an image that ewfacquire made, in a changed image, and in an image without Windows.
func TestVerify(t *testing.T) {
	t.Parallel()
	raw, _ := demo(t)
	image := acquired(t, raw)
	if got := succeeds(t, "info", image); !strings.Contains(got, "of the medium in the EWF image: not checked (--verify does it)") {
		t.Errorf("info prints %s", got)
	}
	if got := succeeds(t, "info", "--verify", image); strings.Count(got, "of the medium in the EWF image: right\n") != 2 {
		t.Errorf("info --verify prints %s", got)
	}
	if got := succeeds(t, "info", "--verify", raw); !strings.Contains(got, "there is nothing to check") {
		t.Errorf("info --verify of a raw image prints %s", got)
	}
	checked := func() (out []string) {
		var info struct {
			Digests []struct{ Algorithm, Checked string } `json:"container_digests"`
		}
		if err := json.Unmarshal([]byte(memlens(t, "info", "--json", image).stdout), &info); err != nil {
			t.Fatal(err)
		}
		for _, d := range info.Digests {
			out = append(out, d.Algorithm+" "+d.Checked)
		}
		return out
	}
	if got := strings.Join(checked(), ", "); got != "MD5 no, SHA-1 no" {
		t.Errorf("image.json has %s", got)
	}
	otherDigest(t, image, []byte(readFile(t, raw)))
	got := memlens(t, "info", "--verify", image)
	if got.code != 1 || !strings.Contains(got.stdout, "different: that of the content is ") || !strings.Contains(got.stderr, "the MD5 of the medium in the EWF image is different") {
		t.Errorf("a changed image: status %d, %s, %s", got.code, got.stdout, got.stderr)
	}
	refused(t, []string{"no Windows system found", "The MD5 of the medium in the EWF image is right.", "The SHA-1 of the medium in the EWF image is right."},
		"info", "--verify", acquired(t, writeFile(t, "noise.raw", random(1<<20))))
}
