package fs

import (
	"strings"
	"testing"
)

// TestDistinct gives names that are taken, in any case.
func TestDistinct(t *testing.T) {
	d := distinct{}
	for _, want := range []string{"a.dll", "A.dll~2", "a.DLL~3", "b"} {
		given, _, _ := strings.Cut(want, "~")
		if got := d.numbered(given); got != want {
			t.Errorf("%s is called %s, want %s", given, got, want)
		}
	}
}
