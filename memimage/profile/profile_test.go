package profile

import (
	"errors"
	"strings"
	"testing"
)

func mustName(t testing.TB, name string) *Profile {
	t.Helper()
	p, err := Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The offsets are from the literature and from WinDbg's dt.
func TestField(t *testing.T) {
	for _, c := range []struct {
		profile, path string
		want          Field
	}{
		{"WinXPSP2x86", "_EPROCESS.ActiveProcessLinks", Field{Offset: 0x88, Type: "_LIST_ENTRY", Size: 8}},
		{"WinXPSP3x86", "_EPROCESS.UniqueProcessId", Field{Offset: 0x84, Type: "ptr void", Size: 4}},
		{"WinXPSP3x86", "_EPROCESS.ImageFileName", Field{Offset: 0x174, Type: "unsigned char[16]", Size: 16}},
		{"WinXPSP3x86", "_EPROCESS.Pcb.DirectoryTableBase", Field{Offset: 0x18, Type: "unsigned long[2]", Size: 8}},
		{"Win7SP1x64", "_EPROCESS.Pcb.Header.Type", Field{Offset: 0, Type: "unsigned char", Size: 1}},
		{"Win7SP1x64", "_EPROCESS.Peb", Field{Offset: 0x338, Type: "ptr _PEB", Size: 8}},
		{"Win7SP1x64", "_MMVAD_SHORT.u.VadFlags", Field{Offset: 0x28, Type: "_MMVAD_FLAGS", Size: 8}},
		{"Win7SP1x64", "_MMVAD_SHORT.u.VadFlags.VadType", Field{Offset: 0x28, Type: "unsigned long long", Size: 8, BitPos: 52, Bits: 3}},
		{"Win10x64_19041", "_EPROCESS.UniqueProcessId", Field{Offset: 0x440, Type: "ptr void", Size: 8}},
		{"Win10x64_19041", "_POOL_HEADER.PoolTag", Field{Offset: 4, Type: "unsigned long", Size: 4}},
		{"Win11x64_22000.318", "_KDDEBUGGER_DATA64.PsActiveProcessHead", Field{Offset: 0x50, Type: "unsigned long long", Size: 8}},
		{"Win11x64_26100", "_EPROCESS.ActiveProcessLinks", Field{Offset: 0x1d8, Type: "_LIST_ENTRY", Size: 16}},
		{"Win11x64_26100", "_EPROCESS.Pcb.UserDirectoryTableBase", Field{Offset: 0x158, Type: "unsigned long long", Size: 8}},
		{"Win11x64_26100", "_MMVAD.Core.u.PrivateVadFlags.MemCommit", Field{Offset: 0x30, Type: "unsigned long", Size: 4, BitPos: 25, Bits: 1}},
		{"WinXPSP2x86", "_KDDEBUGGER_DATA64.PsActiveProcessHead", Field{Offset: 0x50, Type: "unsigned long long", Size: 8}},
		{"Win10x64_19041.2846", "_MMVAD.Core.u.VadFlags.VadType", Field{Offset: 0x30, Type: "unsigned long", Size: 4, BitPos: 4, Bits: 3}},
	} {
		got, ok := mustName(t, c.profile).Field(c.path)
		if !ok || got != c.want {
			t.Errorf("%s %s = %+v, %v; want %+v", c.profile, c.path, got, ok, c.want)
		}
	}
}

func TestFieldThatIsNotThere(t *testing.T) {
	p := mustName(t, "Win7SP1x64")
	for _, path := range []string{
		"", ".", "_EPROCESS", "_EPROCESS.", "_EPROCESS.Nothing", "_NOTHING.Pcb", "_EPROCESS.Pcb.", "_EPROCESS.Pcb.Nothing",
		"_EPROCESS.Peb.Ldr", "_EPROCESS..Pcb", "_eprocess.Pcb",
	} {
		if f, ok := p.Field(path); ok || f.Present() {
			t.Errorf("%q = %+v", path, f)
		}
	}
}

func TestSizeOfType(t *testing.T) {
	p := mustName(t, "Win7SP1x64")
	for typ, want := range map[string]int64{
		"unsigned long": 4, "ptr void": 8, "ptr _RTL_BALANCED_NODE[2]": 16, "_LIST_ENTRY": 16, "_LIST_ENTRY[3]": 48, "int[3][2]": 24,
		"_NOT_THERE": 0, "": 0, "int[": 0, "int[x]": 0, "int[-1]": 0, "[2]": 0, "int[2000000000][2000000000][2000000000]": 0,
	} {
		if got, ok := p.sizeOfType(typ); got != want || ok != (want > 0) {
			t.Errorf("%q: %d, %v, want %d", typ, got, ok, want)
		}
	}
}

func TestBind(t *testing.T) {
	var l struct {
		Process struct {
			Links Offset `nt:"_EPROCESS.ActiveProcessLinks"`
			Size  Size   `nt:"_EPROCESS"`
		}
		Area   Offset `nt:"_MMVAD.Subsection|_MMVAD.ControlArea"`
		Type   Field  `nt:"_MMVAD_FLAGS.VadType,optional"`
		Absent Offset `nt:"_EPROCESS.NotYetInvented,optional"`
		Cache  Size   `nt:"_NOT_YET_INVENTED,optional"`
		Mine   string
	}
	if err := mustName(t, "WinXPSP2x86").Bind(&l); err != nil {
		t.Fatal(err)
	}
	if l.Process.Links != 0x88 || l.Process.Size != 0x260 || l.Area != 0x18 || l.Type.Present() || l.Absent.Present() || l.Cache != 0 {
		t.Errorf("%+v", l)
	}
	if err := mustName(t, "Win7SP1x64").Bind(&l); err != nil || l.Process.Links != 0x188 || l.Type.Bits != 3 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestBindNamesAllThatLack(t *testing.T) {
	var l struct {
		A Offset `nt:"_EPROCESS.A|_KPROCESS.A"`
		B Field  `nt:"_EPROCESS.Peb"`
		C Size   `nt:"_C"`
	}
	err := mustName(t, "Win7SP1x64").Bind(&l)
	if !errors.Is(err, ErrLacking) || !strings.HasSuffix(err.Error(), "in Win7SP1x64: _EPROCESS.A|_KPROCESS.A, _C") {
		t.Error(err)
	}
	if l.A != Absent || l.B.Offset != 0x338 {
		t.Errorf("%+v", l)
	}
}

func TestBitfield(t *testing.T) {
	for _, c := range []struct {
		f       Field
		v, want uint64
	}{
		{Field{BitPos: 4, Bits: 3}, 0xf5f, 5},
		{Field{}, 0xf5f, 0xf5f},
		{Field{Bits: 64}, 1 << 63, 1 << 63},
		{Field{BitPos: 63, Bits: 1}, 1 << 63, 1},
	} {
		if got := c.f.Bitfield(c.v); got != c.want {
			t.Errorf("%+v of %#x = %#x, want %#x", c.f, c.v, got, c.want)
		}
	}
}

func BenchmarkBuiltin(b *testing.B) {
	for b.Loop() {
		if _, err := decodeSet(builtinData); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeOneProfile(b *testing.B) {
	for b.Loop() {
		s, _ := decodeSet(builtinData)
		s.profiles[40].Field("_EPROCESS.Peb")
	}
}

func BenchmarkByIdentity(b *testing.B) {
	s := Builtin()
	kernels := mustName(b, "Win11x64_22000.318").Kernels()
	last := kernels[len(kernels)-1].Identity
	for b.Loop() {
		if _, ok := s.ByIdentity(last); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkBind(b *testing.B) {
	var l struct {
		A Offset `nt:"_EPROCESS.ActiveProcessLinks"`
		B Offset `nt:"_EPROCESS.Pcb.DirectoryTableBase"`
		C Field  `nt:"_MMVAD_SHORT.u.VadFlags.VadType"`
		D Field  `nt:"_EPROCESS.Peb"`
	}
	p := mustName(b, "Win7SP1x64")
	for b.Loop() {
		if err := p.Bind(&l); err != nil {
			b.Fatal(err)
		}
	}
}
