package synth

import (
	"fmt"
	"strings"

	"memlens/memimage/profile"
)

// layout is the profile, with its pointer size and build.
type layout struct {
	*profile.Profile
	ptr   int
	build uint32
}

func newLayout(p *profile.Profile) layout {
	return layout{Profile: p, ptr: int(p.Arch().PointerSize()), build: p.Version().Build}
}

// size is the size of a structure; a structure that the profile lacks is an error of the System.
func (l layout) size(name string) int {
	n, ok := l.SizeOf(name)
	if !ok {
		panic(buildError{fmt.Errorf("synth: profile %s has no %s", l.Name(), name)})
	}
	return int(n)
}

// record is a structure in memory, filled member by member. Members that the
// profile lacks are skipped, so that one description serves all builds.
type record struct {
	s    *space
	l    layout
	name string
	va   uint64
}

// set writes an integer, pointer or bitfield.
func (r record) set(member string, v uint64) {
	f, ok := r.l.Field(r.name + "." + member)
	if !ok {
		return
	}
	n := fieldBytes(f)
	va := r.va + uint64(f.Offset)
	if f.Bits > 0 {
		mask := uint64(1)<<f.Bits - 1
		if f.Bits == 64 {
			mask = ^uint64(0)
		}
		v = getN(r.s.read(va, n), 0, n)&^(mask<<f.BitPos) | v&mask<<f.BitPos
	}
	r.s.write(va, le(v, n))
}

// fieldBytes is how wide a member is written. Members of unnamed unions have no known size; synth sets only flag
// words in them.
func fieldBytes(f profile.Field) int {
	switch {
	case f.Size > 0 && f.Size <= 8:
		return int(f.Size)
	case f.Size > 8 || strings.Contains(f.Type, "LARGE_INTEGER"):
		return 8
	}
	return 4
}

// le is the low n bytes of v.
func le(v uint64, n int) []byte {
	b := make([]byte, 8)
	putN(b, 0, v, 8)
	return b[:n]
}

// setFirst sets the first of the members that the profile has.
func (r record) setFirst(v uint64, members ...string) {
	for _, m := range members {
		if r.has(m) {
			r.set(m, v)
			return
		}
	}
}

// bytes writes raw bytes at a member.
func (r record) bytes(member string, p []byte) {
	if va, ok := r.at(member); ok {
		r.s.write(va, p)
	}
}

// at is the address of a member.
func (r record) at(member string) (uint64, bool) {
	f, ok := r.l.Field(r.name + "." + member)
	return r.va + uint64(f.Offset), ok
}

func (r record) has(member string) bool {
	_, ok := r.l.Field(r.name + "." + member)
	return ok
}

// list makes a member an empty list head: both links point to it.
func (r record) list(member string) {
	if va, ok := r.at(member); ok {
		r.s.write(va, append(le(va, r.l.ptr), le(va, r.l.ptr)...))
	}
}

// link writes a _LIST_ENTRY.
func (s *space) link(va, flink, blink uint64, ptr int) {
	s.write(va, append(le(flink, ptr), le(blink, ptr)...))
}

// chain links list entries in a ring, the first entry is the head.
func (s *space) chain(ptr int, entries ...uint64) {
	n := len(entries)
	for i, va := range entries {
		s.link(va, entries[(i+1)%n], entries[(i+n-1)%n], ptr)
	}
}

// unicode writes a _UNICODE_STRING at a member, with its buffer at another
// address; pointers are ptr bytes wide.
func (s *space) unicode(va, buffer uint64, text []byte, ptr int) {
	b := make([]byte, 2*ptr)
	putN(b, 0, uint64(len(text)), 2)
	putN(b, 2, uint64(len(text)+2), 2)
	putN(b, ptr, buffer, ptr)
	s.write(va, b)
}
