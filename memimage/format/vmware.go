package format

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// vmwareLow is where the hole below 4 GiB begins in VMware's machines.
const vmwareLow = 3 << 30

// openVMware opens the suspended states and snapshots of VMware: a .vmem with its .vmss or .vmsn, or a .vmss or .vmsn
// that holds the memory itself.
func openVMware(in *input) (*Image, error) {
	head, err := in.head(12)
	if err != nil {
		return nil, err
	}
	switch {
	case slices.Contains(vmwareMagics(), head.u32(0)) && len(head) == 12:
		return openVMwareState(in)
	case strings.EqualFold(filepath.Ext(in.Name()), ".vmem"):
		return openVmem(in)
	}
	return nil, ErrFormat
}

// openVmem opens a memory file with the state beside it, or without.
func openVmem(in *input) (*Image, error) {
	for _, ext := range []string{".vmss", ".vmsn"} {
		src, err := in.sibling(ext)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		state, err := readVMwareState(src)
		if err != nil {
			in.note("%s cannot be used: %v.", src.Name(), err)
			continue
		}
		if len(state.memory) > 0 || state.packed > 0 {
			in.note("%s has memory in it, too: it may be the state of another time than %s, whose memory is served. To see that of the state, open %s.", src.Name(), in.Name(), src.Name())
		}
		return state.image(in, in.Source, Range{Len: uint64(in.Size())}, "VMware .vmem with "+ext)
	}
	return openVmemAlone(in)
}

// openVmemAlone assumes the division that VMware makes of memory.
func openVmemAlone(in *input) (*Image, error) {
	l := in.newLayout()
	placeVMwareUndivided(l, Range{Len: uint64(in.Size())})
	if in.Size() > vmwareLow {
		in.note("There is no .vmss or .vmsn file beside %s that tells where its parts lie in physical memory. It is assumed, as VMware does it, that the memory above %#x begins at 4 GiB. With the file beside it this would be known.", in.Name(), uint64(vmwareLow))
	} else {
		in.note("There is no .vmss or .vmsn file beside %s; up to 3 GiB offset and physical address are the same, and nothing is lost but the state of the processors.", in.Name())
	}
	mem, err := l.reader(in)
	if err != nil {
		return nil, err
	}
	return &Image{Format: "VMware .vmem alone", Memory: mem}, nil
}

// placeVMwareUndivided lays out memory whose regions are not known: the part that does not fit below the hole follows
// behind it.
func placeVMwareUndivided(l *layout, part Range) {
	l.add(0, min(part.Len, vmwareLow), part.Off)
	if part.Len > vmwareLow {
		l.add(4<<30, part.Len-vmwareLow, part.Off+vmwareLow)
	}
}

// openVMwareState opens a .vmss or .vmsn with the memory in it, or beside it in a .vmem.
func openVMwareState(in *input) (*Image, error) {
	state, err := readVMwareState(in.Source)
	if err != nil {
		return nil, err
	}
	ext := strings.ToLower(filepath.Ext(in.Name()))
	switch {
	case state.packed > 0:
		return nil, &NotMemoryError{Name: in.Name(), What: "a VMware state whose memory is compressed, in a form that is not public",
			Do: "restore the machine from it in VMware and take a new snapshot with its memory in a .vmem file (in the machine's .vmx: mainMem.useNamedFile = \"TRUE\")"}
	case len(state.memory) > 1:
		return nil, &NotMemoryError{Name: in.Name(), What: "a VMware state with its memory in " + count(len(state.memory), "block", "blocks"),
			Do: "how they follow each other is not known: convert it with VMware's vmss2core"}
	case len(state.memory) == 1:
		return state.image(in, in.Source, state.memory[0], "VMware "+ext+" with the memory in it")
	}
	vmem, err := in.sibling(".vmem")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, state.withoutMemory(in)
	}
	if err != nil {
		return nil, err
	}
	return state.image(in, vmem, Range{Len: uint64(vmem.Size())}, "VMware .vmem with "+ext)
}

// withoutMemory is the error for a state that has no memory, in it or beside it.
func (v *vmwareState) withoutMemory(in *input) error {
	if ended(v.damaged) {
		return ends("format: %s is a VMware state that is truncated before the memory, if it has any in it; and there is no .vmem file of the same name beside it", in.Name())
	}
	return &NotMemoryError{Name: in.Name(), What: "a VMware state without the memory in it",
		Do: "the memory is in the .vmem file of the same name: put it beside this file"}
}

