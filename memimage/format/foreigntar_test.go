package format

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// writeOldTar returns a tar archive without a magic number, as tar wrote them before POSIX.
func writeOldTar(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "a.lime", Mode: 0o644, Size: int64(len(data)), Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out := b.Bytes()
	clear(out[257:tarHeader])
	copy(out[tarChecksum:], "        ")
	sum := 0
	for _, c := range out[:tarHeader] {
		sum += int(c)
	}
	copy(out[tarChecksum:], fmt.Sprintf("%06o\x00 ", sum))
	return out
}

func isTar(t *testing.T, data []byte) bool {
	t.Helper()
	_, err := Open(newMemSource("a.tar", data), Options{SpoolDir: t.TempDir()})
	var not *NotMemoryError
	return errors.As(err, &not) && not.What == "a tar archive"
}

func TestOldTarIsRefused(t *testing.T) {
	data := writeOldTar(t, writeLiME(testMemory()[:1]))
	if !isTar(t, data) || !isTar(t, packGzip(t, data)) {
		t.Error("a tar archive without a magic number is taken for something else")
	}
	data[3] ^= 1 // the checksum is wrong now
	if isTar(t, data) {
		t.Error("a file with a wrong checksum is taken for a tar archive")
	}
}

// TestTarOfTheTool has an archive that tar makes in its oldest format.
func TestTarOfTheTool(t *testing.T) {
	tool(t, "tar")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.lime"), writeLiME(testMemory()[:1]), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := exec.Command("tar", "-C", dir, "--format=v7", "-cf", "-", "a.lime").Output()
	if err != nil {
		t.Skipf("this tar has no format v7: %v", err)
	}
	if !isTar(t, data) {
		t.Error("not recognised")
	}
}
