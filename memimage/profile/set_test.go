package profile

import (
	"slices"
	"strings"
	"testing"
)

func TestBuiltinIsSortedByVersion(t *testing.T) {
	s := slices.Collect(Builtin().All())
	if len(s) != 82 || !slices.IsSortedFunc(s, func(a, b *Profile) int { return a.Version().Compare(b.Version()) }) {
		t.Errorf("%d profiles, or not sorted", len(s))
	}
}

func TestByIdentity(t *testing.T) {
	p, ok := Builtin().ByIdentity(Identity{PDB: "ntkrnlmp.pdb", GUID: "B8FF01C16F76A3FCD2F18B47846F48D3", Age: 1})
	if !ok {
		t.Fatal("not found")
	}
	id, _ := p.Identity()
	rva, _ := p.Symbol("PsActiveProcessHead")
	if p.Name() != "Win10x64_19041.2846" || p.Version() != (Version{10, 0, 19041, 2846}) || rva != 12705952 || id.Age != 1 {
		t.Error(p.Name(), p.Version(), rva, id)
	}
	if _, ok := Builtin().ByIdentity(Identity{GUID: "B8FF01C16F76A3FCD2F18B47846F48D3", Age: 2}); ok {
		t.Error("found with another age")
	}
}

func TestNewIdentity(t *testing.T) {
	guid := [16]byte{0xc1, 0x01, 0xff, 0xb8, 0x6f, 0x76, 0xfc, 0xa3, 0xd2, 0xf1, 0x8b, 0x47, 0x84, 0x6f, 0x48, 0xd3}
	id := NewIdentity("ntkrnlmp.pdb", guid, 26)
	if id.GUID != "B8FF01C1766FA3FCD2F18B47846F48D3" || id.String() != "ntkrnlmp.pdb/B8FF01C1766FA3FCD2F18B47846F48D31A" {
		t.Error(id)
	}
}

func TestByIdentityWithABadGUID(t *testing.T) {
	for _, guid := range []string{"", "B8", strings.Repeat("G", 32), strings.Repeat("A", 34), strings.Repeat("0", 32)} {
		if p, ok := Builtin().ByIdentity(Identity{GUID: guid, Age: 1}); ok {
			t.Errorf("%q: %s", guid, p.Name())
		}
	}
}

func TestByIdentityKnowsTheKernelsOwnVersion(t *testing.T) {
	for p := range Builtin().All() {
		for _, k := range p.Kernels() {
			one, ok := Builtin().ByIdentity(k.Identity)
			if !ok || one.Version() != k.Version || one.Name() != p.Name() {
				t.Errorf("%s: %v %v", k.Identity, ok, k.Version)
			}
		}
		if _, ok := p.Symbol("PsActiveProcessHead"); ok {
			t.Errorf("%s has symbols, of which kernel?", p.Name())
		}
	}
}

func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		why  string
		arch Arch
		v    Version
		want string // the first candidate
	}{
		{"revision known", X64, Version{10, 0, 19041, 3000}, "Win10x64_19041.2846 Win10x64_19041.2251 Win10x64_19041.2006"},
		{"revision not known: newest", X64, Version{10, 0, 19041, 0}, "Win10x64_19041.2846 Win10x64_19041.2251"},
		{"newer than all: nearest older", X64, Version{10, 0, 30000, 1}, "Win11x64_26100 Win11x64_22621.382 Win11x64_22000.318 Win2022x64_20348"},
		{"a build between: the older one first", X64, Version{10, 0, 25398, 4}, "Win11x64_22621.382 Win11x64_22000.318 Win2022x64_20348"},
		{"Windows 11 24H2", X64, Version{10, 0, 26100, 1742}, "Win11x64_26100 Win11x64_22621.382"},
		{"enablement package: by the revision of the file", X64, Version{10, 0, 19045, 2130}, "Win10x64_19041.2006"},
		{"enablement package, revision not known", X64, Version{10, 0, 19045, 0}, "Win10x64_19041.2846"},
		{"Windows 11 23H2", X64, Version{10, 0, 22631, 2428}, "Win11x64_22621.382"},
		{"Windows 11 25H2", X64, Version{10, 0, 26200, 6584}, "Win11x64_26100"},
		{"service pack by revision", X86, Version{5, 1, 2600, 5512}, "WinXPSP3x86 WinXPSP2x86 Win2003SP0x86"},
		{"older than all: nearest newer", X86, Version{5, 0, 2195, 0}, "WinXPSP2x86 WinXPSP3x86 Win2003SP0x86"},
		{"same build, then older, then newer", X86, Version{6, 0, 6001, 18000}, "VistaSP1x86 VistaSP0x86 Win2003SP2x86 Win2003SP1x86 Win2003SP0x86 WinXPSP3x86 WinXPSP2x86 VistaSP2x86 Win7SP0x86"},
		{"before and after the 2018 updates", X64, Version{6, 1, 7601, 24540}, "Win7SP1x64_7601.24540 Win7SP1x64_24000 Win7SP1x64_23418 Win7SP1x64 Win7SP0x64"},
		{"the build's own revisions before other builds", X64, Version{6, 1, 7601, 20000}, "Win7SP1x64 Win7SP1x64_23418"},
	} {
		var names []string
		for _, p := range Builtin().Candidates(c.arch, c.v) {
			names = append(names, p.Name())
			if p.Arch() != c.arch {
				t.Errorf("%s: %s among %s", c.why, p.Name(), c.arch)
			}
		}
		if got := strings.Join(names, " "); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s; want %s", c.why, got, c.want)
		}
	}
}

