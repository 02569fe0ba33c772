package format

import (
	"fmt"
	"slices"

	"memlens/memimage/sparse"
)

// Division says where the hole below 4 GiB begins that the memory of a machine has for its devices. Files that leave
// the hole out have behind that offset what lies from 4 GiB on.
type Division struct {
	Low uint64 // bytes of memory below the hole
	Who string // whose machines are divided so
}

// Divisions returns the usual ones that a raw file may be of: none when the image is no raw file, or not larger than
// the memory below the hole.
func (im *Image) Divisions() []Division {
	if im.raw == nil {
		return nil
	}
	var out []Division
	for _, d := range []Division{
		{vmwareLow, "VMware and QEMU (pc)"},
		{0xe0000000, "VirtualBox and older QEMU (pc)"},
		{0x80000000, "QEMU (q35)"},
		{0xb0000000, "QEMU (some of q35)"},
		{0xf0000000, "Xen"},
		{0xf8000000, "Hyper-V"},
	} {
		if im.raw.Size() > int64(d.Low) {
			out = append(out, d)
		}
	}
	return out
}

// Ranges returns where the parts of a file of size bytes lie, as [ParseMemmap] does.
func (d Division) Ranges(size uint64) []Range {
	low := min(size, d.Low)
	ranges := []Range{{Addr: 0, Len: low, Off: 0}}
	if size > low {
		ranges = append(ranges, Range{Addr: 4 << 30, Len: size - low, Off: low})
	}
	return ranges
}

// Memmap returns the lines of a memory map that say the same.
func (d Division) Memmap(size uint64) []string {
	var out []string
	for _, r := range d.Ranges(size) {
		out = append(out, fmt.Sprintf("%#x %#x %#x", r.Addr, r.Addr+r.Len-1, r.Off))
	}
	return out
}

// Divided returns the same image with its memory divided so, as [Image.DividedMemory] returned it. It takes the place of
// im, which must not be used then. evidence is what speaks for the division, a clause for the notes.
func (im *Image) Divided(d Division, mem *sparse.Reader, evidence string) *Image {
	out := *im
	out.Memory = mem
	out.Format += ", divided at 4 GiB"
	out.Notes = slices.DeleteFunc(slices.Clone(im.Notes), func(s string) bool { return s == rawNote })
	out.Notes = append(out.Notes, fmt.Sprintf("The file has no header of a known container and is taken for raw. It is assumed, as in machines of %s, that what lies above offset %#x of it begins at physical address 4 GiB: %s. If it is otherwise, say so with --memmap, of the raw file itself.", d.Who, d.Low, evidence))
	return &out
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
