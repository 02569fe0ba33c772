package format

import (
	"slices"
	"strings"
	"testing"
)

func TestDivisions(t *testing.T) {
	const size = 5<<29 + 1<<20 // 2.5 GiB and something
	im, err := Open(&hugeSource{name: "a.raw", size: size}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	divisions := im.Divisions()
	if len(divisions) != 1 || divisions[0].Low != 0x80000000 {
		t.Fatalf("divisions %+v", divisions)
	}
	mem, err := im.DividedMemory(divisions[0])
	if err != nil {
		t.Fatal(err)
	}
	e := mem.Extents()
	if mem.Size() != 4<<30+size-2<<30 || len(e) != 2 || e[0].Len != 2<<30 || e[1].Off != 4<<30 || e[1].SrcOff != 2<<30 || e[1].Len != size-2<<30 {
		t.Errorf("memory of %#x bytes: %+v", mem.Size(), e)
	}
	if _, err := mem.ReadAt(make([]byte, 1), 3<<30); err == nil {
		t.Error("the hole can be read")
	}
	divided := im.Divided(divisions[0], mem, "it is a test")
	if !noteWith(divided, "above offset 0x80000000 begin at physical address 4 GiB: it is a test") || noteWith(divided, "without gaps") || noteWith(im, "It is assumed") {
		t.Errorf("notes %q", divided.Notes)
	}
}

// TestMemmapOfADivision reads the lines that are named in messages.
func TestMemmapOfADivision(t *testing.T) {
	for _, size := range []uint64{1 << 30, 3 << 30, 3<<30 + 4096, 4 << 30} {
		d := Division{Low: 3 << 30}
		got, err := ParseMemmap(strings.NewReader(strings.Join(d.Memmap(size), "\n")))
		if err != nil || !slices.Equal(got, d.Ranges(size)) {
			t.Errorf("%#x bytes: %+v, %v, want %+v", size, got, err, d.Ranges(size))
		}
	}
}

// TestOnlyRawFilesAreDivided has containers that say where memory lies.
func TestOnlyRawFilesAreDivided(t *testing.T) {
	for name, head := range hugeHeads(hugeSize) {
		im, _ := openHuge(t, name, head)
		if got := len(im.Divisions()); (got > 0) != (name == "raw") {
			t.Errorf("%s: %d divisions", name, got)
		}
		if _, err := im.DividedMemory(Division{Low: 1 << 30}); (err == nil) != (name == "raw") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestLowDivisions has the parts of a file that leaves out the range of the firmware below 1 MiB.
func TestLowDivisions(t *testing.T) {
	for _, c := range []struct {
		d    Division
		want []Range
	}{
		{Division{First: LowHole{Low: 0xa0000}}, []Range{{0, 0xa0000, 0}, {0x100000, 5<<30 - 0xa0000, 0xa0000}}},
		{Division{First: LowHole{Start: 0x1000, Low: 0x9f000}, Low: 3 << 30},
			[]Range{{0x1000, 0x9e000, 0}, {0x100000, 3<<30 - 0x100000, 0x9e000}, {4 << 30, 2<<30 + 0x62000, 3<<30 - 0x62000}}},
		{Division{First: LowHole{Start: 0x1000, Low: 0xa0000, Above: true}}, []Range{{0x100000, 5<<30 - 0x9f000, 0x9f000}}},
	} {
		if got := c.d.Ranges(5 << 30); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %+v, want %+v", c.d, got, c.want)
		}
	}
	small, large := &Image{raw: &hugeSource{size: 64 << 20}}, &Image{raw: &hugeSource{size: 9 << 30}}
	if a, b := len(small.LowDivisions()), len(large.LowDivisions()); a != 4 || b != 4+4*len(large.Divisions()) {
		t.Errorf("%d and %d divisions", a, b)
	}
	for _, im := range []*Image{{}, {raw: &hugeSource{size: 1 << 20}}} {
		if len(im.LowDivisions()) > 0 {
			t.Error("a file without memory above 1 MiB is divided there")
		}
	}
}
