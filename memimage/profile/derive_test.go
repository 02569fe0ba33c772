package profile

import "testing"

func field(t *testing.T, p *Profile, path string) Field {
	t.Helper()
	f, ok := p.Field(path)
	if !ok {
		t.Fatalf("%s lacks %s", p.Name(), path)
	}
	return f
}

func TestWithMovesAndRemovesMembers(t *testing.T) {
	base, err := Builtin().ByName("Win10x64_19041")
	if err != nil {
		t.Fatal(err)
	}
	const dtb, vads, peb, session = "_EPROCESS.Pcb.DirectoryTableBase", "_EPROCESS.VadRoot", "_EPROCESS.Peb", "_EPROCESS.Session"
	moved := func(path string, by int64) Field { f := field(t, base, path); f.Offset += by; return f }
	p := base.With("made", map[string]Field{dtb: moved(dtb, 8), vads: moved(vads, 0x20), session: {}})
	if p.Name() != "made" || len(p.Kernels()) != 0 || p.Version() != base.Version() {
		t.Errorf("it is %s of %d kernels, %v", p.Name(), len(p.Kernels()), p.Version())
	}
	for path, by := range map[string]int64{dtb: 8, vads: 0x20, vads + ".Root": 0x20, peb: 0} {
		if got, want := field(t, p, path).Offset, field(t, base, path).Offset+by; got != want {
			t.Errorf("%s at %#x, want %#x", path, got, want)
		}
	}
	if _, ok := p.Field(session); ok {
		t.Errorf("%s is still there", session)
	}
	if _, ok := base.Field(session); !ok {
		t.Errorf("%s is gone from the profile it was made from", session)
	}
}

func TestShiftedMovesAllBehind(t *testing.T) {
	base, err := Builtin().ByName("WinXPSP2x86")
	if err != nil {
		t.Fatal(err)
	}
	p := base.Shifted("made", "_EPROCESS", func(off int64) int64 {
		if off >= 0x100 {
			return off + 0x18
		}
		return off
	})
	for path, by := range map[string]int64{"_EPROCESS.UniqueProcessId": 0, "_EPROCESS.ImageFileName": 0x18, "_PEB.Ldr": 0} {
		if got, want := field(t, p, path).Offset, field(t, base, path).Offset+by; got != want {
			t.Errorf("%s at %#x, want %#x", path, got, want)
		}
	}
	got, _ := p.SizeOf("_EPROCESS")
	if want, _ := base.SizeOf("_EPROCESS"); got != want+0x18 {
		t.Errorf("the size is %#x, want %#x", got, want+0x18)
	}
}

func TestWithStructuresTakesThoseOfTheDonor(t *testing.T) {
	base, err := Builtin().ByName("Win7SP1x64")
	if err != nil {
		t.Fatal(err)
	}
	donor, err := Builtin().ByName("Win10x64_19041")
	if err != nil {
		t.Fatal(err)
	}
	p := base.WithStructures("made", donor, "_MMVAD_SHORT", "_MM_AVL_TABLE")
	for path, from := range map[string]*Profile{"_MMVAD_SHORT.StartingVpn": donor, "_EPROCESS.VadRoot": base} {
		if got, want := field(t, p, path), field(t, from, path); got.Offset != want.Offset {
			t.Errorf("%s at %#x, want %#x", path, got.Offset, want.Offset)
		}
	}
	if _, ok := p.SizeOf("_MM_AVL_TABLE"); ok {
		t.Error("a structure that the donor lacks is still there")
	}
}
