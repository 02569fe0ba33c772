package fs_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"memlens/fs"
	"memlens/memimage"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// FuzzTree damages a small Windows in the places that the input chooses, and reads the resulting tree twice: [survey]
// and [sameTree] say what must be true of it. Pictures are opened and not drawn: they have targets of their own.
//
// The input is a list of changes of changeBytes bytes each: an operation, a structure by its number among all
// structures of the subject, an offset in it, and eight bytes to do it with. So the fuzzer changes bytes of structures,
// and most changes have an effect.
func FuzzTree(f *testing.F) {
	corpus.Long(f)
	names := []string{"WinXPSP2x86", "Win10x64_19041"}
	subjects := []*subject{buildSubject(f, names[0]), buildSubject(f, names[1])}
	few := profile.Builtin().Without(func(p *profile.Profile) bool { return !slices.Contains(names, p.Name()) }) // a search among all takes longer
	var places [][]place
	for _, s := range subjects {
		var all []place
		for _, kind := range s.kinds {
			all = append(all, s.byKind[kind]...)
		}
		places = append(places, all)
	}
	for which := range subjects {
		for i := 0; i < len(places[which]); i += len(places[which])/4 + 1 {
			f.Add(byte(which), encodeChange(0, i, i*8, uint64(i)<<12|0x67))
			f.Add(byte(which), append(encodeChange(3, i, 0, uint64(i+1)), encodeChange(5, i, 16, 1)...))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, changes []byte) {
		i := int(which) % len(subjects)
		m := newMutant(subjects[i].mem)
		for n := 0; len(changes) >= changeBytes && n < 16; n++ {
			change(m, places[i], subjects[i].pointer, changes[:changeBytes])
			changes = changes[changeBytes:]
		}
		fuzzTree(t, m, memimage.Options{AllPages: which&0x80 != 0, Profiles: few})
	})
}

// changeBytes is how many bytes of the input make a change.
const changeBytes = 1 + 2 + 2 + 8

func encodeChange(what byte, where, off int, with uint64) []byte {
	out := binary.LittleEndian.AppendUint16([]byte{what}, uint16(where))
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(out, uint16(off)), with)
}

// change makes one change of the input to a memory.
func change(m *mutant, places []place, pointer int, c []byte) {
	p := places[int(binary.LittleEndian.Uint16(c[1:]))%len(places)]
	off := p.off + int64(binary.LittleEndian.Uint16(c[3:]))%p.size
	with := binary.LittleEndian.Uint64(c[5:])
	other := places[with%uint64(len(places))]
	switch c[0] % 8 {
	case 0:
		m.setWord(off&^int64(pointer-1), pointer, with)
	case 1:
		m.setWord(off&^3, 4, with)
	case 2:
		m.setWord(off, 1, with)
	case 3: // the pointer that another structure has there
		m.setWord(off&^int64(pointer-1), pointer, m.word(other.off+(off-p.off)%other.size&^7, pointer))
	case 4:
		m.setWord(off&^3, 4, m.word(off&^3, 4)+with)
	case 5:
		exchange(m.page(p.off), m.page(other.off))
	case 6:
		clear(m.page(p.off))
	case 7:
		copy(m.page(p.off), m.page(other.off))
	}
}

// fuzzTree reads the tree of a memory twice, or as far as there is one.
func fuzzTree(t *testing.T, m *mutant, o memimage.Options) {
	mem, err := sparse.NewReader(m.Size(), sparse.Extent{Len: m.Size(), Src: m})
	if err != nil {
		t.Fatal(err)
	}
	im, err := memimage.OpenMemory(t.Context(), "mutant.raw", mem, o)
	if err != nil {
		return
	}
	const most, budget = 128 << 10, 4 << 20
	a := (&survey{t: t, fsys: fs.New(im, fs.Options{}), block: 1 << 20, most: most, budget: budget, openOnly: drawn}).run()
	b := (&survey{t: t, fsys: fs.New(im, fs.Options{}), block: 4 << 10, most: most, budget: budget, openOnly: drawn, backward: true}).run()
	sameTree(t, a, b)
}
