package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth"
)

// whys are the reasons why pages of these kinds cannot be read.
var whys = map[synth.StoreKind]Why{
	synth.StoreNoKey: NoKey, synth.StoreInvalid: Invalid, synth.StoreNoStore: NoStore, synth.StoreNoLocal: NoRecord,
	synth.StoreNoChunk: LostRecord, synth.StoreNoRecord: LostRecord, synth.StoreNextLoop: LostRecord, synth.StoreNoRegion: NoRegion,
	synth.StoreRegionPage: DataOut, synth.StoreOwnPage: DataOut, synth.StoreOut: DataOut, synth.StoreHalfOut: DataOut, synth.StorePageFile: DataOut,
	synth.StoreBadDistance: Damaged, synth.StoreShortOutput: Damaged, synth.StoreLongOutput: Damaged, synth.StoreCut: Damaged,
}

// TestPages reads every page of a store that package synth made: present pages have the right bytes, and each missing
// page has its own reason.
func TestPages(t *testing.T) {
	for _, name := range []string{"Win10x64_17763", "Win10x64_19041.2846", "Win11x64_22000.318", "Win11x64_22621.382", "Win11x64_26100"} {
		t.Run(name, func(t *testing.T) {
			b := build(t, system(t, name), whole)
			g := b.open(t)
			kinds := map[synth.StoreKind]int{}
			dst := make([]byte, pageSize)
			for i := range b.Truth.Store.Pages {
				want := &b.Truth.Store.Pages[i]
				kinds[want.Kind]++
				assumed, err := g.Page(want.Key, dst)
				var lost *LostError
				switch why, missing := whys[want.Kind]; {
				case missing && (!errors.As(err, &lost) || lost.Why != why):
					t.Errorf("%#x (%v): %v, want %q", want.Key, want.Kind, err, why)
				case !missing && (err != nil || !bytes.Equal(dst, want.Content)):
					t.Errorf("%#x (%v): other bytes, %v", want.Key, want.Kind, err)
				case !missing && (assumed == NoData) != (want.Kind == synth.StoreSize0):
					t.Errorf("%#x (%v): assumed is %v", want.Key, want.Kind, assumed)
				}
			}
			if len(kinds) < len(synth.StoreKinds()) {
				t.Errorf("only %d of %d kinds", len(kinds), len(synth.StoreKinds()))
			}
		})
	}
}

// TestLayoutsOfOtherBuilds has a build whose layout is not known: the layout of another build is taken if it is
// proved, and otherwise none.
func TestLayoutsOfOtherBuilds(t *testing.T) {
	b := build(t, system(t, "Win10x64_19041.2846"), whole)
	g, err := Open(b.system, b.globals(), Layouts(22601, 8))
	if err != nil {
		t.Fatal(err)
	}
	if l := g.Layout(); !l.Has(19041) || l.Has(22601) {
		t.Errorf("the layout is that of %d to %d", l.First, l.Last)
	}
	others := Layouts(19041, 8)[1:]
	if g, err := Open(b.system, b.globals(), others); err == nil {
		t.Errorf("the layout of %d to %d is taken: %+v", g.Layout().First, g.Layout().Last, g.Proof())
	}
}

// TestLayoutsAreApart checks that only one layout is known for each build, except where the sources do not agree.
func TestLayoutsAreApart(t *testing.T) {
	for build := range uint32(30000) {
		for _, pointer := range []int{4, 8} {
			if known := len(Layouts(build, pointer)[0]); known > 1 && (build != 14393 || pointer != 4) {
				t.Errorf("build %d, %d bytes: %d layouts", build, pointer, known)
			}
		}
	}
}

// TestKeys checks that an offset that does not fit into a key has none, whether keys hold the number of the page file
// or not.
func TestKeys(t *testing.T) {
	with := x64(19041, 19041, 0, 0, 0)
	without := withLZ4(with)
	for _, c := range []struct {
		l    Layout
		page uint64
		want uint32
		ok   bool
	}{
		{with, 0x29b5, 0x200029b5, true}, {with, 1<<28 - 1, 0x2fffffff, true}, {with, 1 << 28, 0, false}, {with, 0xfffffffe, 0, false},
		{without, 0x29b5, 0x29b5, true}, {without, 1<<28 - 1, 0xfffffff, true}, {without, 1<<28 + 0x29b5, 0, false},
	} {
		if key, ok := c.l.Key(2, c.page); ok != c.ok || ok && key != c.want {
			t.Errorf("page %#x, keys without numbers: %v: %#x, %v; want %#x, %v", c.page, c.l.NoNumber, key, ok, c.want, c.ok)
		}
	}
}

