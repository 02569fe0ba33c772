package nt

import (
	"strconv"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

var storedImages = []string{"Win10x64_18362-store", "Win10x64_19041-store", "Win11x64_22000-store"}

// TestStoreByItsLooks finds the store of a kernel without symbols at the address of the truth. A kernel with neither
// symbols nor page files still has the number in the keys of the tree.
func TestStoreByItsLooks(t *testing.T) {
	for _, name := range storedImages {
		truth := corpus.Load(t, name).Store
		k := *foundKernel(t, name)
		k.Profile = k.Profile.With("without symbols", nil)
		c := k.WithPageFiles().CompressedStore()
		if c == nil || c.Err != nil || c.Assumed || c.Number != truth.Number || !strings.Contains(c.Found, "SmGlobals is at "+truth.SmGlobals+", by its looks") {
			t.Errorf("%s: %v, want SmGlobals at %s", name, c, truth.SmGlobals)
		}
		if files, by := k.PagingFiles(); len(files) != len(truth.PageFiles) || !strings.Contains(by, "looks like") {
			t.Errorf("%s: %d page files, %s; want %d", name, len(files), by, len(truth.PageFiles))
		}
		g, _, err := k.openStore()
		if err != nil {
			t.Fatal(err)
		}
		if n, by, err := numberOf(g, -1, ""); n != truth.Number || by == "" || err != nil {
			t.Errorf("%s: the keys are of page file %d, %s, %v", name, n, by, err)
		}
		if _, _, err := numberOf(g, truth.Number+1, "a wrong list says"); err == nil {
			t.Errorf("%s: the keys are not of page file %d", name, truth.Number+1)
		}
	}
}

// TestMaskBySymbolsAndByEntries: both ways lead to the mask of the truth.
func TestMaskBySymbolsAndByEntries(t *testing.T) {
	for _, name := range storedImages {
		want := maskOf(t, name)
		k := foundKernel(t, name)
		if mask, _, ok := k.maskByVariable(); !ok || mask != want {
			t.Errorf("%s, by the kernel's variable: %#x, %v; want %#x", name, mask, ok, want)
		}
		if mask, _, ok := k.maskByEntries(); !ok || mask != want {
			t.Errorf("%s, by entries: %#x, %v; want %#x", name, mask, ok, want)
		}
	}
}

// TestNoStoreWithoutOne: kernels without a store, or with an empty store, have none, and no other data is taken for it.
func TestNoStoreWithoutOne(t *testing.T) {
	for _, name := range []string{"Win7SP1x64", "Win10x64_18362", "Win10x64_19041", "Win11x64_22000"} {
		if c := foundKernel(t, name).WithPageFiles().CompressedStore(); c != nil {
			t.Errorf("%s: %v", name, c)
		}
	}
}

func maskOf(t *testing.T, name string) uint64 {
	t.Helper()
	mask, err := strconv.ParseUint(strings.TrimPrefix(corpus.Load(t, name).Store.Mask, "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask
}
