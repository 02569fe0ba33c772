package nt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// inference finds where the members of _EPROCESS lie in a kernel without a profile. It starts from the profile of
// another build, and takes the other structures of that build as they are. For every offset it counts the processes
// that have a fitting value there. A member stays where the other build has it, unless a process rules that out, or no
// process supports it and another place is better proved.
type inference struct {
	k       *Kernel // with the layout of the build that it starts from
	base    *profile.Profile
	samples []*sample // System first
	pids    map[uint64]bool
	shifts  []shift
	fields  map[string]profile.Field // members that have moved from the base; not Present: dropped
	donors  func() []*Kernel         // of other builds; their structures are tried where the base's do not fit
	parts   []part
	weight  int // number of findings for the outcome that could hardly be by chance
	rests   int // members on which others depend that hold in several processes
	ended   bool
	work    *work
	notes   struct{ moved, borrowed, dropped, unproved []string }
}

// sample is the _EPROCESS of a process, and the facts learned from it.
type sample struct {
	va, pa    paging.Virt
	r         record
	pid, ppid uint64 // ppid: 0 until it is known
	name      string
	space     *paging.Space // once the directory table base is known
	peb, base paging.Virt   // 0: not known
	file      paging.Virt   // of the executable's section; 0: not known
	created   time.Time
	partial   bool // a read failed while these were read: what seems to be zero may not be
}

// shift says that the base's member at from lies at to.
type shift struct{ from, to profile.Offset }

// Limits on inference.
const (
	inferredSize = 0x1000 // bytes from the start of _EPROCESS among which a member is sought
	maxSamples   = 48     // processes that are looked at
	leastSamples = 3      // with fewer nothing is inferred: System and two others
)

// Work of inference, in the units of work.
const (
	inferWork = 1 << 21 // of finding the list of processes
	testWork  = 1 << 2  // of looking at a process
	nodeWork  = 1 << 3  // of reading a descriptor or a subsection
)

// system reports whether the sample is the System process.
func (s *sample) system() bool { return s.pid == 4 }

// inferFrom begins with a kernel that has a sound list of processes.
func inferFrom(k *Kernel, w *work) *inference {
	in := newInference(k, w)
	e := &k.layout.EPROCESS
	for p, err := range k.Processes() {
		if len(in.samples) == maxSamples {
			break
		}
		if err != nil || k.odd && p.VA == k.SystemProcess {
			continue
		}
		in.add(p.VA, e.PID, e.Name)
	}
	return in
}

func newInference(start *Kernel, w *work) *inference {
	k, l := *start, *start.layout
	k.layout = &l
	return &inference{k: &k, work: w, base: k.Profile, pids: map[uint64]bool{}, fields: map[string]profile.Field{}}
}

// add takes the process at va among the samples.
func (in *inference) add(va paging.Virt, pid profile.Offset, name profile.Field) {
	s, ok := in.read(va)
	if !ok {
		return
	}
	s.pid, s.name = uint64(s.r.ptr(pid)), s.r.name(name)
	in.samples = append(in.samples, s)
	in.pids[s.pid] = true
}

func (in *inference) read(va paging.Virt) (*sample, bool) {
	page, err := in.k.kernel.space.Translate(va)
	if err != nil {
		return nil, false
	}
	before := in.k.faults.Count()
	r, _ := in.k.kernel.sparseRecord(va, inferredSize)
	return &sample{va: va, pa: paging.Virt(page.Off) + va - page.VA, r: r, partial: in.k.faults.Count() != before}, true
}

// run finds all members, and says why that is not enough.
func (in *inference) run() error {
	if len(in.samples) < leastSamples {
		return fmt.Errorf("%d processes are too few to infer offsets from", len(in.samples))
	}
	for _, m := range members {
		if err := in.settle(m); err != nil {
			return err
		}
	}
	if in.work.left < 0 {
		return fmt.Errorf("inference takes too long")
	}
	in.ended = true
	return nil
}

// proves reports whether the processes prove the base without changes: no member was moved, dropped or borrowed, and
// the members on which others depend hold in several processes.
func (in *inference) proves() bool {
	rest := 0
	for _, m := range members {
		if m.bears() {
			rest++
		}
	}
	return in.ended && len(in.fields) == 0 && len(in.parts) == 0 && in.rests == rest
}

