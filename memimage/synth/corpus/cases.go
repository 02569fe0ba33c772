package corpus

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Case returns the folder of an input whose right result is known; it skips the test when there is none.
func Case(t testing.TB, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "../../../../shared/cases", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the case %s (../shared/cases beside the repository) is not there", name)
	}
	return dir
}
