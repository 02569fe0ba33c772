package memimage

import (
	"errors"
	"strings"

	"memlens/memimage/nt"
	"memlens/memimage/profile"
	"memlens/memimage/reason"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// openDump opens the dump of a process: an image of one process, without a system.
func (im *Image) openDump(profiles *profile.Set) error {
	if len(im.options.PageFiles) > 0 {
		return errors.New("memimage: the dump of a process has nothing to do with page files: give it without --pagefile")
	}
	k, err := nt.OpenDump(im.Container.Process, profiles)
	if err != nil {
		return err
	}
	im.Kernel = k
	im.lazily()
	return nil
}

// dumpLacks says in sentences what the dump of a process lacks and the memory of the system would have.
func (im *Image) dumpLacks() []string {
	if !im.IsDump() {
		return nil
	}
	d := im.Container.Process
	out := []string{"It is the dump of one process. The kernel's structures are not in it: no other process, no driver, no physical address, no parent, no section object and " +
		"none of the pages that the system keeps of the mapped files. So what a page was in its file is not known, and memory is compared with references alone. Paths are those of the process's own lists."}
	if !d.HasInfos {
		out = append(out, "The dump does not give the kind and the protection of memory (it has no MemoryInfoListStream, MiniDumpWithFullMemoryInfo): it is assumed that a module's "+
			"file is mapped where a list says so, and injected programs are looked for only where ranges of memory begin.")
	}
	if !d.Full {
		out = append(out, "The dump has only a part of the process's memory (it was taken without MiniDumpWithFullMemory): missing pages are not in the dump, which is no sign of anything.")
	}
	return out
}

// dumpWarnings are the warnings of a process in a dump. The dump's own list of modules is the only other source for the
// name of its program.
func (p *Process) dumpWarnings() []reason.Reason {
	out := []reason.Reason{}
	env, err := p.Environment()
	if err != nil || p.DumpedBase() == 0 {
		return out
	}
	if base := p.DumpedBase(); base != env.ImageBase {
		out = append(out, reason.New(reason.PEBNamesOtherBase, "the PEB says that the executable lies at %#x, where the dump's list of modules has none; the first of that list is %s at %#x",
			uint64(env.ImageBase), p.DumpedPath(), uint64(base)))
	} else if a, b := baseName(env.Path), baseName(p.DumpedPath()); a != "" && b != "" && !strings.EqualFold(a, b) {
		out = append(out, reason.New(reason.PEBNamesOtherFile, "the PEB says that the executable is %s, and the dump's list of modules that it is %s", env.Path, p.DumpedPath()))
	}
	if v, ok := p.VAD(env.ImageBase); ok && !v.Unknown && !v.Image {
		out = append(out, baseUnbacked(env.ImageBase))
	} else if !ok && p.image.Container.Process.HasInfos {
		out = append(out, baseUnmapped(env.ImageBase))
	}
	return out
}

// dumped returns the page at an RVA of an image in a dump. The process may have written to any such page.
func (s *pageSources) dumped(rva uint32) []restore.Page {
	page, err := s.page(s.Space, rva)
	if err != nil {
		return nowhereElse(err)
	}
	c := s.processPage(page)
	c.Label, c.Assumed, c.Unproved = FromDump.String(), s.Assumed, true
	if _, err := sparse.FirstHole(page.Src, page.Off, pageSize); sparse.IsHole(err) {
		return []restore.Page{missingPage("a part of the page is not in the dump")}
	}
	return []restore.Page{c}
}