// settle finds one member.
func (in *inference) settle(m member) error {
	f, ok := in.base.Field(m.path)
	if !ok {
		return nil
	}
	own := profile.Offset(f.Offset)
	expected := own + in.shiftAt(own)
	at, e := expected, in.judge(m, f, expected)
	if at != own && e.score() <= 0 {
		if o := in.judge(m, f, own); o.score() > e.score() {
			at, e = own, o
		}
	}
	if stays := e.holds() || m.plain && at == own && e.con == 0; !m.weak && !stays {
		at, e = in.search(m, f, at, e)
	}
	if m.part != nil && e.score() <= 0 && e.unheard == 0 {
		f, at, e = in.borrow(m, f, at, e)
	}
	switch {
	case e.score() > 0:
		if !m.weak && !m.plain {
			in.weight += e.pro // others may have more for a wrong place
		}
		if m.bears() && e.pro >= leastSamples-1 {
			in.rests++
		}
		in.shifts = append(in.shifts, shift{own, at})
	case m.needed:
		return fmt.Errorf("no offset in _EPROCESS holds %s, %s", short(m.path), m.what)
	case e.unheard > 0: // the others may be odd: System has no user's memory, for instance
		at = own
		in.notes.unproved = append(in.notes.unproved, short(m.path))
	case e.con > 0 || at != own && !m.weak:
		in.fields[m.path] = profile.Field{}
		in.notes.dropped = append(in.notes.dropped, short(m.path))
		return nil
	default:
		in.notes.unproved = append(in.notes.unproved, short(m.path))
	}
	if at != own {
		in.move(m.path, f, at)
	}
	if at != own && e.pro > 0 {
		in.notes.moved = append(in.notes.moved, fmt.Sprintf("%s from %#x to %#x (%s: %d of %d processes)", short(m.path), own, at, m.what, e.pro, len(in.samples)))
	}
	in.learn(m, at)
	return nil
}

// search looks for an offset with better evidence than at; among several it takes the nearest to at.
func (in *inference) search(m member, f profile.Field, at profile.Offset, e evidence) (profile.Offset, evidence) {
	best, near := at, at
	step := profile.Offset(max(m.step, 4))
	if m.step == 0 {
		step = profile.Offset(in.k.kernel.pointer)
	}
	for off := profile.Offset(0); off < in.end(); off += step {
		o := in.judge(m, f, off)
		if o.score() > max(e.score(), 0) || o.score() == e.score() && o.score() > 0 && distance(off, near) < distance(best, near) {
			best, e = off, o
		}
	}
	return best, e
}

// end bounds the search for a member: a later build's structure may have grown.
func (in *inference) end() profile.Offset {
	const growth = 0x280
	if size := profile.Offset(in.k.layout.EPROCESS.Size); size > 0 {
		return min(size+growth, inferredSize) - 0x20
	}
	return inferredSize - 0x20
}

// part is a group of structures that belong together, taken from another build.
type part struct {
	donor      *profile.Profile
	structures []string
}

// borrow tries the structures that a member leads to as other builds have them, and takes those with the best evidence.
func (in *inference) borrow(m member, f profile.Field, at profile.Offset, e evidence) (profile.Field, profile.Offset, evidence) {
	own := *in.k.layout
	best, tried := own, []layout{own}
	var from *profile.Profile
	for _, d := range in.donors() {
		*in.k.layout = own
		m.part.take(in.k.layout, d.layout)
		theirs, ok := d.Profile.Field(m.path)
		if !ok || slices.Contains(tried, *in.k.layout) {
			continue
		}
		tried = append(tried, *in.k.layout)
		start := at
		if o, better := in.search(m, theirs, start, in.judge(m, theirs, start)); better.score() > max(e.score(), 0) {
			f, at, e, from, best = theirs, o, better, d.Profile, *in.k.layout
		}
	}
	*in.k.layout = best
	if from != nil {
		in.parts = append(in.parts, part{from, m.part.structures})
		in.move(m.path, f, at)
		in.notes.borrowed = append(in.notes.borrowed, fmt.Sprintf("those behind %s from %s (%s: %d of %d processes)", short(m.path), from.Name(), m.what, e.pro, len(in.samples)))
	}
	return f, at, e
}

func distance(a, b profile.Offset) profile.Offset { return max(a-b, b-a) }