func TestByName(t *testing.T) {
	for name, want := range map[string]string{
		"WinXPSP2x86": "WinXPSP2x86", "win2008r2sp1X64": "Win7SP1x64", "Win10x64_19041": "Win10x64_19041",
	} {
		if p, err := Builtin().ByName(name); err != nil || p.Name() != want {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if _, err := Builtin().ByName("Win10x64_19043"); err == nil || !strings.Contains(err.Error(), "Win10x64_19041.2846") {
		t.Error(err)
	}
}

func TestWithAndWithout(t *testing.T) {
	s := Builtin()
	gone := s.Without(func(p *Profile) bool { return p.Version().Build == 22000 })
	if c := gone.Candidates(X64, Version{10, 0, 22000, 0}); c[0].Version().Build != 20348 {
		t.Error(c[0].Name())
	}
	back := gone.With(mustName(t, "Win11x64_22000.318"))
	if c := back.Candidates(X64, Version{10, 0, 22000, 0}); c[0].Name() != "Win11x64_22000.318" {
		t.Error(c[0].Name())
	}
}

func TestOS(t *testing.T) {
	for _, c := range []struct {
		v    Version
		arch Arch
		want string
	}{
		{Version{5, 1, 2600, 2180}, X86, "Windows XP SP2"},
		{Version{5, 1, 2600, 0}, X86, "Windows XP"},
		{Version{5, 2, 3790, 3959}, X64, "Windows Server 2003 SP2 / XP x64 SP2"},
		{Version{10, 0, 19041, 1}, X64, "Windows 10 2004"},
		{Version{10, 0, 27000, 1}, X64, "Windows 11 26H2+"},
		{Version{4, 0, 1381, 0}, X86, "Windows NT"},
	} {
		if got := c.v.OS(c.arch); got != c.want {
			t.Errorf("%v: %q", c.v, got)
		}
	}
}

// TestFirstCandidate checks builds within which members moved: the first candidate has _EPROCESS.Protection at the
// offset that the symbols of the revision have (by the list of offsets of wavestone-cdt/EDRSandblast).
func TestFirstCandidate(t *testing.T) {
	for _, c := range []struct {
		arch            Arch
		build, revision uint32
		want            string
		protection      int64
	}{
		{X64, 10240, 16384, "Win10x64_10240.16384", 0x6aa},
		{X64, 10240, 17709, "Win10x64_10240.16384", 0x6aa},
		{X64, 10240, 17738, "Win10x64_10240_17770", 0x6b2},
		{X64, 10240, 17741, "Win10x64_10240_17770", 0x6b2},
		{X64, 10240, 20307, "Win10x64_10240_17770", 0x6b2},
		{X86, 10240, 17709, "Win10x86_10240.16384", 0x2de},
		{X64, 10586, 1295, "Win10x64_10586", 0x6b2},
		{X64, 10586, 1356, "Win10x64_10586.1356", 0x6ba},
		{X64, 10586, 1540, "Win10x64_10586.1356", 0x6ba},
		{X64, 14393, 1, "Win10x64_14393", 0x6c2}, // 14393.0 is looked up so
		{X64, 14393, 1770, "Win10x64_14393", 0x6c2},
		{X64, 14393, 2189, "Win10x64_14393.2007", 0x6ca},
		{X64, 14393, 4530, "Win10x64_14393.2007", 0x6ca},
		{X64, 14393, 4583, "Win10x64_14393.4583", 0x6ca},
		{X64, 14393, 6451, "Win10x64_14393.5006", 0x6ca},
	} {
		p := Builtin().Candidates(c.arch, Version{10, 0, c.build, c.revision})[0]
		f, _ := p.Field("_EPROCESS.Protection")
		if p.Name() != c.want || f.Offset != c.protection {
			t.Errorf("%d.%d: %s with Protection at %#x, want %s, %#x", c.build, c.revision, p.Name(), f.Offset, c.want, c.protection)
		}
	}
}