// window is the part of a store's source that has pages.
func window(t testing.TB, b *built, s sparse.Source) sparse.Source {
	t.Helper()
	low, high := int64(1)<<40, int64(0)
	for _, p := range b.Truth.Store.Pages {
		at := int64(p.Key&(1<<28-1)) * pageSize
		low, high = min(low, at), max(high, at+pageSize)
	}
	size := high - low + 3*pageSize // no page is behind the last
	r, err := sparse.NewReader(size, sparse.Extent{Len: size, Src: s, SrcOff: low})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSourceKeepsTheContract(t *testing.T) {
	b := build(t, system(t, "Win10x64_19041.2846"), whole)
	if err := sparsetest.Check(window(t, b, NewSource(b.open(t), 2))); err != nil {
		t.Error(err)
	}
	r, err := sparse.NewReader(9*pageSize, sparse.Extent{Len: 9 * pageSize, Src: Unknown(errors.New("nobody knows")), SrcOff: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if err := sparsetest.Check(r); err != nil {
		t.Error(err)
	}
}

// TestSourceOnABrokenDisk checks that a failed read is an error and not a hole, and that it is forgotten when the
// fault has passed.
func TestSourceOnABrokenDisk(t *testing.T) {
	sys := system(t, "Win10x64_19041.2846")
	failed := 0
	for _, at := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} {
		var disk *sparsetest.Disk
		b := build(t, sys, func(s sparse.Source) sparse.Source {
			bad := int64(float64(s.Size())*at) &^ (pageSize - 1)
			disk = &sparsetest.Disk{ReaderAt: sparse.ZeroFill(s, nil), Bad: []sparse.Run{{Off: bad, Len: s.Size() / 16}}}
			return sparse.Whole(disk, s.Size())
		})
		g := b.open(t)
		src := NewSource(g, 2)
		forget := func() {
			g.nodes.Purge()
			g.stores.Purge()
			src.pages.Purge()
		}
		forget()
		n, err := sparsetest.CheckFaults(window(t, b, src), disk, forget)
		if err != nil {
			t.Errorf("at %.1f: %v", at, err)
		}
		failed += n
	}
	if failed == 0 {
		t.Error("no read failed")
	}
}

// TestUnknown checks the reason that each page of an unknown store has.
func TestUnknown(t *testing.T) {
	_, err := Unknown(errors.New("no layout fits")).Probe(12345)
	if !sparse.IsHole(err) || !strings.Contains(err.Error(), UnknownStore.String()) || !strings.Contains(err.Error(), "no layout fits") {
		t.Error(err)
	}
}

// BenchmarkPages reads 1,000 compressed pages of a store that was just opened: no page is kept yet.
func BenchmarkPages(b *testing.B) {
	const pages = 1000
	sys := system(b, "Win10x64_19041.2846")
	data := make([]byte, pages*pageSize)
	for i := range data {
		data[i] = byte(i>>3) ^ byte(i*i>>11)
	}
	sys.Processes = []synth.Process{{PID: 77, Name: "pages.exe", Image: sys.Processes[0].Image, Regions: []synth.Region{{VA: 0x10000000, Data: data,
		Pages: func(int) synth.State { return synth.Compressed }}}}}
	m := build(b, sys, func(s sparse.Source) sparse.Source { return sparse.NewCache(s, 2048) })
	var keys []uint32
	for _, p := range m.Truth.Store.Pages {
		keys = append(keys, p.Key)
	}
	if len(keys) < pages {
		b.Fatalf("only %d pages", len(keys))
	}
	buf := make([]byte, pageSize)
	b.SetBytes(pages * pageSize)
	for b.Loop() {
		src := NewSource(m.open(b), 2)
		for _, key := range keys[:pages] {
			if _, err := src.ReadAt(buf, int64(key&(1<<28-1))*pageSize); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestEmptyRecord checks that a record of zeros, as in a page that could not be acquired, does not make a page of
// zeros.
func TestEmptyRecord(t *testing.T) {
	var lost *LostError
	if _, _, err := (record{}).data(); !errors.As(err, &lost) || lost.Why != LostRecord {
		t.Error(err)
	}
	if kind, _, err := (record{key: 1}).data(); kind != kindNone || err != nil {
		t.Error(kind, err)
	}
}
