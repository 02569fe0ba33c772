package volume

import (
	"context"
	"testing"
)

// brokenTree is a volume with Windows that cannot be read.
type brokenTree struct{ node }

func (brokenTree) name() string    { return "partition 2" }
func (brokenTree) windows() string { return "Windows" }
func (b brokenTree) root() node    { return b }
func (brokenTree) isDir() bool     { return true }
func (brokenTree) child(context.Context, string) (node, string, error) {
	return nil, "", damaged("nothing can be read")
}

// TestUnsureVolume checks that no note says that an unreadable volume has a file of the path, too.
func TestUnsureVolume(t *testing.T) {
	dir := t.TempDir()
	windowsFiles(t, dir)
	v, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	sound := v.trees[0]
	v.trees = append(v.trees, brokenTree{})
	f, err := v.Lookup(t.Context(), Path{Name: `\Windows\System32\ntdll.dll`})
	if err != nil {
		t.Fatal(err)
	}
	if want := "assumed: it is the one of " + sound.name() + "; whether partition 2 has a file of this path too cannot be read"; f.Note != want {
		t.Errorf("it notes %q, want %q", f.Note, want)
	}
}
