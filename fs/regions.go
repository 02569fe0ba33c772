package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"strconv"
	"strings"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
)

// regionsDir holds stretches of a process's addresses as they are in memory. It lists the private ones that can be
// executed; any other opens by its name.
type regionsDir struct {
	place
	process *process
}

// regionName returns the name of a region's file: its first and its last address.
func regionName(r *nt.Region) string {
	return fmt.Sprintf("%08x-%08x.bin", uint64(r.Start), uint64(r.End-1))
}

func (d *regionsDir) list(context.Context) ([]listed, error) {
	regions, _ := d.process.Regions()
	var out []listed
	seen := map[string]bool{} // two hostile descriptors may be of the same addresses
	for i := range regions {
		if name := regionName(&regions[i]); report.IsInjectable(&regions[i]) && !seen[name] {
			seen[name] = true
			out = append(out, listed{name, false})
		}
	}
	return out, nil
}

func (d *regionsDir) lookup(_ context.Context, name string) (node, error) {
	start, _, ok := strings.Cut(name, "-")
	va, err := strconv.ParseUint(start, 16, 64)
	if !ok || err != nil {
		return nil, iofs.ErrNotExist
	}
	r, err := d.region(name, paging.Virt(va))
	if err != nil {
		return nil, err
	}
	return &fileNode{place: d.child(name), open: func(context.Context) (*body, error) { return d.process.region(r) }}, nil
}

// region finds a region by its name, which has its first address. Where the tree of descriptors is not in order, a walk
// finds descriptors that a search from the root does not reach. Where reading failed, a region that was not found may
// still exist.
func (d *regionsDir) region(name string, va paging.Virt) (*nt.Region, error) {
	if v, ok := d.process.VAD(va); ok {
		if r := (&nt.Region{VAD: v}); regionName(r) == name {
			return r, nil
		}
	}
	regions, errs := d.process.Regions()
	for i := range regions {
		if r := &regions[i]; r.Start == va && regionName(r) == name {
			return r, nil
		}
	}
	return nil, cmp.Or(failedOf(errs), iofs.ErrNotExist)
}

// region is the file of a region. Missing bytes read as zeros.
func (p *process) region(r *nt.Region) (*body, error) {
	if err := p.CheckSpace(); err != nil {
		return nil, absent(err)
	}
	size := int64(r.End - r.Start)
	strict, err := sparse.NewReader(size, sparse.Extent{Len: size, Src: p.Process.Process.Space().Window(r.Start, size)})
	if err != nil {
		return nil, err
	}
	return &body{Content: sized{sparse.ZeroFill(strict, nil), size}, strict: strict}, nil
}

// lacksRegions says why there are no regions. It looks for one descriptor, and not for executable ranges.
func (p *process) lacksRegions() error {
	if err := p.CheckSpace(); err != nil {
		return err
	}
	var errs []error
	for _, err := range p.VADs() {
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, errors.New("the process has no address descriptors"))...)
}

// regionsCSV is the table of all stretches of a process's addresses.
func (p *process) regionsCSV() (*body, error) {
	return p.exe.text("regions.csv", func() ([]byte, error) {
		regions, damage := p.Regions()
		if err := failedOf(damage); err != nil {
			return nil, err
		}
		return table(regionColumns, func(add func(...string)) {
			for i := range regions {
				r, note := report.RegionOf(p.Process, &regions[i]), ""
				if r.Private {
					note = "private memory that can be executed"
				}
				add(regionName(&regions[i]), r.Start.String(), r.End.String(), fmt.Sprint(r.Size), r.Type, r.Protection, fmt.Sprint(r.Executed), r.Path, note)
			}
			for _, err := range damage {
				add("", "", "", "", "", "", "", "", "list damaged: "+err.Error())
			}
		})
	})
}
