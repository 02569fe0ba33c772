package synth

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain makes garbage collections rarer, unless GOGC is set: the tests build and open hundreds of small images,
// and little memory is in use at a time.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}