// shiftAt is how far the base's members around off have moved, by the nearest member that was found.
func (in *inference) shiftAt(off profile.Offset) profile.Offset {
	var nearest *shift
	for i := range in.shifts {
		if nearest == nil || distance(in.shifts[i].from, off) < distance(nearest.from, off) {
			nearest = &in.shifts[i]
		}
	}
	if nearest == nil {
		return 0
	}
	return nearest.to - nearest.from
}

func (in *inference) move(path string, f profile.Field, to profile.Offset) {
	f.Offset = int64(to)
	in.fields[path] = f
}

// evidence is how many processes support an offset, and how many contradict it; and how many could not be asked, because a
// read failed.
type evidence struct{ pro, con, unheard int }

func (e evidence) score() int { return e.pro - e.con }

// holds reports whether an offset stays even if others have more for them: no process rules it out, or so few that
// these processes must be odd. Other members may hold fitting values: under memory pressure Vm.LastTrimTime looks like
// a time of creation, also in System, whose own time is zero.
func (e evidence) holds() bool {
	const odd = 8 // one process of so many
	return e.pro > 0 && e.con*odd <= e.pro
}

// judge looks at the processes. It stops when the outcome is clear.
func (in *inference) judge(m member, f profile.Field, off profile.Offset) evidence {
	const clear = 3
	var e evidence
	f.Offset = int64(off)
	for _, s := range in.samples {
		if !in.work.spend(testWork) {
			return evidence{con: len(in.samples) + 1}
		}
		switch in.ask(m, s, f) {
		case pro:
			e.pro++
		case con:
			if e.con++; e.con > e.pro+clear {
				return e
			}
		case impossible:
			return evidence{con: len(in.samples) + 1}
		case unheard:
			e.unheard++
		}
	}
	if m.together != nil && e.pro > 0 {
		e.con += m.together(in, f)
	}
	return e
}

// ask returns a process's verdict on an offset. A process that cannot be read, because reading fails, does not rule it
// out.
func (in *inference) ask(m member, s *sample, f profile.Field) verdict {
	before := in.k.faults.Count()
	v := m.test(in, s, f)
	if v != pro && (s.partial || in.k.faults.Count() != before) {
		return unheard
	}
	return v
}

// profile is the outcome: the base if that holds without changes.
func (in *inference) profile() *profile.Profile {
	if len(in.fields) == 0 {
		return in.base
	}
	name := "inferred from " + in.base.Name()
	p := in.base.With(name, in.fields)
	for _, part := range in.parts {
		p = p.WithStructures(name, part.donor, part.structures...)
	}
	return p
}

// sentences say which offsets were inferred and how.
func (in *inference) sentences() []string {
	var out []string
	say := func(format string, what []string) {
		if len(what) > 0 {
			out = append(out, fmt.Sprintf(format, strings.Join(what, ", ")))
		}
	}
	say("offsets in _EPROCESS were inferred from the image: %s", in.notes.moved)
	say("structures were taken from other builds: %s", in.notes.borrowed)
	say("no offset in _EPROCESS was found for, and so nothing is read of: %s", in.notes.dropped)
	say("nothing in the image proves or disproves the offsets in _EPROCESS of: %s", in.notes.unproved)
	return out
}

func short(path string) string { return strings.TrimPrefix(path, "_EPROCESS.") }

// locate begins with the System process at an address, where the list of processes is not known yet. It looks for an
// offset of a list of similar structures, an offset at which each has its own id, and an offset at which each has a
// name.
func (in *inference) locate(system paging.Virt) error {
	s, ok := in.read(system)
	if !ok {
		return fmt.Errorf("the _EPROCESS at %#x cannot be read", uint64(system))
	}
	if s.r.u8(in.k.layout.Dispatcher.Type)&0x7f != processObject {
		return fmt.Errorf("the structure at %#x is no process", uint64(system))
	}
	var best found
	for _, name := range systemNames(s.r) {
		for off := profile.Offset(0); off < inferredSize-0x20; off += profile.Offset(in.k.kernel.pointer) {
			if f := in.tryList(s, off, name); in.better(f, best) {
				best = f
			}
		}
	}
	if len(best.processes) < leastSamples {
		return fmt.Errorf("no list of processes leads through the _EPROCESS at %#x", uint64(system))
	}
	in.take(best)
	return nil
}

// found is a possible set of offsets for the members that distinguish processes.
type found struct {
	links, pid, name profile.Offset
	processes        []paging.Virt
}

