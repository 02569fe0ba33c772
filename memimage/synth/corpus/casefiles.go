package corpus

import (
	"path/filepath"
	"testing"
)

// UnpackCase returns the path of an unpacked file of a case, such as "memory.raw" of "renamed-vmem"; it skips the test
// when the case is not there. The file is kept for later runs, as those of [Unpack] are.
func UnpackCase(t testing.TB, name, file string) string {
	t.Helper()
	return unpackOnce(t, filepath.Join(Case(t, name), file+".xz"), file)
}
