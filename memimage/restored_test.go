package memimage

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

func sum256(t *testing.T, r *sparse.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(sparse.ZeroFill(r, nil), 0, r.Size())); err != nil {
		t.Error(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestRestoredFilesAreTheOriginals compares every restored executable of the reference images with the digest of the
// file that was on disk. It must be that file where the result says so. It must be that file, too, where nothing is
// missing, nothing may have been written, and the base is proved. In some images a program without relocations has a
// changed header (no loader changes it), and some programs were linked for an unusual base: there the base may only be
// assumed.
func TestRestoredFilesAreTheOriginals(t *testing.T) {
	corpus.Long(t)
	corpus.Dir(t)
	reached := 0
	for _, name := range reference {
		t.Run(name, func(t *testing.T) {
			truth := corpus.Load(t, name)
			all := allProcesses(t, openReference(t, name, Options{}))
			for _, want := range truth.Processes {
				if want.FileSHA256 == "" {
					continue
				}
				r, err := all[hexNumber(t, want.OffsetP)].Restored()
				if err != nil {
					continue
				}
				same := sum256(t, r.Reader) == want.FileSHA256
				if same {
					reached++
				}
				s := r.Summary()
				if !same && r.Complete() {
					t.Errorf("process %d %q: restored.exe is said to be the original and is not", want.PID, want.Name)
				}
				if r.BaseCertainty == restore.Exact && !same && s.Bytes[restore.Missing] == 0 && s.Written == 0 {
					t.Errorf("process %d %q: restored.exe is not the original though all of it is there: %+v, base %#x (%s)", want.PID, want.Name, s, r.ImageBase, r.Proof)
				}
			}
		})
	}
	if t.Logf("%d files were restored to the digest of the original", reached); reached < 65 {
		t.Errorf("only %d files were restored to the digest of the original, want 65", reached)
	}
}
