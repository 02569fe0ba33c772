package memimage

import (
	"context"
	"fmt"

	"memlens/memimage/format"
	"memlens/memimage/nt"
)

// A raw file may have only the ranges of memory that Windows uses, one behind the other. Then the memory that firmware
// keeps below 1 MiB is left out, and all memory above is not where the page tables say. The usual places of that hole
// are tried; one is taken only when it alone leads to a kernel with page tables for all its processes.

// lowSearch is how much of physical memory is searched for page directories under each division, in bytes. The page
// directories of the kernel lie far below.
const lowSearch = 256 << 20

// lowKernel is a kernel that is found under a division.
type lowKernel struct {
	*nt.Kernel
	division format.Division
	sound    int // processes that have their page tables
}

// withoutLowHole returns the kernel in a raw file without the hole below 1 MiB; nil when there is no such kernel, or
// more than one division fits.
func (im *Image) withoutLowHole(ctx context.Context, o nt.Options) *nt.Kernel {
	if o.HintsOnly || ctx.Err() != nil {
		return nil
	}
	before := im.faults.Count()
	var works []lowKernel
	divisions := im.Container.LowDivisions()
	for _, d := range divisions {
		if k, ok := im.lowKernel(ctx, o, d); ok {
			works = append(works, k)
		}
	}
	best, ok := im.bestLow(ctx, o, works)
	if !ok || ctx.Err() != nil || im.faults.Since(before) != nil {
		return nil
	}
	im.divide(best.division, best.Kernel, fmt.Sprintf("as the file is, no kernel is found in it; under this division one is, and %d of its processes have their page tables in place, which no other of %d usual ones has", best.sound, len(divisions)))
	return best.Kernel
}

// lowKernel looks for a kernel under a division. All its processes must have their page tables.
func (im *Image) lowKernel(ctx context.Context, o nt.Options, d format.Division) (lowKernel, bool) {
	mem, err := im.Container.DividedMemory(d)
	if err != nil {
		return lowKernel{}, false
	}
	o.Within, o.Progress = lowSearch, nil
	o.Lost = func(nt.Astray) bool { return true }
	k, err := nt.Find(ctx, mem, o)
	if err != nil {
		return lowKernel{}, false
	}
	s := soundness(k)
	return lowKernel{k, d, s.right}, s.right > 0
}

// bestLow returns the division with the most processes that have their page tables. Several divisions may have the same
// number, and place the same bytes above the hole. Then the memory below the hole cannot be placed: it is left out, if
// no process loses its page tables by that.
func (im *Image) bestLow(ctx context.Context, o nt.Options, works []lowKernel) (lowKernel, bool) {
	var best []lowKernel
	for _, w := range works {
		if len(best) > 0 && w.sound > best[0].sound {
			best = nil
		}
		if len(best) == 0 || w.sound == best[0].sound {
			best = append(best, w)
		}
	}
	if len(best) < 2 {
		return append(best, lowKernel{})[0], len(best) == 1
	}
	for _, w := range best {
		if !w.division.SameAbove(best[0].division) {
			return lowKernel{}, false
		}
	}
	d := best[0].division
	d.First.Above = true
	k, ok := im.lowKernel(ctx, o, d)
	return k, ok && k.sound == best[0].sound
}
