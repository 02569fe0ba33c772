//go:build !linux

package volume

import "testing"

// mounted calls f with a folder where a volume is mounted; this system has no tool for it.
func mounted(t testing.TB, image, options string, f func(dir string)) {
	t.Helper()
	t.Skip("there is no ntfs-3g")
}

func attr(testing.TB, string, string, []byte) {}
