package restore

import (
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestClaimsCostWhatIsThere restores a program with a section of 400 MiB, with only one page present besides the
// header. The number of pages looked at depends on the present pages, and the end is the same as with a look at each
// page.
func TestClaimsCostWhatIsThere(t *testing.T) {
	corpus.Long(t)
	const claim, last, every = 400 << 20, 0x5000000, 2 << 20
	f := smallFile{sectionAlign: 0x1000, fileAlign: 0x200, image: claim + 0x1000, headers: 0x200, size: 0x400,
		sections: []rawSection{{0x1000, claim, 0x200, claim}}}
	file := f.bytes()
	pages := map[uint32][]byte{0: make([]byte, pageSize), last: make([]byte, pageSize)}
	copy(pages[0], file[:0x200])
	for i := range pages[last] {
		pages[last][i] = byte(i) | 1
	}
	for name, gaps := range map[string]bool{"gaps": true, "pages": false} {
		asked := 0
		in := pagesInput(pages, f.image)
		in.PageCount = 0
		in.ByRVA = func(rva uint32) []Page {
			asked++
			if page := pages[rva]; page != nil {
				return []Page{{Kind: Mapped, Src: sparse.Bytes(page), Phys: -1}}
			}
			missing := Page{Kind: Missing, Phys: -1, Label: "not present"}
			if gap := every - int64(rva)%every; gaps && int64(rva)/every != last/every {
				missing.Gap = gap
			}
			return []Page{missing}
		}
		size, err := Size(in)
		if want := int64(last + pageSize - 0x1000 + 0x200); err != nil || size != want {
			t.Errorf("%s: a size of %#x, %v; want %#x", name, size, err, want)
		}
		if most := 2 * (claim/every + every/pageSize + maxNear); gaps && asked > most {
			t.Errorf("%d pages were asked for, want at most %d", asked, most)
		}
		asked = 0
		r := restored(t, in)
		if covers(t, nil, r); r.Reader.Size() != size || len(r.Rows) > 6 {
			t.Errorf("%s: %#x bytes in %d rows", name, r.Reader.Size(), len(r.Rows))
		}
		if most := 4 * (claim/every + every/pageSize + maxNear); gaps && asked > most {
			t.Errorf("to restore, %d pages were asked for, want at most %d", asked, most)
		}
	}
}
