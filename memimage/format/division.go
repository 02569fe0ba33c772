package format

import (
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

// Division says where the parts of a raw file lie in memory. The memory of a machine has a hole below 4 GiB, for its
// devices. Some raw files leave the hole out: behind a certain offset, such a file has the memory from 4 GiB on.
type Division struct {
	Low uint64 // bytes of memory below the hole; 0: there is no hole
	Who string // the maker of the machines that have this hole
	// First is the range below 1 MiB that the file leaves out as well.
	First LowHole
}

// LowHole is the range that firmware keeps for itself below 1 MiB. Files that have only the memory that Windows uses
// leave it out. Its zero value means that no range is left out.
type LowHole struct {
	Start uint64 // physical address of the first byte of the file
	Low   uint64 // where the hole begins; it ends at 1 MiB
	// Above says that the memory below the hole is left out, too, for nothing shows where it lies.
	Above bool
}

// Divisions returns the usual divisions that a raw file may have: none when the image is no raw file, or is not
// larger than the memory below the hole.
func (im *Image) Divisions() []Division {
	if im.raw == nil {
		return nil
	}
	var out []Division
	for _, d := range []Division{
		{Low: vmwareLow, Who: "VMware and QEMU (pc)"},
		{Low: 0xe0000000, Who: "VirtualBox and older QEMU (pc)"},
		{Low: 0x80000000, Who: "QEMU (q35)"},
		{Low: 0xb0000000, Who: "QEMU (some of q35)"},
		{Low: 0xf0000000, Who: "Xen"},
		{Low: 0xf8000000, Who: "Hyper-V"},
	} {
		if im.raw.Size() > int64(d.Low) {
			out = append(out, d)
		}
	}
	return out
}

// LowDivisions returns the divisions of files that have only the memory that Windows uses, one range behind the
// other. The range of the firmware below 1 MiB is left out, and in some of these divisions the first page as well.
// There are none when the image is no raw file.
func (im *Image) LowDivisions() []Division {
	if im.raw == nil || im.raw.Size() <= oneMiB {
		return nil
	}
	var out []Division
	for _, d := range append([]Division{{}}, im.Divisions()...) {
		for _, low := range []uint64{0x9f000, 0xa0000} {
			for _, start := range []uint64{0, pageSize} {
				d.First = LowHole{Start: start, Low: low}
				out = append(out, d)
			}
		}
	}
	return out
}

const oneMiB = 1 << 20

// SameAbove reports whether two divisions place all bytes above 1 MiB alike.
func (d Division) SameAbove(e Division) bool {
	return d.Low == e.Low && d.First.Low-d.First.Start == e.First.Low-e.First.Start
}

// Ranges returns where the parts of a file of size bytes lie, as [ParseMemmap] does.
func (d Division) Ranges(size uint64) []Range {
	var out []Range
	at, off := uint64(0), uint64(0)
	part := func(end, next uint64) {
		n := min(end-at, size-off)
		if n > 0 {
			out = append(out, Range{Addr: at, Len: n, Off: off})
		}
		at, off = next, off+n
	}
	if h := d.First; h.Low > 0 {
		at = h.Start
		part(h.Low, oneMiB)
		if h.Above {
			out = nil
		}
	}
	if d.Low > 0 {
		part(d.Low, 4<<30)
	}
	part(maxPhysical, maxPhysical)
	return out
}

// Memmap returns the division as the lines of a memory map.
func (d Division) Memmap(size uint64) []string {
	var out []string
	for _, r := range d.Ranges(size) {
		out = append(out, fmt.Sprintf("%#x %#x %#x", r.Addr, r.Addr+r.Len-1, r.Off))
	}
	return out
}

// Divided returns the same image with the memory mem, which [Image.DividedMemory] returned for this division. The
// result takes the place of im, which must not be used any more. evidence is a clause for the notes: why this
// division is right.
func (im *Image) Divided(d Division, mem *sparse.Reader, evidence string) *Image {
	out := *im
	out.Memory = mem
	out.Notes = slices.DeleteFunc(slices.Clone(im.Notes), func(s string) bool { return s == rawNote })
	if d.First.Low > 0 {
		out.Format += ", divided at 1 MiB"
		out.Notes = append(out.Notes, d.lowNote(uint64(im.raw.Size()), evidence))
		return &out
	}
	out.Format += ", divided at 4 GiB"
	out.Notes = append(out.Notes, fmt.Sprintf("The file has no header of a known container and is taken for raw. It is assumed, as in machines of %s, that its bytes above offset %#x begin at physical address 4 GiB: %s. If it is otherwise, say so with --memmap, of the raw file itself.", d.Who, d.Low, evidence))
	return &out
}

// lowNote says what is assumed about a file that leaves out memory below 1 MiB.
func (d Division) lowNote(size uint64, evidence string) string {
	s := fmt.Sprintf("The file has no header of a known container and is taken for raw. It is assumed that it has only the ranges of memory that Windows uses, one behind the other (start, end, offset): %s; %s. If it is otherwise, say so with --memmap, of the raw file itself.", strings.Join(d.Memmap(size), ", "), evidence)
	if d.First.Above {
		s += fmt.Sprintf(" The first %#x bytes of the file are left out: nothing tells whether they lie at physical address 0 or at %#x.", d.First.Low-d.First.Start, pageSize)
	}
	return s
}

// DividedMemory returns the memory of a raw file as a division has it.
func (im *Image) DividedMemory(d Division) (*sparse.Reader, error) {
	if im.raw == nil {
		return nil, fmt.Errorf("format: only a raw file can be divided, not %s", im.Format)
	}
	var extents []sparse.Extent
	end := int64(0)
	for _, r := range d.Ranges(uint64(im.raw.Size())) {
		extents = append(extents, sparse.Extent{Off: int64(r.Addr), Len: int64(r.Len), Src: im.raw, SrcOff: int64(r.Off)})
		end = int64(r.Addr + r.Len)
	}
	return sparse.NewReader(end, extents...)
}
