package nt

import (
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

func TestSizeOfAFile(t *testing.T) {
	const kib = 1024
	header := func(allocation, size int64) fcbHeader { return fcbHeader{allocation, size} }
	for _, c := range []struct {
		what        string
		sources     fileSize
		size, bound int64
	}{
		{"nothing is known", fileSize{}, 0, 0},
		{"the data section ends within a page", fileSize{data: 70001, least: 70000}, 70001, 70001},
		{"the data section ends with a page", fileSize{data: 72 * kib}, 0, 72 * kib},
		{"the data section ends with 256 KiB", fileSize{data: 256 * kib}, 0, 256 * kib},
		{"the header alone", fileSize{header: header(72*kib, 70001)}, 70001, 70001},
		{"the cache map alone", fileSize{cacheMap: 70001}, 70001, 70001},
		{"header and data section", fileSize{header: header(72*kib, 70001), data: 70001}, 70001, 70001},
		{"header and a page", fileSize{header: header(72*kib, 70001), data: 72 * kib}, 70001, 70001},
		{"header and 256 KiB", fileSize{header: header(72*kib, 70001), data: 256 * kib, least: 69000, cached: 69999}, 70001, 70001},
		{"header and 1 MiB", fileSize{header: header(72*kib, 70001), data: 1024 * kib}, 70001, 70001},
		{"header and cache map", fileSize{header: header(72*kib, 70001), cacheMap: 70001, data: 256 * kib}, 70001, 70001},
		{"a file of 256 KiB", fileSize{header: header(256*kib, 256*kib), data: 256 * kib, least: 256 * kib}, 256 * kib, 256 * kib},
		{"a file that is longer than the section", fileSize{header: header(600*kib, 590001), data: 256 * kib}, 0, 0},
		{"the section is much longer", fileSize{header: header(72*kib, 70001), data: 4096 * kib}, 0, 4096 * kib},
		{"header and data section disagree", fileSize{header: header(72*kib, 70001), data: 70101}, 0, 70101},
		{"header and cache map disagree", fileSize{header: header(72*kib, 70001), cacheMap: 70002}, 0, 0},
		{"smaller than the image's raw data", fileSize{header: header(72*kib, 7), data: 256 * kib, least: 70000}, 0, 256 * kib},
		{"smaller than what is cached", fileSize{header: header(72*kib, 60000), data: 256 * kib, cached: 60001}, 0, 256 * kib},
		{"a bound below the image's raw data", fileSize{data: 256 * kib, least: 400 * kib}, 0, 0},
		{"raw data to the end of a sector", fileSize{header: header(72*kib, 70001), data: 256 * kib, least: 70144}, 70001, 70001},
	} {
		if size, bound := c.sources.decide(); size != c.size || bound != c.bound {
			t.Errorf("%s: size %d, bound %d, want %d and %d", c.what, size, bound, c.size, c.bound)
		}
	}
}

// TestSizesOfCachedFiles reads the sizes of cached files from sound and damaged headers, for all ways of caching in
// Windows.
func TestSizesOfCachedFiles(t *testing.T) {
	corpus.Long(t)
	for _, name := range kinds {
		exe := program(named(t, name), "one.exe")
		exe.File = append(exe.File, "an overlay"...)
		n := len(exe.File)
		fcb := func(change func(f *synth.FCB)) *synth.FCB {
			f := synth.NewFCB(n)
			change(f)
			return f
		}
		rounded := synth.Rounded(n)
		for _, c := range []struct {
			what        string
			sizes       synth.FileSizes
			size, bound int
		}{
			{"mapped by a program", synth.FileSizes{NoCacheMap: true}, n, n},
			{"cache map", synth.FileSizes{DataEnd: rounded}, n, n},
			{"rounded", synth.FileSizes{DataEnd: rounded, NoCacheMap: true}, 0, rounded},
			{"rounded, header", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: synth.NewFCB(n)}, n, n},
			{"rounded, all", synth.FileSizes{DataEnd: rounded, FCB: synth.NewFCB(n)}, n, n},
			{"rounded as for writing, header", synth.FileSizes{DataEnd: 1 << 20, NoCacheMap: true, FCB: synth.NewFCB(n)}, n, n},
			{"size 0", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Size, f.Valid = 0, 0 })}, 0, rounded},
			{"negative", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Size, f.Valid = -1, -1 })}, 0, rounded},
			{"huge", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Size, f.Allocation = 1<<62, 1<<62 })}, 0, rounded},
			{"more than is allocated", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Allocation = int64(n) - 1 })}, 0, rounded},
			{"more is valid than there is", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Valid++ })}, 0, rounded},
			{"no node type", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Type = 0 })}, 0, rounded},
			{"too small a node", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: fcb(func(f *synth.FCB) { f.Bytes = 0x20 })}, 0, rounded},
			{"smaller than the image", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: synth.NewFCB(0x1000)}, 0, rounded},
			{"smaller than what is cached", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: synth.NewFCB(n - 1)}, 0, rounded},
			{"larger than the section", synth.FileSizes{DataEnd: rounded, NoCacheMap: true, FCB: synth.NewFCB(rounded + 1)}, 0, 0},
			{"not the cache map's", synth.FileSizes{DataEnd: rounded, FCB: synth.NewFCB(n + 1)}, 0, rounded},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				s := row(t, name, 0)
				s.Processes = []synth.Process{{PID: 8, Name: "a", Image: exe, Cached: func(int) bool { return true }, Sizes: c.sizes}}
				l := newLab(t, s)
				for p, err := range l.whole.Processes() {
					if err != nil || p.PID != 8 {
						continue
					}
					cached := p.Mapping(p.SectionBase()).Cached
					if cached == nil || cached.Size != int64(c.size) || cached.Bound != int64(c.bound) {
						t.Errorf("%+v, want size %d and bound %d", cached, c.size, c.bound)
					}
				}
			})
		}
	}
}

// TestFileContextIsKnown compares the member's offset in all built-in profiles with the offset in ntifs.h and wdm.h.
func TestFileContextIsKnown(t *testing.T) {
	for p := range profile.Builtin().All() {
		l := new(layout)
		if err := p.Bind(l); err != nil {
			continue
		}
		want := profile.Offset(0xc)
		if p.Arch() == profile.X64 {
			want = 0x18
		}
		if l.Section.FileContext != want {
			t.Errorf("%s: _FILE_OBJECT.FsContext at %#x, want %#x", p.Name(), l.Section.FileContext, want)
		}
	}
}
