package restore

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain makes garbage collection rarer, unless GOGC sets it: the tests build and open hundreds of small images,
// and use little of that memory at a time.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
