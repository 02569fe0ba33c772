package profile

import (
	"cmp"
	"fmt"

	"memlens/memimage/profile/internal/layout"
)

// Version is an NT version, such as 10.0.19041.2846. Revision is 0 where only the build is known.
type Version struct{ Major, Minor, Build, Revision uint32 }

func versionOf(v layout.Version) Version { return Version{v[0], v[1], v[2], v[3]} }

// String is the version as four numbers, or three if the revision is not known.
func (v Version) String() string {
	if v.Revision == 0 {
		return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Build)
	}
	return fmt.Sprintf("%d.%d.%d.%d", v.Major, v.Minor, v.Build, v.Revision)
}

// Compare orders versions by build and revision; build numbers always grow, so the major and minor numbers do not
// matter.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Build, w.Build), cmp.Compare(v.Revision, w.Revision))
}

// sameKernel are the builds that an update makes from an older build, by switching on features that are already in
// its files. Their kernel file is the file of the older build, with its version. No list of kernel files has one of
// these builds (winsiderss/systeminformer, kphlib/kphdyn.xml), and Vergilius' tables for 19045.2965 and 22631.2428
// are equal to the tables for 19041 and 22621; for 26300 Microsoft's statement is the only source.
var sameKernel = map[uint32]uint32{
	18363: 18362,
	19042: 19041, 19043: 19041, 19044: 19041, 19045: 19041,
	22631: 22621,
	26200: 26100, 26300: 26100,
}

// ofFile is the version that the file of the kernel has. Its revision is the same.
func (v Version) ofFile() Version {
	if build, ok := sameKernel[v.Build]; ok {
		v.Build = build
	}
	return v
}

// SameBuild reports whether two versions are of one build, or of builds that have the same kernel file.
func (v Version) SameBuild(w Version) bool { return v.ofFile().Build == w.ofFile().Build }

// OS is the name of the product with this version: client and server if they share a kernel, the nearest older
// product with a plus sign for a build not in the table, "Windows NT" before them all.
func (v Version) OS(arch Arch) string {
	name, build := "Windows NT", v.Build
	for _, r := range releases {
		if v.Build >= r.build && v.Revision >= r.revision && (r.arch == 0 || r.arch == arch) {
			name, build = r.name, r.build
		}
	}
	if build != v.Build {
		name += "+"
	}
	return name
}

// releases are the products by their kernel's first build and revision, oldest first. Service packs of Windows XP and
// 2003 change only the revision.
var releases = []struct {
	build, revision uint32
	arch            Arch // 0 is any
	name            string
}{
	{2600, 0, 0, "Windows XP"},
	{2600, 2180, 0, "Windows XP SP2"},
	{2600, 5512, 0, "Windows XP SP3"},
	{3790, 0, 0, "Windows Server 2003"},
	{3790, 1830, X86, "Windows Server 2003 SP1"},
	{3790, 1830, X64, "Windows Server 2003 SP1 / XP x64"},
	{3790, 3959, X86, "Windows Server 2003 SP2"},
	{3790, 3959, X64, "Windows Server 2003 SP2 / XP x64 SP2"},
	{6000, 0, 0, "Windows Vista"},
	{6001, 0, 0, "Windows Vista SP1 / Server 2008"},
	{6002, 0, 0, "Windows Vista SP2 / Server 2008 SP2"},
	{7600, 0, X86, "Windows 7"},
	{7600, 0, X64, "Windows 7 / Server 2008 R2"},
	{7601, 0, X86, "Windows 7 SP1"},
	{7601, 0, X64, "Windows 7 SP1 / Server 2008 R2 SP1"},
	{9200, 0, X86, "Windows 8"},
	{9200, 0, X64, "Windows 8 / Server 2012"},
	{9600, 0, X86, "Windows 8.1"},
	{9600, 0, X64, "Windows 8.1 / Server 2012 R2"},
	{9841, 0, 0, "Windows 10 Technical Preview"},
	{10240, 0, 0, "Windows 10 1507"},
	{10586, 0, 0, "Windows 10 1511"},
	{14393, 0, X86, "Windows 10 1607"},
	{14393, 0, X64, "Windows 10 1607 / Server 2016"},
	{15063, 0, 0, "Windows 10 1703"},
	{16299, 0, 0, "Windows 10 1709"},
	{17134, 0, 0, "Windows 10 1803"},
	{17763, 0, X86, "Windows 10 1809"},
	{17763, 0, X64, "Windows 10 1809 / Server 2019"},
	{18362, 0, 0, "Windows 10 1903"},
	{18363, 0, 0, "Windows 10 1909"},
	{19041, 0, 0, "Windows 10 2004"},
	{19042, 0, 0, "Windows 10 20H2"},
	{19043, 0, 0, "Windows 10 21H1"},
	{19044, 0, 0, "Windows 10 21H2"},
	{19045, 0, 0, "Windows 10 22H2"},
	{20348, 0, 0, "Windows Server 2022"},
	{22000, 0, 0, "Windows 11 21H2"},
	{22621, 0, 0, "Windows 11 22H2"},
	{22631, 0, 0, "Windows 11 23H2"},
	{25398, 0, 0, "Windows Server 23H2"},
	{26100, 0, 0, "Windows 11 24H2 / Server 2025"},
	{26200, 0, 0, "Windows 11 25H2"},
	{26300, 0, 0, "Windows 11 26H2"},
	{28000, 0, 0, "Windows 11 26H1"},
}
