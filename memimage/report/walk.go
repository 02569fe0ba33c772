package report

import (
	"cmp"
	"context"
	"slices"

	"memlens/memimage"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Options select the parts of a report on an image beside the image and its processes.
type Options struct {
	Modules bool // the executable images in the address spaces of processes
	Drivers bool
	Regions bool
	Scan    bool // processes, and drivers, that the lists lack
	Digests DigestSet
	Known   *Lookup // sets of known files; nil: none
}

// Walk makes the records of an image and hands each to emit, in an order that does not change: the image, then each
// process with its changes, modules and regions, then the drivers, then the processes and drivers that a scan finds,
// then the faults of the evidence as a whole. A part that cannot be read is a [Problem] beside the other records. The
// error is ctx's or emit's.
func Walk(ctx context.Context, im *memimage.Image, o Options, emit func(Record) error) error {
	w := &walker{ctx: ctx, im: im, o: o, emit: emit}
	w.tell(ImageOf(im))
	listed, damage := im.Processes()
	for _, p := range listed {
		w.process(p)
	}
	w.damage(StageProcesses, damage, nil)
	if o.Drivers && !im.IsDump() {
		drivers, damage := im.Drivers()
		for _, d := range drivers {
			w.driver(d)
		}
		w.damage(StageDrivers, damage, nil)
	}
	if o.Scan && !im.IsDump() {
		w.scan()
	}
	for _, p := range evidenceProblems(im) { // last: damage is found while the rest is read
		w.tell(p)
	}
	return w.err
}

// walker is a walk through an image. After an error it does nothing more.
type walker struct {
	ctx  context.Context
	im   *memimage.Image
	o    Options
	emit func(Record) error
	err  error
}

// over reports whether the walk has ended before all records were emitted.
func (w *walker) over() bool {
	w.err = cmp.Or(w.err, w.ctx.Err())
	return w.err != nil
}

func (w *walker) tell(r Record) {
	if !w.over() {
		w.err = w.emit(r)
	}
}

// damage emits the damage of a list, which is a process's unless of is nil.
func (w *walker) damage(stage Stage, damage []error, of *memimage.Process) {
	for _, err := range damage {
		p := listProblem(w.im, stage, err)
		if of != nil {
			p.of(of)
		}
		w.tell(p)
	}
}

// failed emits the failures of reading the evidence while parts of a record were made, each failure once.
func (w *walker) failed(stage Stage, m *memimage.Module, errs ...error) {
	var told []reason.Reason
	for _, err := range errs {
		why := reason.Of(err)
		if err == nil || w.ctx.Err() != nil || slices.Contains(told, why) {
			continue
		}
		told = append(told, why)
		w.tell(problem(w.im, stage, why).in(m))
	}
}

func (w *walker) process(p *memimage.Process) {
	if w.over() {
		return
	}
	before := w.im.Faults().Count()
	r := ProcessOf(p)
	own := w.executable(StageProcess, p.Module, before)
	r.Executable = own
	r.Recovery = RecoveryOf(p.Module)
	w.tell(r)
	w.changes(StageProcess, OwnerOf(p, p.Module))
	if w.o.Modules {
		w.modules(p, &own)
	}
	if w.o.Regions {
		regions, damage := p.Regions()
		for i := range regions {
			w.tell(RegionOf(p, &regions[i]))
		}
		w.damage(StageRegions, damage, p)
	}
}

// modules emits the executable images of a process. own is the record part of its own program, which is not read again.
func (w *walker) modules(p *memimage.Process, own *Executable) {
	found, damage := p.Modules()
	for _, m := range found {
		if w.over() {
			return
		}
		before := w.im.Faults().Count()
		r := ModuleOf(p, m)
		if m.Module == p.Module { // its changes come with the process
			r.Executable = *own
			w.tell(r)
			continue
		}
		r.Executable = w.executable(StageModule, m.Module, before)
		w.tell(r)
		w.changes(StageModule, OwnerOf(p, m.Module))
	}
	w.damage(StageModules, damage, p)
}

func (w *walker) driver(d *memimage.Driver) {
	if w.over() {
		return
	}
	before := w.im.Faults().Count()
	r := DriverOf(w.im, d)
	r.Executable = w.executable(StageDriver, d.Module, before)
	w.tell(r)
}

// scan emits the processes, and the drivers, that the lists lack.
func (w *walker) scan() {
	found, err := searched(w, w.im.Scanned)
	for _, p := range found {
		w.process(p)
	}
	w.failedScan(err)
	if w.o.Drivers && !w.over() {
		drivers, err := searched(w, w.im.ScannedDrivers)
		for _, d := range drivers {
			w.driver(d)
		}
		w.failedScan(err)
	}
}

// searched returns what a search of memory finds. If a part could not be read, that is the error, too: there may be more.
func searched[T any](w *walker, search func(context.Context) ([]T, error)) ([]T, error) {
	before := w.im.Faults().Count()
	found, err := search(w.ctx)
	return found, cmp.Or(err, w.im.Faults().Since(before))
}

func (w *walker) failedScan(err error) {
	if err != nil && !w.over() {
		w.tell(problem(w.im, StageScan, reason.Of(err)))
	}
}

// executable makes all parts of a record about an executable. before is how many reads had failed when the record was
// begun: if more have failed by the end, fields of it may be missing.
func (w *walker) executable(stage Stage, m *memimage.Module, before int64) Executable {
	out := Executable{Recovery: RecoveryOf(m), Counts: CountsOf(m)}
	var errs [4]error
	out.Restored, errs[0] = RestoredOf(m)
	out.Comparison, errs[1] = ComparisonOf(m)
	out.Digests, errs[2] = w.o.Digests.Of(w.ctx, m)
	out.Knowledge, errs[3] = w.o.Known.Of(w.ctx, m)
	if !slices.ContainsFunc(errs[:], sparse.Failed) {
		errs[0] = cmp.Or(errs[0], w.im.Faults().Since(before))
	}
	w.failed(stage, m, errs[:]...)
	return out
}

// changes emits the differences between an executable and its file, except the loader's and the program's own work.
func (w *walker) changes(stage Stage, o Owner) {
	r, err := o.module.Changes()
	if err != nil {
		return // the executable's record has the error
	}
	for i := range r.Runs {
		if run := &r.Runs[i]; !run.Cause.Innocent() {
			w.tell(ChangeOf(o, run))
		}
	}
	if r.LeftOut > 0 {
		w.tell(problem(w.im, stage, reason.New(reason.TooMuch, "%d more differences are not listed", r.LeftOut)).in(o.module))
	}
}
