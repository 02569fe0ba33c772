package nt

import (
	"bytes"
	"encoding/binary"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// sharedData is what _KUSER_SHARED_DATA says: the one page that every Windows maps at a known address. Its members
// lie where they do in all versions, for programs read them without asking.
type sharedData struct {
	Major, Minor, Build uint32 // Build only from Windows 10 on
	Time                time.Time
	SystemRoot          string
	PA                  paging.Phys
}

// sharedDataAddress returns where the kernel sees _KUSER_SHARED_DATA.
func sharedDataAddress(m *paging.Mode) paging.Virt {
	if m.VirtBits == 32 {
		return 0xffdf0000
	}
	return 0xfffff78000000000
}

// Offsets in _KUSER_SHARED_DATA.
const (
	sharedSystemTime profile.Offset = 0x14
	sharedSystemRoot profile.Offset = 0x30
	sharedBuild      profile.Offset = 0x260
	sharedMajor      profile.Offset = 0x26c
	sharedMinor      profile.Offset = 0x270
	sharedSize                      = 0x2f0
)

// readSharedData reads the page in a space that may be the system's or any process's; false when what is there is not
// the page.
func readSharedData(s *paging.Space) (*sharedData, bool) {
	va := sharedDataAddress(s.Mode())
	page, err := s.Translate(va)
	if err != nil {
		return nil, false
	}
	if !likelyVersion(page, va) {
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
	if d.Major >= 10 {
		d.Build = uint32(r.u32(sharedBuild)) & 0xffff
	}
	d.Time, _ = fileTime(r.u(sharedSystemTime, 8))
	return d, d.plausible()
}

// likelyVersion looks at the version alone: much of what looks like a page directory maps something else.
func likelyVersion(page paging.Page, va paging.Virt) bool {
	var major [4]byte
	if _, err := page.ReadAt(major[:], int64(va-page.VA)+int64(sharedMajor)); err != nil {
		return false
	}
	return isMajor(binary.LittleEndian.Uint32(major[:]))
}

// isMajor reports whether there is a Windows of that major version.
func isMajor(v uint32) bool { return v == 5 || v == 6 || v == 10 }

func (d *sharedData) plausible() bool {
	return isMajor(d.Major) && d.Minor < 10 &&
		len(d.SystemRoot) > 3 && d.SystemRoot[1] == ':' && d.SystemRoot[2] == '\\'
}

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

// version guesses the build where the page does not hold it: the last one with these numbers.
func (d *sharedData) version() profile.Version {
	v := profile.Version{Major: d.Major, Minor: d.Minor, Build: d.Build}
	if v.Build == 0 {
		v.Build = map[[2]uint32]uint32{{5, 1}: 2600, {5, 2}: 3790, {6, 0}: 6002, {6, 1}: 7601, {6, 2}: 9200, {6, 3}: 9600, {10, 0}: 19041}[[2]uint32{d.Major, d.Minor}]
	}
	return v
}
