package nt

import (
	"fmt"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// identify finds the kernel that candidate c maps and the profile that fits it. A *ProfileError means that there is a
// kernel and no profile.
func (f *finder) identify(c candidate, space *paging.Space, shared *sharedData) (*Kernel, error) {
	k := &Kernel{Mode: c.mode, mem: f.mem, cache: f.cache, faults: f.options.Faults, shared: *shared, SystemTime: shared.Time, Root: shared.SystemRoot}
	k.foundShared(c)
	m := memory{space, c.mode.Arch.Pointer}
	image, ok := findKernelImage(m, f.executables)
	if !ok {
		image = nil
	}
	if err := checkArch(c, image, shared); err != nil {
		return nil, err
	}
	if ok && !f.work.spend(image.work()) {
		return nil, fmt.Errorf("there are more kernels than are worth looking at")
	}
	var debugger *debuggerData
	if ok {
		k.Base, k.imageSize, k.Identity = image.Base, paging.Virt(image.Size), image.Identity
		debugger = f.debuggerData(image)
	} else {
		debugger = findLooseDebuggerData(m, f.blocks)
		in := c.mode.Arch.Kernel
		image = &kernelImage{mem: m, Base: in.From, Size: uint32(min(in.To-in.From, maxKernelImage))}
	}
	if debugger == nil && f.options.Hints.KDBG != 0 {
		debugger, _ = readDebuggerData(m, f.options.Hints.KDBG)
	}
	name, by := k.name(image, debugger, m)
	k.Name = name
	k.foundKernel(by)
	k.Version = f.version(k, image, debugger)
	anchors := f.anchors(image, debugger)
	if len(anchors) == 0 {
		return nil, fmt.Errorf("nothing leads to the process list: neither the kernel's export PsInitialSystemProcess nor its debugger data block (KDBG) can be read")
	}
	return f.choose(k, m, image, debugger, anchors)
}

// foundShared says which page tables led to the kernel, and gives the contents of the page that Windows shares with its
// programs.
func (k *Kernel) foundShared(c candidate) {
	tables := fmt.Sprintf("page tables (%s) at %#x, from %s,", c.mode.Name, uint64(c.dtb), c.how)
	s := &k.shared
	if s.lost {
		k.found("%s map the System process; the page that Windows shares with its programs (KUSER_SHARED_DATA) is lost, and with it the time of the image and the system root", tables)
		return
	}
	k.found("%s map KUSER_SHARED_DATA: Windows %d.%d, %s", tables, s.Major, s.Minor, s.SystemRoot)
	if s.odd != "" {
		k.found("that page is odd, for it has %s; all else in it is as it must be", s.odd)
	}
	if s.foreign != nil {
		k.found("that page names processors of another kind (%s), but the kernel is one of %s", s.foreign.Name, c.mode.Arch.Name)
	}
}

// debuggerData searches the kernel's image for its debugger data block. Where it is found, pages that could not be read
// did not matter.
func (f *finder) debuggerData(image *kernelImage) (debugger *debuggerData) {
	before := f.unheard
	var known *profile.Profile
	if f.options.Profiles != nil {
		known, _ = f.options.Profiles.ByIdentity(image.Identity)
	}
	f.hear(func() { debugger, _ = findDebuggerData(image, known) })
	if debugger == nil {
		f.unheard = before
	}
	return debugger
}

func (k *Kernel) found(format string, args ...any) {
	k.Found = append(k.Found, fmt.Sprintf(format, args...))
}

func identityNote(id profile.Identity) string {
	if id.PDB == "" {
		return ", without a debug record"
	}
	return fmt.Sprintf(", debug record %s %s age %d", id.PDB, id.GUID, id.Age)
}

// version returns the kernel's version as exactly as the image shows it.
func (f *finder) version(k *Kernel, image *kernelImage, debugger *debuggerData) profile.Version {
	v := k.shared.version()
	if va, ok := image.Export("NtBuildNumber"); ok {
		if build, err := image.mem.u32(va); err == nil && build&0xffff > 2000 {
			v.Build = uint32(build & 0xffff)
		}
	}
	if debugger != nil {
		k.KDBG, k.debugger = debugger.VA, debugger
		if debugger.coded {
			k.found("the debugger data block (KDBG) at %#x is encoded; it was decoded by the kernel's address that it holds", uint64(debugger.VA))
		}
		k.Lab = debugger.lab(image.mem)
		if build, revision, ok := labVersion(k.Lab); ok && (build == v.Build || k.shared.Build == 0) {
			v.Build, v.Revision = build, revision
		}
		if v.Revision == 0 {
			v.Revision = servicePackRevisions[[2]uint32{v.Build, debugger.servicePack(image.mem)}]
		}
	}
	if v.Major == 0 {
		v.Major, v.Minor = numbersOf(v.Build)
	}
	return v
}

// anchor is a way to the list of processes: the address of System's _EPROCESS, or of the list's head.
type anchor struct {
	system, head paging.Virt
	how          string
	named        bool // the process was found in physical memory, and has System's name
}

func (f *finder) anchors(image *kernelImage, debugger *debuggerData) []anchor {
	var out []anchor
	if debugger != nil {
		head := debugger.ptr(image.mem, kdbgPsActiveProcessHead)
		out = append(out, anchor{head: head, how: fmt.Sprintf("PsActiveProcessHead of the KDBG block at %#x", uint64(debugger.VA))})
	}
	if va, ok := image.Export("PsInitialSystemProcess"); ok {
		if system, err := image.mem.ptr(va); err == nil && system != 0 {
			out = append(out, anchor{system: system, how: "the export PsInitialSystemProcess"})
		}
	}
	if head := f.options.Hints.PsActiveProcessHead; head != 0 {
		out = append(out, anchor{head: head, how: "PsActiveProcessHead of the container's header"})
	}
	return append(out, f.found...)
}

// choose tries the profiles, the likeliest first. A profile that the kernel's identity names, or that was forced, must
// only hold. Among the other profiles it takes the one that explains most of the image, the likeliest of equals, and
// corrects it where the image shows another offset.
func (f *finder) choose(k *Kernel, m memory, image *kernelImage, debugger *debuggerData, anchors []anchor) (*Kernel, error) {
	sure, maybe, tried := f.profiles(k)
	variable := func(name string) (uint64, bool) { return debugger.variable(m, name) }
	for _, p := range sure {
		c, err := f.verify(k, p, m, image, anchors, variable)
		if err == nil {
			c.Exact = true
			f.hear(func() {
				if f.options.Force != nil && !k.isOf(p) {
					c = c.withForm(append([]*profile.Profile{p}, maybe...))
				}
				c = c.withMask()
			})
			return c, nil
		}
		tried = append(tried, fmt.Sprintf("%s: %v", p.Name(), err))
	}
	if f.options.Force != nil {
		return nil, &ProfileError{Identity: k.Identity, Version: k.Version, Tried: tried}
	}
	i := f.newInferences(k, m, image, anchors, variable, maybe)
	best := f.chooseOwn(i)
	if best == nil {
		var why []string
		var err error
		if best, why, err = f.chooseOfAll(i); best == nil {
			tried = append(shorten(append(tried, why...)), fmt.Sprintf("inference from the image: %v", err))
			return nil, &ProfileError{Identity: k.Identity, Version: k.Version, Tried: tried}
		}
	}
	f.hear(func() { best = best.withForm(maybe).withMask() })
	return best, nil
}

// chooseOwn chooses among the profiles of the kernel's own build, if the processes prove the best of these without
// changes: then the profiles of other builds cannot explain more, and need not be looked at. It returns nil otherwise.
func (f *finder) chooseOwn(i *inferences) *Kernel {
	if f.thorough {
		return nil
	}
	own := i.ownBuild()
	if len(own) == len(i.maybe) {
		return nil // they are all there are
	}
	holds, _ := f.holding(i, own)
	var best *Kernel
	f.hear(func() { best, f.proved, _ = i.of(holds) })
	if !f.proved {
		return nil
	}
	return best
}

// chooseOfAll chooses among all profiles, or infers one. Where there is none, it returns why the profiles do not fit,
// and why nothing could be inferred.
func (f *finder) chooseOfAll(i *inferences) (*Kernel, []string, error) {
	holds, tried := f.holding(i, i.maybe)
	best, err := f.ask(i, holds)
	return best, tried, err
}

// holding returns the kernels of the profiles that hold, and why the others do not.
func (f *finder) holding(i *inferences, profiles []*profile.Profile) (holds []*Kernel, tried []string) {
	for _, p := range profiles {
		c, err := f.verify(i.k, p, i.m, i.image, i.anchors, i.variable)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s: %v", p.Name(), err))
			continue
		}
		holds = append(holds, c)
	}
	return holds, tried
}

