package nt

import (
	"slices"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// change is damage to one thing that leads to the kernel.
type change struct {
	name string
	do   func(l *lab)
	says string // text that Found must have; empty: the system is found without help
}

// flip changes bytes at an address of the system.
func (l *lab) flip(va uint64, n int, with func(old []byte) []byte) {
	l.t.Helper()
	l.write(va, with(l.read(l.pa(va), n)))
}

// flipped changes one bit of a middle byte, zeroed and ones all bits.
func flipped(b []byte) []byte {
	b[len(b)/2] ^= 0x14
	return b
}

func zeroed(b []byte) []byte { return make([]byte, len(b)) }

func ones(b []byte) []byte { return slices.Repeat([]byte{0xff}, len(b)) }

// changesTo are the ways in which n bytes at an address of the system are damaged.
func changesTo(name string, says string, n int, va func(l *lab) uint64) []change {
	var out []change
	for how, with := range map[string]func([]byte) []byte{"flipped": flipped, "zeroed": zeroed, "ones": ones} {
		out = append(out, change{name + " " + how, func(l *lab) { l.flip(va(l), n, with) }, says})
	}
	return out
}

// ofSystem is the address of a member of System's structure.
func ofSystem(path string) func(l *lab) uint64 {
	return func(l *lab) uint64 { return uint64(l.whole.SystemProcess) + l.offset("_EPROCESS."+path) }
}

func ofShared(off uint64) func(l *lab) uint64 {
	return func(l *lab) uint64 { return uint64(l.whole.Mode.Arch.Shared) + off }
}

func ofKDBG(off uint64) func(l *lab) uint64 {
	return func(l *lab) uint64 { return l.built.Truth.Kernel.KDBG + off }
}

func ofImage(off uint64) func(l *lab) uint64 {
	return func(l *lab) uint64 { return l.built.Truth.Kernel.Base + off }
}

// inHeader is an offset from the PE signature of the kernel.
func inHeader(off uint64) func(l *lab) uint64 {
	return func(l *lab) uint64 {
		lfanew, err := l.whole.kernel.u32(l.whole.Base + 0x3c)
		if err != nil {
			l.t.Fatal(err)
		}
		return uint64(l.whole.Base) + lfanew + off
	}
}

// ofDirectory is an offset in the data that an entry of the data directory leads to.
func ofDirectory(i, off uint64) func(l *lab) uint64 {
	return func(l *lab) uint64 {
		rva, err := l.whole.kernel.u32(paging.Virt(l.directory(i)))
		if err != nil {
			l.t.Fatal(err)
		}
		return uint64(l.whole.Base) + rva + off
	}
}

// oneChange are all changes: to System's structure, the list, the page that Windows shares with its programs, the
// debugger data block, and the kernel's headers.
func oneChange() []change {
	pointer := func(l *lab) uint64 { return uint64(l.whole.kernel.pointer) }
	head := func(l *lab) uint64 { return l.built.Truth.Kernel.PsActiveProcessHead }
	return slices.Concat(
		changesTo("System's name", "is odd", 6, ofSystem("ImageFileName")),
		changesTo("System's id", "is odd", 4, ofSystem("UniqueProcessId")),
		changesTo("System's directory table base", "is odd", 4, ofSystem("Pcb.DirectoryTableBase")),
		[]change{{"System's PEB", func(l *lab) { l.writePtr(ofSystem("Peb")(l), 0x7ffd0014) }, "is odd"}},
		changesTo("System's Flink", "", 4, ofSystem("ActiveProcessLinks")),
		changesTo("System's Blink", "", 4, func(l *lab) uint64 { return ofSystem("ActiveProcessLinks")(l) + pointer(l) }),
		changesTo("the head's Flink", "", 4, head),
		changesTo("the head's Blink", "", 4, func(l *lab) uint64 { return head(l) + pointer(l) }),
		changesTo("System's dispatcher header", "", 1, ofSystem("Pcb.Header")),
		[]change{{"the page with System's structure", func(l *lab) { l.cut(uint64(l.whole.SystemProcess)) }, "is odd"},
			{"System's page directory", func(l *lab) { l.cutPhys(l.ownTable()) }, "another process's"},
			{"the page with the head", func(l *lab) { l.cut(head(l)) }, ""},
			{"the shared page", func(l *lab) { l.cut(ofShared(0)(l)) }, "is lost"},
			{"the shared page's table", func(l *lab) { l.cutPhys(l.tableOf(l.whole.Mode.Arch.Shared, len(l.whole.Mode.Levels)-1)) }, "is lost"}},
		changesTo("the major version", "", 4, ofShared(0x26c)),
		changesTo("the minor version", "", 4, ofShared(0x270)),
		changesTo("the system root", "", 6, ofShared(0x30)),
		changesTo("the system time", "", 8, ofShared(0x14)),
		changesTo("the product type", "", 4, ofShared(0x264)),
		changesTo("the build in the shared page", "", 4, ofShared(0x260)),
		changesTo("the machine type", "", 4, ofShared(0x2c)),
		changesTo("the block's tag", "", 4, ofKDBG(0x10)),
		changesTo("the block's size", "", 4, ofKDBG(0x14)),
		changesTo("the block's kernel", "", 8, ofKDBG(0x18)),
		changesTo("the block's list", "", 8, ofKDBG(0x50)),
		changesTo("the block's modules", "", 8, ofKDBG(0x48)),
		changesTo("the DOS magic", "", 2, ofImage(0)),
		changesTo("the place of the PE header", "", 4, ofImage(0x3c)),
		changesTo("the PE signature", "", 4, inHeader(0)),
		changesTo("the header's size of the image", "", 4, inHeader(0x18+0x38)),
		changesTo("the header's magic", "", 2, inHeader(0x18)),
		changesTo("the export directory's place", "", 4, func(l *lab) uint64 { return l.directory(0) }),
		changesTo("the debug directory's place", "", 4, func(l *lab) uint64 { return l.directory(6) }),
		changesTo("the export directory's name", "", 4, ofDirectory(0, 12)),
		changesTo("the export directory's names", "", 4, ofDirectory(0, 32)),
		changesTo("the export directory's functions", "", 4, ofDirectory(0, 28)),
		changesTo("the export directory's count", "", 4, ofDirectory(0, 24)),
		changesTo("the debug record's type", "", 4, ofDirectory(6, 12)),
		changesTo("the debug record's place", "", 4, ofDirectory(6, 20)),
		changesTo("PsInitialSystemProcess", "", 4, func(l *lab) uint64 { return l.built.Truth.Kernel.PsInitialSystemProcess }),
	)
}

// TestOneChange: whichever one thing is damaged on the way to the kernel, the system opens, with all processes, and
// Found names the odd part.
func TestOneChange(t *testing.T) {
	corpus.Long(t)
	for _, kind := range append(kinds, "Win7SP1x86_24000") {
		whole := newLab(t, system(t, kind))
		want, _ := listed(whole.whole)
		for _, c := range oneChange() {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				l := *whole
				l.t, l.damage = t, nil
				c.do(&l)
				k, err := l.find()
				if err != nil {
					t.Fatal(err)
				}
				if k.PsActiveProcessHead != l.whole.PsActiveProcessHead || k.SystemProcess != l.whole.SystemProcess {
					t.Errorf("the list's head at %#x, System at %#x", uint64(k.PsActiveProcessHead), uint64(k.SystemProcess))
				}
				got, damage := listed(k)
				if missing := without(want, append(got, c.lost(whole)...)); len(missing) > 0 {
					t.Errorf("processes %v of %v are missing; damage %q", missing, want, damage)
				}
				if said := strings.Join(k.Found, "\n"); !strings.Contains(said, c.says) {
					t.Errorf("it does not say %q: %s", c.says, said)
				}
				if k.layout.EPROCESS != l.whole.layout.EPROCESS { // where the kernel's identity is damaged, a near profile's others may differ
					t.Errorf("profile %s has other offsets than %s", k.Profile.Name(), l.whole.Profile.Name())
				}
			})
		}
	}
}

