package format

import (
	"fmt"
	"slices"
	"strings"
)

const (
	vmwareGroup     = 80
	vmwareMaxGroups = 4096
	vmwareMaxTags   = 1 << 20
)

// Sizes of fields that stand for a block of data: its sizes in the file and in memory follow, and then padding.
const (
	vmwarePacked = 62 // the block is compressed
	vmwarePlain  = 63
)

// machineARM64 is IMAGE_FILE_MACHINE_ARM64.
const machineARM64 = 0xaa64

// vmwareMagics are the first four bytes of .vmss and .vmsn files; the low half byte of the number is the version: in
// version 0 the sizes of blocks have 4 bytes, since then 8.
func vmwareMagics() []uint32 {
	return []uint32{0xbed0bed0, 0xbed2bed0, 0xbad1bad1, 0xbad2bad2, 0xbed2bed2, 0xbed3bed3}
}

// vmwareState holds the facts about the memory in a .vmss or .vmsn file.
type vmwareState struct {
	src     Source
	wide    bool // sizes have 8 bytes
	groups  map[string]int64
	regions map[uint32]*vmwareRegion
	count   uint64      // of regions, as the file says
	memory  []Range     // where the file holds the memory itself: offset and length
	packed  int         // blocks of memory that are compressed
	uneven  [][2]uint64 // sizes of plain blocks, in the file and in memory, that are not the same
	cpus    map[uint32]*vmwareCPU
	arm     bool // the machine has ARM64 processors
	damaged error
}

// vmwareRegion places pages of the memory file at physical pages.
type vmwareRegion struct {
	physical, page, pages uint64
	fields                int // the fields that were given, a bit for each; vmwareWhole when the region is complete
}

// vmwareWhole are the bits of all fields of a region.
const vmwareWhole = 7

// vmwareTag is a field of a group.
type vmwareTag struct {
	name    string
	indices []uint32
	kind    int // the size of the data in the tag in bytes, or a number that stands for a block
	value   uint64
	data    Range  // of blocks
	inMem   uint64 // how large the block is in memory
	next    int64
}

// sortedRegions returns the complete regions.
func (v *vmwareState) sortedRegions() []vmwareRegion {
	var out []vmwareRegion
	for _, i := range sortedKeys(v.regions) {
		if r := v.regions[i]; r.fields == vmwareWhole {
			out = append(out, *r)
		}
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

// readVMwareState reads the groups that describe the memory and the processors.
func readVMwareState(src Source) (*vmwareState, error) {
	head, err := readUpTo(src, 0, 12)
	if err != nil {
		return nil, err
	}
	magic, n := head.u32(0), head.u32(8)
	if !slices.Contains(vmwareMagics(), magic) {
		return nil, fmt.Errorf("format: %s is no VMware state: it begins with %#08x", src.Name(), magic)
	}
	v := &vmwareState{src: src, wide: magic&0xf != 0, groups: map[string]int64{}, regions: map[uint32]*vmwareRegion{}, cpus: map[uint32]*vmwareCPU{}}
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
	for _, group := range []string{"memory", "cpu", "Checkpoint"} {
		if at, ok := v.groups[group]; ok {
			v.readTags(at, group)
		}
	}
	if v.damaged != nil && len(v.sortedRegions()) == 0 && len(v.memory) == 0 && v.packed == 0 {
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

// tag reads the tag at that offset: flags, name length, name, up to three indices of 4 bytes, and the data. The low
// bits of flags are the size of the data, or say that they are a block.
func (v *vmwareState) tag(at int64) (vmwareTag, error) {
	f, err := readUpTo(v.src, at, 2+255+3*4+18)
	if err != nil {
		return vmwareTag{}, err
	}
	if len(f) < 2 {
		return vmwareTag{}, ends("the file is truncated, and ends at %#x", at)
	}
	flags, pos := f[0], 2+int(f[1])
	t := vmwareTag{name: string(f.at(2, int(f[1]))), kind: int(flags & 0x3f)}
	if flags == 0 && t.name == "" {
		return t, nil
	}
	for range flags >> 6 {
		t.indices = append(t.indices, f.u32(pos))
		pos += 4
	}
	if t.kind >= vmwarePacked {
		return t, v.block(&t, f, at, pos)
	}
	if f.at(pos, t.kind) == nil {
		return t, endsInField(at)
	}
	t.value = word(f, pos, max(min(t.kind, 8)&^3, 4))
	if t.kind < 4 {
		t.value &= 1<<(8*t.kind) - 1
	}
	t.next = at + int64(pos+t.kind)
	return t, nil
}

func endsInField(at int64) error {
	return ends("the file is truncated, and ends within a field at %#x", at)
}

// block reads the numbers before the data of a block: the sizes of the data in the file and in memory, and how many
// bytes of padding come before the data.
func (v *vmwareState) block(t *vmwareTag, f fields, at int64, pos int) error {
	width := 4
	if v.wide {
		width = 8
	}
	if f.at(pos, 2*width+2) == nil {
		return endsInField(at)
	}
	t.data = Range{Off: uint64(at) + uint64(pos+2*width+2) + uint64(f.u16(pos+2*width)), Len: word(f, pos, width)}
	t.inMem = word(f, pos+width, width)
	if t.data.Len > maxPhysical {
		return fmt.Errorf("the field %q at %#x has a size of %#x", t.name, at, t.data.Len)
	}
	t.next = int64(t.data.Off + t.data.Len)
	return nil
}

// take remembers the content of a tag.
func (v *vmwareState) take(group string, t vmwareTag) {
	switch group {
	case "cpu":
		v.takeCPU(t)
	case "memory":
		v.takeMemory(t)
	case "Checkpoint":
		const arm64 = 3
		v.arm = v.arm || t.name == "Platform" && t.value == arm64
	}
}

// takeMemory takes a tag of the group of the memory.
func (v *vmwareState) takeMemory(t vmwareTag) {
	switch t.name {
	case "regionsCount":
		v.count = t.value
	case "Memory":
		v.takeBlock(t)
	case "regionPPN", "regionPageNum", "regionSize":
		if len(t.indices) == 1 {
			v.region(t.indices[0]).set(t)
		}
	}
}

// takeBlock remembers where memory lies in the file.
func (v *vmwareState) takeBlock(t vmwareTag) {
	switch {
	case t.kind == vmwarePacked:
		v.packed++
	case t.kind == vmwarePlain && t.data.Len > 0:
		v.memory = append(v.memory, t.data)
		if t.inMem != t.data.Len {
			v.uneven = append(v.uneven, [2]uint64{t.data.Len, t.inMem})
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
	switch t.name {
	case "regionPPN":
		r.physical, r.fields = t.value, r.fields|1
	case "regionPageNum":
		r.page, r.fields = t.value, r.fields|2
	case "regionSize":
		r.pages, r.fields = t.value, r.fields|4
	}
}