// ask chooses among the kernels of profiles that hold by the processes, or infers one where none holds.
func (f *finder) ask(i *inferences, holds []*Kernel) (best *Kernel, err error) {
	f.hear(func() {
		best, _, err = i.of(holds)
		if best == nil && err == nil {
			if f.lenient {
				err = fmt.Errorf("an odd System process can be recognized by a profile only")
				return
			}
			best, err = i.fromScratch()
		}
	})
	return best, err
}

// profiles returns the profiles that are certain for the kernel, and the profiles that may fit, the likeliest first.
func (f *finder) profiles(k *Kernel) (sure, maybe []*profile.Profile, tried []string) {
	if f.options.Profiles != nil {
		maybe = f.options.Profiles.Candidates(profileArch(k.Mode.Arch), k.likely())
	}
	if f.options.Force != nil {
		return []*profile.Profile{f.options.Force}, maybe, nil
	}
	if k.Identity.GUID != "" {
		if p, ok := f.options.Profiles.ByIdentity(k.Identity); ok {
			sure = append(sure, p)
		} else {
			tried = append(tried, "no profile has the kernel's GUID")
		}
		if f.options.Symbols != nil {
			p, err := f.options.Symbols(k.Identity, k.Version)
			if err != nil {
				tried = append(tried, err.Error())
			} else {
				sure = append([]*profile.Profile{p}, sure...)
			}
		}
	}
	return sure, maybe, tried
}