// lost are the ids of the processes that may be missing: System, and with its page the processes with structures there.
func (c *change) lost(l *lab) []uint64 {
	out := []uint64{systemID}
	page := l.whole.SystemProcess &^ 0xfff
	for p := range l.whole.Processes() {
		if end := p.VA + paging.Virt(l.whole.eprocessSize()); strings.HasPrefix(c.name, "the page with System") && end > page && p.VA < page+pageSize {
			out = append(out, p.PID)
		}
	}
	return out
}

// without returns the ids of a that are not among b.
func without(a, b []uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(a), func(id uint64) bool { return slices.Contains(b, id) })
}

// ownTable is the physical address of System's own table with the kernel. On a PAE system that is no root, because the
// roots of all processes lie in one page.
func (l *lab) ownTable() int64 {
	if l.whole.Mode == paging.PAE {
		return l.tableOf(l.whole.Base, 1)
	}
	return l.tableOf(l.whole.Base, 0)
}

// cutPhys removes the page at a physical address.
func (l *lab) cutPhys(pa int64) {
	l.damage = append(l.damage, sparse.Extent{Off: pa &^ 0xfff, Len: pageSize, Src: hole})
}

// TestOddSystemByWrongProfiles: an odd System process must not let a profile with wrong offsets pass.
func TestOddSystemByWrongProfiles(t *testing.T) {
	corpus.Long(t)
	for _, kind := range []string{"WinXPSP2x86", "Win7SP1x64", "Win10x64_19041"} {
		l := newLab(t, system(t, kind))
		l.flip(ofSystem("ImageFileName")(l), 6, flipped)
		own := outlineOf(l.whole.layout)
		taken := 0
		for p := range profile.Builtin().All() {
			other := new(layout)
			if p.Arch() != l.sys.Profile.Arch() || p.Bind(other) != nil {
				continue
			}
			l.options.Force = p
			k, err := l.find()
			if right := outlineOf(other) == own; right != (err == nil) {
				t.Errorf("%s by %s: %v, want it taken: %v", kind, p.Name(), err, right)
			}
			if err == nil {
				taken++
				if said := strings.Join(k.Found, "\n"); !strings.Contains(said, "is odd") {
					t.Errorf("%s by %s does not say that System is odd: %s", kind, p.Name(), said)
				}
			}
		}
		if taken == 0 {
			t.Errorf("%s: no profile is taken", kind)
		}
	}
}

// outlineOf are the offsets that processes prove.
func outlineOf(l *layout) [5]profile.Offset {
	e := &l.EPROCESS
	return [5]profile.Offset{e.DTB, e.PID, e.Links, e.PEB, profile.Offset(e.Name.Offset)}
}
