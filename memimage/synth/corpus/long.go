package corpus

import "testing"

// Long skips a test with -short. The test takes long and does one thing at a time, so that there is nothing in it for the
// race detector to find.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("long, and it does one thing at a time")
	}
}