// likely is the version for the search of profiles: a revision of 0 that is the kernel's own means the first revision,
// not an unknown one.
func (k *Kernel) likely() profile.Version {
	v := k.Version
	if revision, own := k.labRevision(); own && revision == 0 {
		v.Revision = 1
	}
	return v
}

// isOf reports whether a profile is of this very kernel, or of one kernel when the image does not say which it is.
func (k *Kernel) isOf(p *profile.Profile) bool {
	id, ok := p.Identity()
	return ok && (k.Identity.GUID == "" || strings.EqualFold(id.GUID, k.Identity.GUID) && id.Age == k.Identity.Age)
}

// shorten keeps the reasons of the likeliest profiles.
func shorten(tried []string) []string {
	const most = 4
	if len(tried) <= most {
		return tried
	}
	return append(tried[:most:most], fmt.Sprintf("and %d more profiles do not fit", len(tried)-most))
}

// verify checks a profile with the image: through one of the anchors it must lead to a System process in a list that is
// whole around it. The kernel it returns is complete.
func (f *finder) verify(k *Kernel, p *profile.Profile, m memory, image *kernelImage, anchors []anchor, variable func(string) (uint64, bool)) (*Kernel, error) {
	c, err := f.bind(k, p, m, variable)
	if err != nil {
		return nil, err
	}
	var reasons []string
	for _, a := range anchors {
		err := c.follow(a, image, f.lenient)
		if err == nil {
			return c, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", a.how, err))
	}
	return nil, fmt.Errorf("%s", strings.Join(reasons, "; "))
}

// bind returns the kernel with the layout of a profile.
func (f *finder) bind(k *Kernel, p *profile.Profile, m memory, variable func(string) (uint64, bool)) (*Kernel, error) {
	c := *k
	c.Found = append([]string(nil), k.Found...)
	c.Profile, c.layout = p, new(layout)
	if err := p.Bind(c.layout); err != nil {
		return nil, err
	}
	soft, ok := softFormat(p, k.Mode, f.mem.Size(), variable)
	if !ok {
		return nil, fmt.Errorf("no page-table entry format for %s", k.Mode.Name)
	}
	c.soft = soft
	c.kernel = memory{paging.NewSpace(k.Mode, f.cache, m.space.Root(), soft), m.pointer}
	return &c, nil
}
