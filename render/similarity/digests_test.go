package similarity_test

import (
	"bytes"
	"testing"

	"memlens/render/similarity"
)

// TestDigestsInOnePass compares the digests of one pass with digests made one by one.
func TestDigestsInOnePass(t *testing.T) {
	for name, data := range samples() {
		r, size := bytes.NewReader(data), int64(len(data))
		d := similarity.NewDigests("x", size)
		slow, others := d.Takers()
		for _, taker := range append(slow, others...) {
			if err := similarity.Feed(taker, r, size); err != nil {
				t.Fatal(err)
			}
		}
		wantSsdeep, _ := similarity.Ssdeep(r, size)
		wantTLSH, _ := similarity.TLSH(r, size)
		if got := d.Ssdeep(); got != wantSsdeep {
			t.Errorf("%s: ssdeep %s, want %s", name, got, wantSsdeep)
		}
		if got := d.TLSH(); got != wantTLSH {
			t.Errorf("%s: TLSH %s, want %s", name, got, wantTLSH)
		}
		want, _ := similarity.Sdhash("x", r, size)
		if got := d.Sdhash(); (got == nil) != (want == nil) || got != nil && got.String() != want.String() {
			t.Errorf("%s: another sdhash", name)
		}
	}
}
