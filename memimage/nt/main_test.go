package nt

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain has garbage collected less often, unless GOGC says how often: the tests build and open hundreds of small
// images, and little of it is in use at a time.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
