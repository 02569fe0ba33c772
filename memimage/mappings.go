package memimage

// Bounds of the index of mapped images.
const (
	maxIndexed     = 1 << 20 // descriptors that are looked at
	maxIndexedEach = 1 << 14 // of one process
	maxMappings    = 1 << 17 // images of processes that are kept
)

// indexMappings returns the listed processes that have a section mapped as an image at an address, by section and
// address, in the order of the list. It takes one walk over the descriptors of each process. Images behind the bounds
// are missing, and so are images that only one family maps.
func (im *Image) indexMappings() map[mapping][]sharer {
	x := mappingIndex{of: map[mapping][]sharer{}}
	processes, _ := im.Processes()
	families := im.families()
	for _, p := range processes {
		if f, known := families[p]; known && p.CheckSpace() == nil {
			x.add(sharer{p, f})
		}
	}
	for m, all := range x.of {
		if several(all) == nil {
			delete(x.of, m)
		}
	}
	return x.of
}

// mappingIndex is an index being made.
type mappingIndex struct {
	of             map[mapping][]sharer
	looked, mapped int
}

// add adds the images that a process has mapped.
func (x *mappingIndex) add(s sharer) {
	each := 0
	for v, err := range s.VADs() {
		if x.looked, each = x.looked+1, each+1; x.looked > maxIndexed || each > maxIndexedEach || x.mapped == maxMappings {
			return
		}
		if err != nil || !v.Image {
			continue
		}
		area, ok := s.MappedArea(v)
		if m := (mapping{area, v.Start}); ok && len(x.of[m]) < maxSharers {
			x.of[m] = append(x.of[m], s)
			x.mapped++
		}
	}
}