// image places the memory, which is a part of src, by the regions of the state.
func (v *vmwareState) image(in *input, src Source, part Range, format string) (*Image, error) {
	l := newLayout(src, min(src.Size(), int64(part.Off+part.Len)))
	l.by = "the VMware state promises"
	if src != in.Source {
		l.what = "the memory file " + src.Name()
	}
	v.tellDamage(in)
	if v.count == 0 && len(v.regions) == 0 {
		v.placeUndivided(in, l, part)
	} else {
		v.placeRegions(in, l, part)
	}
	mem, err := l.reader(in)
	if err != nil {
		return nil, err
	}
	h := Hints{CPUs: v.sortedCPUs()}
	if v.arm {
		h.Machine = machineARM64
	}
	return &Image{Format: format, Memory: mem, Hints: h}, nil
}

// tellDamage notes the damage of the state.
func (v *vmwareState) tellDamage(in *input) {
	if v.damaged != nil {
		in.note("The VMware state in %s is damaged: %s.", v.src.Name(), sentence(v.damaged))
	}
	if ended(v.damaged) {
		in.cut(Truncation{What: "the VMware state in " + v.src.Name(), Have: uint64(v.src.Size()), Where: "within its fields"})
	}
	for _, m := range v.uneven {
		in.doubt("The VMware state says that a block of %#x bytes has %#x bytes of memory, though it is not compressed: one number is damaged.", m[0], m[1])
	}
}

// placeUndivided lays out memory for which the state names no regions. States do so for machines without a hole.
func (v *vmwareState) placeUndivided(in *input, l *layout, part Range) {
	placeVMwareUndivided(l, part)
	if part.Len > vmwareLow {
		in.note("The VMware state names no regions, though the memory is larger than 3 GiB. It is assumed, as VMware does it, that the memory above %#x begins at 4 GiB.", uint64(vmwareLow))
	}
}

// placeRegions lays the regions out, and notes regions without memory and memory without a region.
func (v *vmwareState) placeRegions(in *input, l *layout, part Range) {
	regions := v.sortedRegions()
	if uint64(len(regions)) != v.count {
		in.note("The VMware state says %d regions of memory and has %d: %s.", v.count, len(regions), map[bool]string{true: "the others are missing", false: "all of these are used"}[v.count > uint64(len(regions))])
	}
	var placed []Range
	for _, r := range regions {
		if r.physical > maxPhysical/pageSize || r.pages > maxPhysical/pageSize || r.page > maxPhysical/pageSize {
			in.note("A region of the VMware state (%#x pages at page %#x) is damaged and left out.", r.pages, r.physical)
			continue
		}
		at := Range{Off: r.page * pageSize, Len: r.pages * pageSize}
		if at.Off < part.Len {
			placed = append(placed, Range{Off: at.Off, Len: min(at.Len, part.Len-at.Off)})
		}
		if v.inside(part) && at.Off+at.Len > part.Len { // the bytes behind the block in the file are no memory
			l.missBehind(r.physical*pageSize, at, part)
			continue
		}
		l.add(r.physical*pageSize, at.Len, part.Off+at.Off)
	}
	if left := part.Len - covered(placed); left > 0 {
		in.note("%s of the memory file lie in none of the regions that the VMware state names, and are left out.", sizeText(left))
	}
}

// inside reports whether the memory is a block of the state.
func (v *vmwareState) inside(part Range) bool { return slices.Contains(v.memory, part) }

// missBehind places the part of a region that lies in its block, and counts the rest as missing.
func (l *layout) missBehind(addr uint64, at, part Range) {
	have := part.Len - min(at.Off, part.Len)
	l.add(addr, have, part.Off+at.Off)
	l.miss(addr+have, at.Len-have)
}

// covered returns how many bytes lie in at least one range, by their offsets.
func covered(ranges []Range) uint64 {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
	var n, end uint64
	for _, r := range ranges {
		from := max(r.Off, end)
		end = max(end, r.Off+r.Len)
		n += end - min(from, end)
	}
	return n
}
