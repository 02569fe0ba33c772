package fs

import (
	"errors"
	"strings"
	"testing"

	"memlens/memimage/digest"
	"memlens/memimage/reference"
	"memlens/memimage/rescue"
	"memlens/memimage/synth"
)

type panics struct{}

func (panics) ReadAt([]byte, int64) (int, error) { panic("a mistake") }

// TestPanicsOfWorkers: a mistake in a goroutine that makes a file is the error of that file.
func TestPanicsOfWorkers(t *testing.T) {
	var panicked *rescue.PanicError
	if _, err := digest.Of("a.exe", panics{}, 1<<16, nil); !errors.As(err, &panicked) || !strings.Contains(string(panicked.Stack()), "panics") {
		t.Errorf("digests: %v", err)
	}
	f := referenced(t, map[string][]byte{"cmd.exe": synth.DemoOriginals()["cmd.exe"], "other.exe": []byte("another file")})
	refs, err := f.refs.All()
	if err != nil {
		t.Fatal(err)
	}
	matches, err := f.eachReference(t.Context(), refs, func(ref reference.File, _ *digest.Parsed) match {
		if ref.Name == "cmd.exe" {
			panic("a mistake")
		}
		return match{ref: ref, score: 7}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range matches {
		if wrong := m.ref.Name == "cmd.exe"; errors.As(m.err, &panicked) != wrong || (m.score == 7) == wrong {
			t.Errorf("%s: score %d, %v", m.ref.Name, m.score, m.err)
		}
	}
}