func (in *inference) take(f found) {
	e := &in.k.layout.EPROCESS
	nameField, _ := in.base.Field("_EPROCESS.ImageFileName")
	for path, to := range map[string]profile.Offset{"_EPROCESS.ImageFileName": f.name, "_EPROCESS.UniqueProcessId": f.pid, "_EPROCESS.ActiveProcessLinks": f.links} {
		was, _ := in.base.Field(path)
		in.shifts = append(in.shifts, shift{profile.Offset(was.Offset), to})
		if profile.Offset(was.Offset) != to {
			in.move(path, was, to)
		}
	}
	slices.SortFunc(in.shifts, func(a, b shift) int { return int(a.from - b.from) })
	in.notes.moved = append(in.notes.moved, fmt.Sprintf("ImageFileName at %#x, UniqueProcessId at %#x, ActiveProcessLinks at %#x (a list of %d processes or more)", f.name, f.pid, f.links, len(f.processes)))
	nameField.Offset = int64(f.name)
	for _, va := range f.processes {
		in.add(va, f.pid, nameField)
	}
	e.PID, e.Links, e.Name = f.pid, f.links, nameField
}

// better prefers longer lists, then links right behind the id, where they are in all versions so far, then the place
// nearest to the base's.
func (in *inference) better(a, b found) bool {
	if len(a.processes) != len(b.processes) {
		return len(a.processes) > len(b.processes)
	}
	pointer := profile.Offset(in.k.kernel.pointer)
	if x, y := a.links == a.pid+pointer, b.links == b.pid+pointer; x != y {
		return x
	}
	e := &in.k.layout.EPROCESS
	return distance(a.links, e.Links)+distance(a.pid, e.PID) < distance(b.links, e.Links)+distance(b.pid, e.PID)
}

// systemNames are the offsets at which a structure holds the name of the System process.
func systemNames(r record) []profile.Offset {
	var out []profile.Offset
	want := []byte("System\x00\x00\x00")
	for off := 0; len(out) < 4; off++ {
		i := bytes.Index(r.b[off:], want)
		if i < 0 {
			break
		}
		off += i
		out = append(out, profile.Offset(off))
	}
	return out
}

// tryList follows the list with its entry at off of System's structure s, as long as its entries are processes.
func (in *inference) tryList(s *sample, off, name profile.Offset) found {
	f := found{links: off, name: name, processes: []paging.Virt{s.va}}
	if in.k.checkNeighbours(s.va+paging.Virt(off)) != nil {
		return found{}
	}
	ids := idOffsets(s.r)
	seen := map[paging.Virt]bool{s.va: true}
	at := s.r.ptr(off)
	for len(f.processes) < maxSamples {
		va := at - paging.Virt(off)
		other, ok := in.read(va)
		if !ok || seen[va] || other.r.u16(0)&0x7f != s.r.u16(0)&0x7f || other.r.u(name, 1) >= 0x80 {
			break
		}
		seen[va] = true
		maps.DeleteFunc(ids, func(pid profile.Offset, had map[uint64]bool) bool {
			id := uint64(other.r.ptr(pid))
			if !plausibleID(id) || had[id] && len(had) < 3 {
				return true
			}
			had[id] = true
			return false
		})
		f.processes = append(f.processes, va)
		at = other.r.ptr(off)
	}
	return in.withID(f, ids)
}

// withID chooses the offset of the process id among the remaining ones: the offset with the most different values.
func (in *inference) withID(f found, ids map[profile.Offset]map[uint64]bool) found {
	most := 0
	pointer := profile.Offset(in.k.kernel.pointer)
	for _, pid := range slices.Sorted(maps.Keys(ids)) {
		n := 2 * len(ids[pid])
		if pid+pointer == f.links {
			n++
		}
		if n > most {
			f.pid, most = pid, n
		}
	}
	if most/2 < leastSamples {
		return found{}
	}
	return f
}

// idOffsets are the offsets at which System's structure has its id, each with the set of the ids that were seen there.
func idOffsets(r record) map[profile.Offset]map[uint64]bool {
	out := map[profile.Offset]map[uint64]bool{}
	for off := profile.Offset(0); off < inferredSize; off += profile.Offset(r.pointer) {
		if r.ptr(off) == 4 {
			out[off] = map[uint64]bool{4: true}
		}
	}
	return out
}
