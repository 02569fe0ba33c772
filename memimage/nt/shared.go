package nt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// sharedData holds members of _KUSER_SHARED_DATA, the page that every Windows maps at a known address. The offsets are
// the same in all versions, because programs rely on them.
type sharedData struct {
	Major, Minor, Build uint32 // Build only from Windows 10 on
	Time                time.Time
	SystemRoot          string // empty when it is no path
	PA                  paging.Phys
	foreign             *paging.Arch // the kind of processor, if that is only named
	odd                 string       // a value that no Windows has, as a sentence; empty: none
	lost                bool         // the page is not in memory, and nothing is known
}

// Offsets in _KUSER_SHARED_DATA.
const (
	sharedSystemTime profile.Offset = 0x14
	sharedMachine    profile.Offset = 0x2c // ImageNumberLow, ImageNumberHigh
	sharedSystemRoot profile.Offset = 0x30
	sharedBuild      profile.Offset = 0x260
	sharedProduct    profile.Offset = 0x264
	sharedProcessor  profile.Offset = 0x26a // NativeProcessorArchitecture
	sharedMajor      profile.Offset = 0x26c
	sharedMinor      profile.Offset = 0x270
	sharedSize                      = 0x2f0
)

// readSharedData reads the page in a space that may be the system's or any process's; false when another page is there.
func readSharedData(s *paging.Space) (*sharedData, bool) {
	va := s.Mode().Arch.Shared
	page, err := s.Translate(va)
	if err != nil {
		return nil, false
	}
	if !isLikelyShared(page, va, s.Mode().Arch) {
		return nil, false
	}
	r, err := memory{s, 8}.record(va, sharedSize)
	if err != nil {
		return nil, false
	}
	d := &sharedData{
		Major: uint32(r.u32(sharedMajor)), Minor: uint32(r.u32(sharedMinor)),
		SystemRoot: wideString(r.b[sharedSystemRoot : sharedSystemRoot+260]),
		PA:         paging.Phys(page.Off) + paging.Phys(va-page.VA),
	}
	if d.Major >= 10 && d.hasVersion() {
		d.Build = uint32(r.u32(sharedBuild)) & 0xffff
	}
	d.Time, _ = fileTime(r.u(sharedSystemTime, 8))
	d.foreign = foreignArch(r)
	return d, d.weigh(r, s.Mode())
}

// isSharedLost reports whether a space cannot lead to the page, because it or a table on the way there is lost.
func isSharedLost(s *paging.Space) bool {
	_, err := s.Translate(s.Mode().Arch.Shared)
	return err != nil && !sparse.Failed(err)
}

// isLikelyShared looks at the version and the machine alone: most pages that look like a page directory map something
// else.
func isLikelyShared(page paging.Page, va paging.Virt, arch *paging.Arch) bool {
	word := func(at profile.Offset) uint32 {
		var b [4]byte
		if _, err := page.ReadAt(b[:], int64(va-page.VA)+int64(at)); err != nil {
			return 0
		}
		return binary.LittleEndian.Uint32(b[:])
	}
	return isMajor(word(sharedMajor)) || arch.RunsProgram(uint16(word(sharedMachine)))
}

// weigh reports whether it is the page: by its version and system root, or, where one of these is odd, by the other and
// by members that are the same in every Windows: the machine type, the kind of product and a time that the clock can
// show.
func (d *sharedData) weigh(r record, m *paging.Mode) bool {
	version, root := d.hasVersion(), d.hasRoot()
	if version && root {
		return true
	}
	product := r.u32(sharedProduct)
	own := m.Arch.RunsProgram(uint16(r.u16(sharedMachine)))
	if !version && !root || !own || product < 1 || product > 3 || d.Time.IsZero() {
		return false
	}
	if d.odd = fmt.Sprintf("the version %d.%d, which is none of Windows", d.Major, d.Minor); version {
		d.odd, d.SystemRoot = "no path of a system root", ""
	}
	return true
}

// hasVersion and hasRoot report whether there can be a Windows of that version, or with that root.
func (d *sharedData) hasVersion() bool { return isMajor(d.Major) && d.Minor < 10 }

func (d *sharedData) hasRoot() bool {
	return len(d.SystemRoot) > 3 && d.SystemRoot[1] == ':' && d.SystemRoot[2] == '\\'
}

// isMajor reports whether there is a Windows of that major version.
func isMajor(v uint32) bool { return v == 5 || v == 6 || v == 10 }

// wideString reads printable ASCII in 16-bit units up to a NUL; empty when there is anything else.
func wideString(b []byte) string {
	var out bytes.Buffer
	for ; len(b) >= 2; b = b[2:] {
		switch {
		case b[0] == 0 && b[1] == 0:
			return out.String()
		case b[1] != 0 || b[0] < ' ' || b[0] > '~':
			return ""
		}
		out.WriteByte(b[0])
	}
	return ""
}

// lastBuilds are the last builds of the versions without the build in their shared page.
var lastBuilds = map[[2]uint32]uint32{{5, 1}: 2600, {5, 2}: 3790, {6, 0}: 6002, {6, 1}: 7601, {6, 2}: 9200, {6, 3}: 9600, {10, 0}: 19041}

// version guesses the build where the page does not hold it: the last build with these numbers.
func (d *sharedData) version() profile.Version {
	if !d.hasVersion() {
		return profile.Version{}
	}
	v := profile.Version{Major: d.Major, Minor: d.Minor, Build: d.Build}
	if v.Build == 0 {
		v.Build = lastBuilds[[2]uint32{d.Major, d.Minor}]
	}
	return v
}

// numbersOf returns the major and minor version of a build; zeros for a build before Windows XP.
func numbersOf(build uint32) (major, minor uint32) {
	least := uint32(0)
	for numbers, first := range map[[2]uint32]uint32{{5, 1}: 2600, {5, 2}: 3790, {6, 0}: 6000, {6, 1}: 7600, {6, 2}: 9200, {6, 3}: 9600, {10, 0}: 10240} {
		if build >= first && first > least {
			least, major, minor = first, numbers[0], numbers[1]
		}
	}
	return major, minor
}
