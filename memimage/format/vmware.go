package format

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const (
	vmwareGroup     = 80
	vmwareMaxGroups = 4096
	vmwareMaxTags   = 1 << 20
	// vmwareLow is where the hole below 4 GiB begins in VMware's machines.
	vmwareLow = 3 << 30
)

// vmwareMagics are the first four bytes of .vmss and .vmsn files; the low half byte of the number is the version.
func vmwareMagics() []uint32 { return []uint32{0xbed2bed0, 0xbad1bad1, 0xbed2bed2, 0xbed3bed3} }

// vmwareState is what a .vmss or .vmsn file says of the memory.
type vmwareState struct {
	src     Source
	wide    bool // sizes have 8 bytes
	groups  map[string]int64
	regions map[uint32]*vmwareRegion
	count   uint64  // of regions, as the file says
	memory  []Range // where the file holds the memory itself: offset and length
	cpus    map[uint32]*CPU
	damaged error
}

// vmwareRegion places pages of the memory file at physical pages.
type vmwareRegion struct {
	physical, page, pages uint64
	fields                int // that were given; three when it is whole
}

// vmwareTag is a field of a group.
type vmwareTag struct {
	name    string
	indices []uint32
	value   uint64
	data    Range // of long fields
	next    int64
}

// openVMware opens the suspended states and snapshots of VMware: a .vmem with its .vmss or .vmsn, or one of these that
// holds the memory itself.
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
		return state.image(in, in.Source, Range{Len: uint64(in.Size())}, "VMware .vmem with "+ext)
	}
	return openVmemAlone(in)
}

// openVmemAlone assumes the division that VMware makes of memory.
func openVmemAlone(in *input) (*Image, error) {
	l := newLayout(in.Source, in.Size())
	size := uint64(in.Size())
	l.add(0, min(size, vmwareLow), 0)
	if size > vmwareLow {
		l.add(4<<30, size-vmwareLow, vmwareLow)
		in.note("There is no .vmss or .vmsn file beside %s that tells where its parts lie in physical memory. It is assumed, as VMware does it, that what lies above %#x begins at 4 GiB. With the file beside it this would be known.", in.Name(), uint64(vmwareLow))
	} else {
		in.note("There is no .vmss or .vmsn file beside %s; up to 3 GiB offset and physical address are the same, and nothing is lost but the state of the processors.", in.Name())
	}
	mem, err := l.reader(in)
	if err != nil {
		return nil, err
	}
	return &Image{Format: "VMware .vmem alone", Memory: mem}, nil
}

// openVMwareState opens a .vmss or .vmsn with the memory in it, or beside it in a .vmem.
func openVMwareState(in *input) (*Image, error) {
	state, err := readVMwareState(in.Source)
	if err != nil {
		return nil, err
	}
	ext := strings.ToLower(filepath.Ext(in.Name()))
	if len(state.memory) == 1 {
		return state.image(in, in.Source, state.memory[0], "VMware "+ext+" with the memory in it")
	}
	vmem, err := in.sibling(".vmem")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotMemoryError{Name: in.Name(), What: "a VMware state without the memory in it",
			Do: "the memory is in the .vmem file of the same name: put it beside this file"}
	}
	if err != nil {
		return nil, err
	}
	return state.image(in, vmem, Range{Len: uint64(vmem.Size())}, "VMware .vmem with "+ext)
}

// image places the memory, which is a part of src, by the regions of the state.
func (v *vmwareState) image(in *input, src Source, part Range, format string) (*Image, error) {
	l := newLayout(src, min(src.Size(), int64(part.Off+part.Len)))
	l.by = "the VMware state promises"
	if src != in.Source {
		l.what = "the memory file " + src.Name()
	}
	if v.damaged != nil {
		in.note("The VMware state in %s is damaged: %s.", v.src.Name(), reason(v.damaged))
	}
	if ended(v.damaged) {
		in.cut(Truncation{What: "the VMware state in " + v.src.Name(), Have: uint64(v.src.Size()), Where: "within its fields"})
	}
	regions := v.sortedRegions()
	if uint64(len(regions)) != v.count {
		in.note("The VMware state says %d regions of memory and has %d: the others are missing.", v.count, len(regions))
	}
	if v.count == 0 {
		l.add(0, part.Len, part.Off)
	}
	for _, r := range regions {
		if r.physical > maxPhysical/pageSize || r.pages > maxPhysical/pageSize || r.page > maxPhysical/pageSize {
			in.note("A region of the VMware state (%#x pages at page %#x) is damaged and left out.", r.pages, r.physical)
			continue
		}
		l.add(r.physical*pageSize, r.pages*pageSize, part.Off+r.page*pageSize)
	}
	mem, err := l.reader(in)
	if err != nil {
		return nil, err
	}
	return &Image{Format: format, Memory: mem, Hints: Hints{CPUs: v.sortedCPUs()}}, nil
}

// sortedRegions returns the regions that are whole.
func (v *vmwareState) sortedRegions() []vmwareRegion {
	var out []vmwareRegion
	for _, i := range sortedKeys(v.regions) {
		if r := v.regions[i]; r.fields == 3 {
			out = append(out, *r)
		}
	}
	return out
}

func (v *vmwareState) sortedCPUs() []CPU {
	var out []CPU
	for _, i := range sortedKeys(v.cpus) {
		out = append(out, *v.cpus[i])
	}
	return out
}

