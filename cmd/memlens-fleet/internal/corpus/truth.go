package corpus

import (
	"cmp"
	"slices"

	"memlens/memimage/synth"
)

// finish completes the truth from the descriptions of the images, and not by reading the images.
func (b *builder) finish() {
	slices.Sort(b.truth.Images)
	refused := map[string]bool{}
	for _, p := range b.truth.Problems {
		refused[p.Image] = !p.Opens
	}
	for bit, d := range b.disks {
		for name, exe := range d.files {
			f := File{Name: name, SHA256: digest(exe.File)}
			for i := range b.Images {
				if !refused[b.nameOf(i)] && b.diskOf(i) == bit {
					d.see(&f, i)
				}
			}
			if len(f.Images)+len(f.Partly) > 0 {
				b.truth.Files = append(b.truth.Files, f)
			}
		}
		h := d.hookTruth()
		for _, i := range hookedMachines {
			if b.diskOf(i) == bit {
				h.Images = append(h.Images, name(i))
			}
		}
		if len(h.Images) > 0 {
			b.truth.Hooks = append(b.truth.Hooks, h)
		}
	}
	slices.SortFunc(b.truth.Files, func(x, y File) int {
		return cmp.Or(cmp.Compare(len(x.Images), len(y.Images)), cmp.Compare(x.Name, y.Name), cmp.Compare(x.SHA256, y.SHA256))
	})
	slices.SortFunc(b.truth.Problems, func(x, y Problem) int { return cmp.Compare(x.Image, y.Image) })
}

// diskOf returns the number of the disk that the i-th machine has.
func (b *builder) diskOf(i int) int { return min(1, i%len(b.profiles)) }

// nameOf returns the name of the i-th image, which differs for images that are not raw.
func (b *builder) nameOf(i int) string {
	if n := i - (b.Images - len(damages())); n >= 0 {
		return damages()[n].name
	}
	return name(i)
}

// see notes that the i-th machine has a file in memory.
func (d *disk) see(f *File, i int) {
	whole := func(p synth.Program) bool { return p.Name == f.Name }
	switch {
	case f.Name == d.partly():
		f.Partly = append(f.Partly, name(i))
	case slices.ContainsFunc(common, whole), f.Name == "ntdll.dll", f.Name == "kernel32.dll":
		f.Images = append(f.Images, name(i))
	default:
		for _, p := range rare {
			if p.Name == f.Name && slices.Contains(p.machines, i) {
				f.Images = append(f.Images, name(i))
			}
		}
	}
}
