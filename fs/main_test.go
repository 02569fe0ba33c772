package fs

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain makes garbage collection less frequent, unless GOGC is set: the tests open hundreds of small images and draw
// all their pictures, and little of that memory is in use at a time. It ends the browser that tests share.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	code := m.Run()
	stopChromium()
	os.Exit(code)
}