func sortedKeys[V any](m map[uint32]V) []uint32 {
	keys := make([]uint32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// readVMwareState reads the groups "memory" and "cpu".
func readVMwareState(src Source) (*vmwareState, error) {
	head, err := readUpTo(src, 0, 12)
	if err != nil {
		return nil, err
	}
	magic, n := head.u32(0), head.u32(8)
	if !slices.Contains(vmwareMagics(), magic) {
		return nil, fmt.Errorf("format: %s is no VMware state: it begins with %#08x", src.Name(), magic)
	}
	v := &vmwareState{src: src, wide: magic&0xf != 0, groups: map[string]int64{}, regions: map[uint32]*vmwareRegion{}, cpus: map[uint32]*CPU{}}
	err = eachRecord(src, 12, 12+int64(min(n, vmwareMaxGroups))*vmwareGroup, vmwareGroup, func(f fields) bool {
		name, _, _ := strings.Cut(string(f[:64]), "\x00")
		if at := f.u64(64); at > 0 && at < uint64(src.Size()) {
			v.groups[name] = int64(at)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if _, ok := v.groups["memory"]; !ok {
		return nil, fmt.Errorf("format: %s is a VMware state without the group \"memory\": it is truncated or damaged", src.Name())
	}
	for _, group := range []string{"memory", "cpu"} {
		if at, ok := v.groups[group]; ok {
			v.readTags(at, group)
		}
	}
	if v.damaged != nil && len(v.sortedRegions()) == 0 {
		return nil, fmt.Errorf("format: the VMware state in %s cannot be read: %w", src.Name(), v.damaged)
	}
	return v, nil
}

// readTags takes the tags of a group.
func (v *vmwareState) readTags(at int64, group string) {
	for range vmwareMaxTags {
		t, err := v.tag(at)
		if err != nil {
			if group == "memory" {
				v.damaged = err
			}
			return
		}
		if t.name == "" {
			return
		}
		v.take(group, t)
		at = t.next
	}
}

// tag reads the tag at that offset: flags, name length, name, up to three indices of 4 bytes, and the data, whose
// size is in the low bits of flags; 62 and 63 are for long data behind its sizes on disk and in memory and a padding.
func (v *vmwareState) tag(at int64) (vmwareTag, error) {
	f, err := readUpTo(v.src, at, 2+255+3*4+18)
	if err != nil {
		return vmwareTag{}, err
	}
	if len(f) < 2 {
		return vmwareTag{}, ends("the file is truncated, and ends at %#x", at)
	}
	flags, pos := f[0], 2+int(f[1])
	t := vmwareTag{name: string(f.at(2, int(f[1])))}
	if flags == 0 && t.name == "" {
		return t, nil
	}
	for range flags >> 6 {
		t.indices = append(t.indices, f.u32(pos))
		pos += 4
	}
	size := int(flags & 0x3f)
	if size < 62 && f.at(pos, size) == nil || size >= 62 && f.at(pos, 18) == nil {
		return t, ends("the file is truncated, and ends within a field at %#x", at)
	}
	if size < 62 {
		t.value = word(f, pos, max(min(size, 8)&^3, 4))
		if size < 4 {
			t.value &= 1<<(8*size) - 1
		}
		t.next = at + int64(pos+size)
		return t, nil
	}
	width := 4
	if v.wide {
		width = 8
	}
	t.data = Range{Off: uint64(at) + uint64(pos+2*width+2) + uint64(f.u16(pos+2*width)), Len: word(f, pos, width)}
	if t.data.Len > maxPhysical {
		return t, fmt.Errorf("the field %q at %#x has a size of %#x", t.name, at, t.data.Len)
	}
	t.next = int64(t.data.Off + t.data.Len)
	if size == 63 && t.name == "Memory" {
		return t, fmt.Errorf("the memory is compressed, which is not supported")
	}
	return t, nil
}

// take remembers what a tag says.
func (v *vmwareState) take(group string, t vmwareTag) {
	if group == "cpu" {
		v.takeCPU(t)
		return
	}
	switch t.name {
	case "regionsCount":
		v.count = t.value
	case "Memory":
		if t.data.Len > 0 {
			v.memory = append(v.memory, t.data)
		}
	case "regionPPN", "regionPageNum", "regionSize":
		if len(t.indices) == 1 {
			v.region(t.indices[0]).set(t)
		}
	}
}

func (v *vmwareState) region(i uint32) *vmwareRegion {
	r := v.regions[i]
	if r == nil {
		r = &vmwareRegion{}
		v.regions[i] = r
	}
	return r
}

func (r *vmwareRegion) set(t vmwareTag) {
	r.fields++
	switch t.name {
	case "regionPPN":
		r.physical = t.value
	case "regionPageNum":
		r.page = t.value
	case "regionSize":
		r.pages = t.value
	}
}

// takeCPU takes the control registers, which have the processor and their number for indices.
func (v *vmwareState) takeCPU(t vmwareTag) {
	if t.name != "CR" && t.name != "CR64" || len(t.indices) != 2 || t.indices[0] >= maxProcessors {
		return
	}
	c := v.cpus[t.indices[0]]
	if c == nil {
		c = &CPU{}
		v.cpus[t.indices[0]] = c
	}
	if into := map[uint32]*uint64{0: &c.CR0, 2: &c.CR2, 3: &c.CR3, 4: &c.CR4}[t.indices[1]]; into != nil && (t.value != 0 || t.name == "CR64") {
		*into = t.value
	}
}
