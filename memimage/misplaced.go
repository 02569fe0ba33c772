package memimage

import (
	"context"
	"fmt"

	"memlens/memimage/format"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
)

// A kernel may be found in a raw file that leaves out the hole below 4 GiB, when all that leads to it lies below. The
// memory above is at the wrong place all the same: pages there would be the pages of others. The page tables of
// processes show it: they map the page that Windows shares with all processes only where they are read at their place.

// sound says for the processes of a kernel, by their _EPROCESS, whether their page tables are theirs.
type sound struct {
	tables map[paging.Virt]bool
	right  int
	whole  bool // the list could be read to its end
}

// soundness looks at all processes of the list.
func soundness(k *nt.Kernel) sound {
	s := sound{tables: map[paging.Virt]bool{}, whole: true}
	for p, err := range k.Processes() {
		if err != nil {
			s.whole = false
			continue
		}
		ok := p.CheckSpace() == nil
		s.tables[p.VA] = ok
		if ok {
			s.right++
		}
	}
	return s
}

// betters reports whether all processes with sound page tables in t have them in s, too, and s has more such processes.
func (s sound) betters(t sound) bool {
	for va, ok := range t.tables {
		if ok && !s.tables[va] {
			return false
		}
	}
	return s.right > t.right
}

// betterDivided returns the kernel under the one division of a raw file that has the page tables of more processes at
// their place than the file as it is; k when there is none, or more than one.
func (im *Image) betterDivided(ctx context.Context, o nt.Options, k *nt.Kernel) (*nt.Kernel, error) {
	divisions := im.Container.Divisions()
	if len(divisions) == 0 {
		return k, nil
	}
	faults := im.faults.Count()
	before := soundness(k)
	if before.whole && before.right == len(before.tables) {
		return k, nil
	}
	var best []*nt.Kernel
	var which format.Division
	after := 0
	for _, d := range divisions {
		c, err := im.kernelUnder(ctx, o, d, []paging.Phys{k.DTB()})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue
		}
		if s := soundness(c); s.betters(before) {
			best, which, after = append(best, c), d, s.right
		}
	}
	if len(best) != 1 || im.faults.Since(faults) != nil {
		return k, nil
	}
	evidence := fmt.Sprintf("%d processes have their page tables in place then, and %d in the file as it is; no other of %d usual divisions has more in place than the file as it is", after, before.right, len(divisions))
	im.divide(which, best[0], evidence)
	return best[0], nil
}
