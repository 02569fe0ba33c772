package restore

import "testing"

// TestBoundDirectoryIsFollowedOnce has many import descriptors that name one DLL, with many forwarder references
// behind it in the bound import directory: each DLL is looked up once.
func TestBoundDirectoryIsFollowedOnce(t *testing.T) {
	const refs, descriptors, stamp = maxBound, 100, 1
	asked := 0
	w := newWork(Input{Module: func(string) (Module, bool) {
		asked++
		return Module{Base: 0x10000, ImageBase: 0x10000, TimeDateStamp: stamp}, true
	}})
	w.bound, w.boundModules = map[string]boundDLL{"a.dll": make(boundDLL, refs)}, map[string][]Module{}
	for i := range w.bound["a.dll"] {
		w.bound["a.dll"][i] = boundEntry{"a.dll", stamp}
	}
	for range descriptors {
		if n := len(w.boundDirectory("A.dll")); n != refs {
			t.Fatalf("%d DLLs, want %d", n, refs)
		}
		if w.boundDirectory("b.dll") != nil {
			t.Fatal("b.dll is not in the directory")
		}
	}
	if asked != refs {
		t.Errorf("asked for %d DLLs, want %d", asked, refs)
	}
}
