package format_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"

	"memlens/memimage/format"
)

// damagedFile is a container that is being damaged: one of its files at a time.
type damagedFile struct {
	data []byte
	rng  *rand.Rand
}

// fileDamage are ways in which a copy goes wrong, or in which an attacker changes a file. Damage that changes the
// length moves everything behind it to another place.
var fileDamage = []func(f *damagedFile){
	(*damagedFile).wildNumber, (*damagedFile).wildNumber, (*damagedFile).nudge, (*damagedFile).nudge, (*damagedFile).otherNumber,
	(*damagedFile).otherNumber, (*damagedFile).flipBit, (*damagedFile).flipBit, (*damagedFile).scramble, (*damagedFile).zeroBlock,
	(*damagedFile).copyBlock, (*damagedFile).swapBlocks, (*damagedFile).insertBlock, (*damagedFile).dropBlock, (*damagedFile).truncate,
}

// damaged returns a container with one or more damaged places, in any of its files.
func damaged(w format.Written, rng *rand.Rand) format.Written {
	w.Data, w.Siblings = bytes.Clone(w.Data), maps.Clone(w.Siblings)
	names := slices.Sorted(maps.Keys(w.Siblings))
	for range 1 + rng.IntN(3)*rng.IntN(3) {
		damage := fileDamage[rng.IntN(len(fileDamage))]
		name := w.Name
		if len(names) > 0 {
			name = names[rng.IntN(len(names))]
		}
		data, beside := w.Siblings[name]
		if !beside || len(names) > 0 && rng.IntN(2) == 0 {
			name, data = w.Name, w.Data
		}
		f := &damagedFile{bytes.Clone(data), rng}
		if len(f.data) > 16 {
			damage(f)
		}
		if _, beside := w.Siblings[name]; beside {
			w.Siblings[name] = f.data
		}
		if name == w.Name {
			w.Data = f.data
		}
	}
	return w
}

// headBytes is how much of a file's beginning, and of its end, headers and tables mostly lie in.
const headBytes = 0x2100

// somewhere picks a place with n bytes: headers and tables first, for most of a file is memory.
func (f *damagedFile) somewhere(n int) int {
	room := max(len(f.data)-n, 1)
	switch f.rng.IntN(6) {
	case 0, 1:
		return f.rng.IntN(min(room, 0x100))
	case 2:
		return f.rng.IntN(min(room, headBytes))
	case 3:
		return room - 1 - f.rng.IntN(min(room, headBytes))
	}
	return f.rng.IntN(room)
}

// number picks a place that may hold an offset, a size or a count: aligned, not zero, and not larger than the file.
func (f *damagedFile) number() (at, size int) {
	size = []int{2, 4, 4, 8}[f.rng.IntN(4)]
	for range 64 {
		at = f.somewhere(8) &^ (size - 1)
		if v := f.word(at, size); v != 0 && v <= uint64(len(f.data)) {
			break
		}
	}
	return at, min(size, len(f.data)-at)
}

func (f *damagedFile) word(at, size int) uint64 {
	var b [8]byte
	copy(b[:size], f.data[at:])
	return binary.LittleEndian.Uint64(b[:])
}

// set writes a number; now and then with its high byte first, as some formats have them.
func (f *damagedFile) set(at, size int, v uint64) {
	b := binary.LittleEndian.AppendUint64(nil, v)[:size]
	if f.rng.IntN(4) == 0 {
		slices.Reverse(b)
	}
	copy(f.data[at:], b)
}

// wildNumbers overflow, or are at an edge.
var wildNumbers = []uint64{0, 1, 2, 0xff, 0xfff, 0x1000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff, 1 << 32,
	1 << 40, 1 << 46, 1<<52 - 1, 1 << 52, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 4096, 1<<64 - 1}

func (f *damagedFile) wildNumber() {
	at, size := f.number()
	f.set(at, size, wildNumbers[f.rng.IntN(len(wildNumbers))])
}

func (f *damagedFile) nudge() {
	at, size := f.number()
	steps := []uint64{1, 2, 4, 8, 16, 0x200, 0x1000, 0x10000}
	step := steps[f.rng.IntN(len(steps))]
	if f.rng.IntN(2) == 0 {
		step = -step
	}
	f.set(at, size, f.word(at, size)+step)
}

// otherNumber puts one number in another's place: chains lead back, blocks overlap.
func (f *damagedFile) otherNumber() {
	from, size := f.number()
	at, _ := f.number()
	copy(f.data[at:], bytes.Clone(f.data[from:from+size]))
}

func (f *damagedFile) flipBit() { f.data[f.somewhere(1)] ^= 1 << f.rng.IntN(8) }

func (f *damagedFile) scramble() {
	n := 1 + f.rng.IntN(64)
	at := f.somewhere(n)
	for i := at; i < min(at+n, len(f.data)); i++ {
		f.data[i] = byte(f.rng.Uint32())
	}
}

// block picks a block as disks and copying programs have them, or of any other size.
func (f *damagedFile) block() []byte {
	sizes := []int{64, 512, 512, 4096, 4096, 32 << 10, 1 + f.rng.IntN(70000)}
	n := min(sizes[f.rng.IntN(len(sizes))], len(f.data)/2)
	at := f.somewhere(n)
	if f.rng.IntN(3) > 0 {
		at &^= 511
	}
	return f.data[at : at+n : at+n]
}

func (f *damagedFile) zeroBlock() { clear(f.block()) }

func (f *damagedFile) copyBlock() { copy(f.block(), bytes.Clone(f.block())) }

func (f *damagedFile) swapBlocks() {
	a, b := f.block(), f.block()
	kept := bytes.Clone(a)
	copy(a, b)
	copy(b, kept)
}

// insertBlock inserts a copy of a block anywhere.
func (f *damagedFile) insertBlock() {
	f.data = slices.Insert(f.data, f.somewhere(1), bytes.Clone(f.block())...)
}

func (f *damagedFile) dropBlock() {
	n := len(f.block())
	at := f.somewhere(n)
	f.data = slices.Delete(f.data, at, at+n)
}

func (f *damagedFile) truncate() { f.data = f.data[:1+f.somewhere(1)] }
