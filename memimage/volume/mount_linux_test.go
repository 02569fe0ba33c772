package volume

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// mounted calls f with a folder where ntfs-3g has mounted a volume.
func mounted(t testing.TB, image, options string, f func(dir string)) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); (err != nil || os.Getuid() != 0) && os.Getenv("MEMLENS_REQUIRE_TOOLS") != "1" {
		t.Skip("ntfs-3g needs /dev/fuse and root")
	}
	dir := t.TempDir()
	run(t, "", "ntfs-3g", "-o", options, image, dir)
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
		waitUntilFree(t, image)
	}()
	f(dir)
}

// waitUntilFree waits until ntfs-3g, which continues for a moment after the unmounting, has written everything.
func waitUntilFree(t testing.TB, image string) {
	t.Helper()
	for range 2000 {
		if !ntfs3gRuns(image) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("ntfs-3g does not end")
}

func ntfs3gRuns(image string) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte("ntfs-3g")) && bytes.Contains(b, []byte(image)) {
			return true
		}
	}
	return false
}

// attr sets an extended attribute of ntfs-3g, which stands for something of NTFS.
func attr(t testing.TB, path, name string, value []byte) {
	t.Helper()
	if err := syscall.Setxattr(path, "system.ntfs_"+name, value, 0); err != nil {
		t.Fatalf("%s of %s: %v", name, path, err)
	}
}
