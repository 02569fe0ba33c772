package format

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain makes garbage collections rarer, unless GOGC is set: the tests write and open thousands of small images,
// and little memory is in use at a time.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
