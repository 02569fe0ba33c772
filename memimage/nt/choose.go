package nt

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// inferences tries to infer offsets from several starting points, one after the other.
type inferences struct {
	finder   *finder
	k        *Kernel
	m        memory
	image    *kernelImage
	anchors  []anchor
	variable func(string) (uint64, bool)
	maybe    []*profile.Profile // all profiles, the likeliest first
	all      func() []*Kernel   // with the layouts of all profiles in maybe, in that order
}

func (f *finder) newInferences(k *Kernel, m memory, image *kernelImage, anchors []anchor, variable func(string) (uint64, bool), maybe []*profile.Profile) *inferences {
	i := &inferences{finder: f, k: k, m: m, image: image, anchors: anchors, variable: variable, maybe: maybe}
	i.all = sync.OnceValue(func() []*Kernel {
		var out []*Kernel
		for _, p := range maybe {
			if c, err := f.bind(k, p, m, variable); err == nil {
				out = append(out, c)
			}
		}
		return out
	})
	return i
}

// ownBuild returns the profiles of the kernel's own build, which are the likeliest; none when no profile is of that
// build.
func (i *inferences) ownBuild() []*profile.Profile {
	n := 0
	for n < len(i.maybe) && i.maybe[n].Version().SameBuild(i.k.Version) {
		n++
	}
	return i.maybe[:n]
}

// Limits on starting points with different layouts.
const (
	maxHolding = 3 // profiles that hold
	maxBases   = 6 // profiles that do not
)

// of chooses among the kernels of profiles that hold, the likeliest first. It corrects the kernels that explain most by
// the contents of the image, and takes the corrected kernel that then explains most. proved says that the image proves
// it without changes. There is no kernel and no error when holds is empty.
func (i *inferences) of(holds []*Kernel) (best *Kernel, proved bool, why error) {
	scores := map[*Kernel]int{}
	if len(holds) > 0 {
		holds[0].ReadAhead(maxSamples, readWitness)
	}
	for _, c := range holds {
		scores[c] = c.explains()
	}
	slices.SortStableFunc(holds, func(a, b *Kernel) int { return cmp.Compare(scores[b], scores[a]) })
	most := -1
	for _, c := range distinct(holds, maxHolding) {
		in := inferFrom(c, &i.finder.work)
		in.donors = i.all
		corrected := c
		if in.run() == nil {
			var err error
			if corrected, err = i.correct(c, in); err != nil {
				why = fmt.Errorf("from %s: %w", c.Profile.Name(), err)
				continue
			}
		}
		if in.weight > most {
			best, proved, most = corrected, in.proves(), in.weight
		}
	}
	return best, proved, why
}

// distinct returns the first n kernels with different layouts.
func distinct(kernels []*Kernel, n int) []*Kernel {
	var out []*Kernel
	for _, k := range kernels {
		if len(out) < n && !slices.ContainsFunc(out, func(o *Kernel) bool { return *o.layout == *k.layout }) {
			out = append(out, k)
		}
	}
	return out
}

// correct returns the kernel with the outcome of an inference that began with it.
func (i *inferences) correct(c *Kernel, in *inference) (*Kernel, error) {
	p := in.profile()
	if p != c.Profile || c.Space == nil { // an inference that began with System alone was not verified yet
		corrected, err := i.finder.verify(i.k, p, i.m, i.image, i.anchors, i.variable)
		if err != nil {
			return nil, err
		}
		c = corrected
	}
	c.Found = append(c.Found, in.sentences()...)
	return c, nil
}

// fromScratch infers all offsets. It starts from the likeliest profiles, though no profile holds.
func (i *inferences) fromScratch() (*Kernel, error) {
	var best *inference
	why := fmt.Errorf("there is no profile to start from")
	for _, c := range distinct(i.all(), maxBases) {
		in, err := i.locate(c)
		if err != nil {
			why = fmt.Errorf("from %s: %w", c.Profile.Name(), err)
			continue
		}
		if best == nil || in.weight > best.weight {
			best = in
		}
	}
	if best == nil {
		return nil, why
	}
	return i.correct(best.k, best)
}

// locate infers offsets from the first of the possible System processes that makes sense.
func (i *inferences) locate(c *Kernel) (*inference, error) {
	err := fmt.Errorf("nothing leads to the System process")
	for system := range i.systems(c) {
		if !i.finder.work.spend(inferWork) {
			return nil, fmt.Errorf("it takes too long")
		}
		in := newInference(c, &i.finder.work)
		in.donors = i.all
		if err = in.locate(system); err != nil {
			continue
		}
		if err = in.run(); err == nil {
			return in, nil
		}
	}
	return nil, err
}

// systems yields the addresses at which the System process may be, by the anchors. Where an anchor is the head of a
// list, the list entry that it leads to lies at an unknown offset in the process.
func (i *inferences) systems(c *Kernel) func(yield func(paging.Virt) bool) {
	return func(yield func(paging.Virt) bool) {
		for _, a := range i.anchors {
			if a.system != 0 && !yield(a.system) {
				return
			}
		}
		for _, a := range i.anchors {
			if a.system != 0 {
				continue
			}
			entry, err := c.kernel.ptr(a.head)
			if err != nil {
				continue
			}
			for va := entry &^ 7; va > entry-inferredSize; va -= 8 {
				if c.looksLikeProcess(va) && !yield(va) {
					return
				}
			}
		}
	}
}

// looksLikeProcess reports whether a dispatcher header of a process may lie at va: of that type, with a whole list of
// waiters.
func (k *Kernel) looksLikeProcess(va paging.Virt) bool {
	d := &k.layout.Dispatcher
	r, err := k.kernel.record(va, 4)
	if err != nil || r.u8(d.Type)&0x7f != processObject || !d.Wait.Present() {
		return false
	}
	return k.checkNeighbours(va+paging.Virt(d.Wait)) == nil
}
