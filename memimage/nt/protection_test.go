package nt

import (
	"testing"

	"memlens/memimage/profile"
)

func TestProtections(t *testing.T) {
	for p, want := range map[Protection]string{
		0: "PAGE_NOACCESS", 1: "PAGE_READONLY", 2: "PAGE_EXECUTE", 3: "PAGE_EXECUTE_READ", 4: "PAGE_READWRITE", 5: "PAGE_WRITECOPY",
		6: "PAGE_EXECUTE_READWRITE", 7: "PAGE_EXECUTE_WRITECOPY", 8: "PAGE_NOACCESS", 12: "PAGE_NOCACHE | PAGE_READWRITE",
		0x14: "PAGE_GUARD | PAGE_READWRITE", 0x18: "PAGE_NOACCESS", 0x1e: "PAGE_WRITECOMBINE | PAGE_EXECUTE_READWRITE", 32: "", NoProtection: "",
	} {
		if got := p.String(); got != want {
			t.Errorf("%d: %q, want %q", p, got, want)
		}
	}
	for p := range Protection(255) {
		what := p & 7
		if want := p < 32 && (what == 2 || what == 3 || what == 6 || what == 7); p.Executable() != want {
			t.Errorf("%d can be executed: %v", p, !want)
		}
	}
}

// TestProtectionInAllProfiles: all profiles have the place of the protection, in 5 bits.
func TestProtectionInAllProfiles(t *testing.T) {
	for p := range profile.Builtin().All() {
		f, ok := p.Field("_MMVAD_FLAGS.Protection")
		if !ok || f.Bits != 5 {
			t.Errorf("%s: %+v", p.Name(), f)
		}
	}
}
