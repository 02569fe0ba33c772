package nt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// row is a system of n minimal processes.
func row(t testing.TB, name string, n int) synth.System {
	s := synth.System{Profile: named(t, name), RAM: 32<<20 + int64(n)*12*pageSize&^0xfffff}
	for i := range n {
		s.Processes = append(s.Processes, synth.Process{PID: uint64(8 + 4*i), PPID: 4, Name: fmt.Sprintf("p%d", i), Minimal: true})
	}
	return s
}

func listed(k *Kernel) (pids []uint64, damage []string) {
	for p, err := range k.Processes() {
		if err != nil {
			damage = append(damage, err.Error())
			continue
		}
		pids = append(pids, p.PID)
	}
	return pids, damage
}

// TestDamagedProcessList damages the list of System (4) and six others, 8 to 28.
func TestDamagedProcessList(t *testing.T) {
	corpus.Long(t)
	for _, name := range kinds {
		for _, c := range []struct {
			what   string
			damage func(l *lab, links func(pid uint64) uint64)
			want   string
			errors []string // parts of the errors, in order
		}{
			{"whole", func(l *lab, links func(uint64) uint64) {}, "[4 8 12 16 20 24 28]", nil},
			{"wild pointer forward", func(l *lab, links func(uint64) uint64) { l.writePtr(links(12), 0x1230) },
				"[4 8 12 28 24 20 16]", []string{"to 0x1230"}},
			{"null pointer forward", func(l *lab, links func(uint64) uint64) { l.writePtr(links(12), 0) },
				"[4 8 12 28 24 20 16]", []string{"to 0x0"}},
			{"loop forward", func(l *lab, links func(uint64) uint64) { l.writePtr(links(20), links(12)) },
				"[4 8 12 16 20 28 24]", []string{"back to"}},
			{"loop to itself", func(l *lab, links func(uint64) uint64) { l.writePtr(links(20), links(20)) },
				"[4 8 12 16 20 28 24]", []string{"back to"}},
			{"wild pointers both ways", func(l *lab, links func(uint64) uint64) {
				l.writePtr(links(8), 0x1230)
				l.writePtr(links(24)+uint64(l.whole.kernel.pointer), 0x4560)
			}, "[4 8 28 24]", []string{"to 0x1230", "to 0x4560"}},
			{"loops both ways", func(l *lab, links func(uint64) uint64) {
				l.writePtr(links(8), links(4))
				l.writePtr(links(24)+uint64(l.whole.kernel.pointer), links(28))
			}, "[4 8 28 24]", []string{"back to", "back to"}},
			{"backward only", func(l *lab, links func(uint64) uint64) { l.writePtr(links(20)+uint64(l.whole.kernel.pointer), 0x1230) },
				"[4 8 12 16 20 24 28]", nil},
			{"one is unlinked forward", func(l *lab, links func(uint64) uint64) { l.writePtr(links(12), links(20)) },
				"[4 8 12 20 24 28]", nil},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				l := newLab(t, row(t, name, 6))
				truth := truthByPID(l.built)
				c.damage(l, func(pid uint64) uint64 { return truth[pid].EPROCESS + l.offset("_EPROCESS.ActiveProcessLinks") })
				got, damage := listed(l.kernel())
				if fmt.Sprint(got) != c.want || len(damage) != len(c.errors) {
					t.Fatalf("processes %v, want %v, damage %q", got, c.want, damage)
				}
				for i, part := range c.errors {
					if !strings.Contains(damage[i], part) {
						t.Errorf("damage %q does not say %q", damage[i], part)
					}
				}
			})
		}
	}
}

// TestProcessPageMissing removes the page of one process: the others are found from both ends.
func TestProcessPageMissing(t *testing.T) {
	s := row(t, "Win10x64_19041", 6)
	s.Processes[2].Bias = 0x800 // pid 16 on a page of its own
	s.Processes[3].Bias = 0x800
	l := newLab(t, s)
	l.cut(truthByPID(l.built)[16].EPROCESS)
	got, damage := listed(l.kernel())
	if fmt.Sprint(got) != "[4 8 12 28 24 20]" || len(damage) != 2 {
		t.Errorf("processes %v, damage %q", got, damage)
	}
}

func TestListStopsWhenAsked(t *testing.T) {
	l := newLab(t, row(t, "WinXPSP2x86", 3))
	for range l.whole.Processes() {
		break
	}
	truth := truthByPID(l.built)
	l.writePtr(truth[8].EPROCESS+l.offset("_EPROCESS.ActiveProcessLinks"), 0x1230)
	n := 0
	for _, err := range l.kernel().Processes() {
		if n++; err != nil {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d steps, want System, one process and the error", n)
	}
}

func TestManyProcesses(t *testing.T) {
	const n = 5000
	l := newLab(t, row(t, "Win7SP1x86", n))
	got, damage := listed(l.whole)
	if len(got) != n+1 || damage != nil || got[n] != 4+4*n {
		t.Errorf("%d processes, damage %q", len(got), damage)
	}
	if found := scanned(t, l.whole); len(found) != 0 {
		t.Errorf("%d of them are said to be unlinked", len(found))
	}
}

func TestProcessMembers(t *testing.T) {
	created := time.Date(2011, 1, 9, 12, 0, 0, 123456700, time.UTC)
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) {
			s := row(t, name, 1)
			s.Processes = append(s.Processes,
				synth.Process{PID: 1000, PPID: 8, Name: "\xff\x01 .\\", Path: `C:\Users\Zo€\a.exe`, Image: program(s.Profile, "a.exe"), Created: created, Threads: 7},
				synth.Process{PID: 1000, PPID: 999999, Name: "exactly_fifteen", Image: program(s.Profile, "b.exe"), Dead: true, Created: created, Exited: created.Add(time.Hour)},
				synth.Process{PID: 1008, Name: "", Minimal: true})
			l := newLab(t, s)
			var ps []*Process
			for p, err := range l.whole.Processes() {
				if err != nil {
					t.Fatal(err)
				}
				ps = append(ps, p)
			}
			if len(ps) != 5 {
				t.Fatalf("%d processes", len(ps))
			}
			odd, dead, nameless := ps[2], ps[3], ps[4]
			if odd.PID != 1000 || odd.PPID != 8 || string(odd.RawName) != "\xff\x01 .\\" || !odd.Created.Equal(created) || !odd.Exited.IsZero() || odd.Threads != 7 {
				t.Errorf("process %+v", odd)
			}
			if dead.PID != 1000 || dead.PPID != 999999 || string(dead.RawName) != "exactly_fifteen" || !dead.Exited.Equal(created.Add(time.Hour)) {
				t.Errorf("process %+v", dead)
			}
			if nameless.PID != 1008 || len(nameless.RawName) != 0 {
				t.Errorf("process %+v", nameless)
			}
			checkEnvironment(t, l, odd, dead, nameless)
		})
	}
}

func checkEnvironment(t *testing.T, l *lab, odd, dead, nameless *Process) {
	t.Helper()
	want := l.built.Truth.Processes[2]
	env, err := odd.Environment(odd.Space())
	if err != nil || uint64(env.ImageBase) != want.Base || env.Path != want.Path || env.CommandLine != want.CommandLine {
		t.Errorf("environment %+v, %v, want base %#x, %q, %q", env, err, want.Base, want.Path, want.CommandLine)
	}
	for _, p := range []*Process{dead, nameless} {
		var none *NoPEBError
		if _, err := p.Environment(p.Space()); !errors.As(err, &none) || err.Error() == "" {
			t.Errorf("%s has an environment: %v", p.RawName, err)
		}
	}
	if odd.CheckSpace() != nil {
		t.Errorf("page tables: %v", odd.CheckSpace())
	}
	if s, err := odd.ImageSection(); err != nil || uint64(s.Area) != want.ControlArea || len(s.Subsections) < 2 {
		t.Errorf("section %+v, %v", s, err)
	}
	n := 0
	for m, err := range env.Modules(l.whole) {
		if n++; err != nil || uint64(m.Base) != want.Base || m.Size != want.Size || m.Path != want.Path {
			t.Errorf("module %+v, %v", m, err)
		}
	}
	if n != 1 {
		t.Errorf("%d modules", n)
	}
}

func TestReusedPageTables(t *testing.T) {
	for _, name := range kinds {
		s := row(t, name, 0)
		s.Processes = []synth.Process{{PID: 8, Name: "a", Image: program(s.Profile, "a.exe"), Reused: true}}
		l := newLab(t, s)
		for p := range l.whole.Processes() {
			if err := p.CheckSpace(); (err != nil) != (p.PID == 8) {
				t.Errorf("%s, process %d: %v", name, p.PID, err)
			}
		}
	}
}

func TestFileTimes(t *testing.T) {
	for v, want := range map[uint64]string{
		0:                   "",
		116444736000000000:  "", // 1970
		119600064000000000:  "1980-01-01T00:00:00Z",
		129390049591234567:  "2011-01-09T00:02:39.1234567Z",
		189008640000000000:  "2199-12-12T00:00:00Z",
		200000000000000000:  "", // 2234
		1 << 62:             "",
		0xffffffffffffffff:  "",
		0x7fffffffffffffff:  "", // KTIMER's never
		116444735999999999:  "",
		0x8000000000000000:  "",
		132223104000000000:  "2020-01-01T00:00:00Z",
		13222310400000000:   "",
		1322231040000000000: "",
	} {
		got, ok := fileTime(v)
		if ok != (want != "") || ok && got.Format(time.RFC3339Nano) != want || !ok && !got.IsZero() {
			t.Errorf("%d: %v, %v, want %q", v, got, ok, want)
		}
	}
}

// unicode writes a _UNICODE_STRING.
func (f *flat) unicode(length int, buffer paging.Virt) paging.Virt {
	va := f.alloc(0x20)
	binary.LittleEndian.PutUint16(f.at(va, f.l.String.Length), uint16(length))
	f.ptr(va, f.l.String.Buffer, buffer)
	return va
}

func TestUnicodeStrings(t *testing.T) {
	for _, name := range kinds {
		f := newFlat(t, name, 1<<20)
		text := f.alloc(0x20000)
		copy(f.at(text, 0), "C\x00:\x00\\\x00\xac\x20\x00\xd8x\x00\x3d\xd8\x00\xde\x00\x00z\x00")
		end := f.base + paging.Virt(len(f.mem))
		for _, c := range []struct {
			what   string
			length int
			buffer paging.Virt
			want   string
			fails  bool
		}{
			{"empty", 0, 0x1234, "", false},
			{"one byte", 1, text, "", false},
			{"odd", 7, text, `C:\`, false},
			{"beyond ASCII", 8, text, `C:\€`, false},
			{"lone surrogate", 12, text, "C:\\€\ufffdx", false},
			{"surrogates", 16, text, "C:\\€\ufffdx\U0001f600", false},
			{"NUL inside", 20, text, "C:\\€\ufffdx\U0001f600\x00z", false},
			{"the longest", 0xffff, text, "C:\\€\ufffdx\U0001f600\x00z" + strings.Repeat("\x00", 0x7fff-10), false},
			{"wild buffer", 4, 0x1234, "", true},
			{"null buffer", 4, 0, "", true},
			{"over the end", 32, end - 16, "", true},
			{"around the top", 0xfffe, paging.Virt(0xffffffffffffff00), "", true},
		} {
			got, err := f.k.kernel.unicodeString(f.unicode(c.length, c.buffer), f.l)
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("%s/%s: %.40q, %v, want %.40q", name, c.what, got, err, c.want)
			}
		}
		if _, err := f.k.kernel.unicodeString(end-2, f.l); err == nil {
			t.Errorf("%s: a string over the end of memory is read", name)
		}
	}
}

// link makes a list of entries by the links at an offset in each.
func (f *flat) link(head paging.Virt, links profile.Offset, entries []paging.Virt) {
	at := head
	back := profile.Offset(f.k.kernel.pointer)
	for _, va := range append(slices.Clone(entries), head-paging.Virt(links)) {
		next := va + paging.Virt(links)
		f.ptr(at, 0, next)
		f.ptr(next, back, at)
		at = next
	}
}

// module writes an entry of a loader's list.
func (f *flat) module(base paging.Virt, path string) paging.Virt {
	va := f.alloc(0x120)
	f.ptr(va, f.l.Ldr.Base, base)
	f.u32(va, f.l.Ldr.Size, 0x1000)
	text := f.alloc(2*len(path) + 2)
	for i := range len(path) {
		f.at(text, 0)[2*i] = path[i]
	}
	s := f.unicode(2*len(path), text)
	copy(f.at(va, f.l.Ldr.FullName)[:16], f.at(s, 0)[:16])
	return va
}

func TestModuleLists(t *testing.T) {
	for _, name := range kinds {
		for _, c := range []struct {
			what  string
			next  func(f *flat, head paging.Virt, m []paging.Virt) // damages the list of three modules
			want  string
			error string
		}{
			{"whole", func(f *flat, head paging.Virt, m []paging.Virt) {}, "[a b c]", ""},
			{"empty", func(f *flat, head paging.Virt, m []paging.Virt) { f.link(head, f.l.Ldr.Links, nil) }, "[]", ""},
			{"loop", func(f *flat, head paging.Virt, m []paging.Virt) {
				f.ptr(m[2], f.l.Ldr.Links, m[1]+paging.Virt(f.l.Ldr.Links))
			}, "[a b c]", "leads back"},
			{"loop to itself", func(f *flat, head paging.Virt, m []paging.Virt) {
				f.ptr(m[0], f.l.Ldr.Links, m[0]+paging.Virt(f.l.Ldr.Links))
			}, "[a b c]", "leads back"},
			{"wild", func(f *flat, head paging.Virt, m []paging.Virt) { f.ptr(m[1], f.l.Ldr.Links, 0x1230) }, "[a b c]", "0x12"},
			{"wild on both ways", func(f *flat, head paging.Virt, m []paging.Virt) {
				f.ptr(m[0], f.l.Ldr.Links, 0x1230)
				f.ptr(m[2], f.l.Ldr.Links+profile.Offset(f.k.kernel.pointer), 0x1240)
			}, "[a c]", "0x123"},
			{"unlinked on the way forward", func(f *flat, head paging.Virt, m []paging.Virt) {
				f.ptr(m[0], f.l.Ldr.Links, m[2]+paging.Virt(f.l.Ldr.Links))
			}, "[a c b]", "but from there back to"},
			{"null head", func(f *flat, head paging.Virt, m []paging.Virt) {
				f.ptr(head, 0, 0)
				f.ptr(head, profile.Offset(f.k.kernel.pointer), 0)
			}, "[]", "address 0x"},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				f := newFlat(t, name, 1<<20)
				ldr := f.alloc(0x100)
				head := ldr + paging.Virt(f.l.Ldr.InLoadOrder)
				m := []paging.Virt{f.module(0x10000, "a"), f.module(0x20000, "b"), f.module(0x30000, "c")}
				f.link(head, f.l.Ldr.Links, m)
				c.next(f, head, m)
				e := &Environment{ldr: ldr, memory: f.k.kernel}
				got, last := []string{}, ""
				for module, err := range e.Modules(f.k) {
					if last != "" {
						t.Fatal("the list goes on behind an error")
					}
					if err != nil {
						last = err.Error()
						continue
					}
					got = append(got, module.Path)
				}
				if fmt.Sprint(got) != c.want || (last != "") != (c.error != "") || !strings.Contains(last, c.error) {
					t.Errorf("modules %v, error %q, want %s, %q", got, last, c.want, c.error)
				}
			})
		}
	}
}

// TestEndlessModuleList has more modules than there can be, and paths of more bytes than memory should hold.
func TestEndlessModuleList(t *testing.T) {
	corpus.Long(t)
	for what, c := range map[string]struct{ modules, path, most int }{
		"many":       {maxModules + 10, 1, maxModules},
		"long paths": {1000, 0x7fff, maxModulePaths/0x7fff + 1},
	} {
		f := newFlat(t, "WinXPSP2x86", 16<<20)
		ldr := f.alloc(0x100)
		text := f.alloc(0x10000)
		copy(f.at(text, 0), bytes.Repeat([]byte("x\x00"), 0x7fff))
		var m []paging.Virt
		for range c.modules {
			va := f.module(0, "")
			s := f.unicode(2*c.path, text)
			copy(f.at(va, f.l.Ldr.FullName)[:16], f.at(s, 0)[:16])
			m = append(m, va)
		}
		f.link(ldr+paging.Virt(f.l.Ldr.InLoadOrder), f.l.Ldr.Links, m)
		n, last := 0, error(nil)
		for _, err := range (&Environment{ldr: ldr, memory: f.k.kernel}).Modules(f.k) {
			if last = err; err == nil {
				n++
			}
		}
		if n != c.most || last == nil || !strings.Contains(last.Error(), "does not end") {
			t.Errorf("%s: %d modules, want %d, then %v", what, n, c.most, last)
		}
	}
}

// checkLoader checks the rules for all lists, damaged or not.
func checkLoader(t testing.TB, l *LoaderLists) {
	t.Helper()
	if len(l.Entries) > loaderLists*maxModules {
		t.Fatalf("%d entries", len(l.Entries))
	}
	seen := map[paging.Virt]bool{}
	places := map[[2]int]bool{}
	for _, e := range l.Entries {
		if seen[e.VA] {
			t.Fatalf("the entry at %#x comes twice", uint64(e.VA))
		}
		seen[e.VA] = true
		for o, place := range e.Places {
			if place < NoPlace || place > maxModules || place >= 0 && places[[2]int{o, place}] {
				t.Fatalf("the entry at %#x has the place %d in %s", uint64(e.VA), place, LoaderOrder(o))
			}
			places[[2]int{o, place}] = true
		}
	}
	for o := range l.Errors {
		if !l.Complete[o] && l.Errors[o] == nil {
			t.Fatalf("the list %s is not complete, and nothing says why", LoaderOrder(o))
		}
	}
}

// FuzzProcess takes any bytes for an _EPROCESS and the memory around it.
func FuzzProcess(f *testing.F) {
	for i, name := range kinds {
		l := newLab(f, row(f, name, 1))
		b := l.blockOf(8)
		f.Add(uint8(i), b.b[b.head:])
	}
	f.Fuzz(func(t *testing.T, kind uint8, mem []byte) {
		fl := newFlat(t, kinds[int(kind)%len(kinds)], 1<<16)
		copy(fl.mem[0x4000:], mem)
		for i := 0x8000; i+8 <= len(fl.mem) && len(mem) >= 8; i += 8 { // pointers that lead somewhere
			copy(fl.mem[i:], mem[i%(len(mem)-7):][:8])
		}
		fl.k.cache = nil
		fl.k.PsActiveProcessHead = fl.base + 0x4000
		n := 0
		for p, err := range fl.k.Processes() {
			if n++; n > 1<<14 {
				t.Fatal("more processes than the memory can hold")
			}
			if err == nil && (len(p.RawName) > maxName || !p.Created.IsZero() && p.Created.Year() < 1980) {
				t.Fatalf("process %+v", p)
			}
		}
		p, err := fl.k.Process(fl.base + 0x4000)
		if err != nil {
			t.Fatal(err)
		}
		p.tables, p.complete = fl.k.Space, fl.k.Space
		_ = p.CheckSpace()
		p.coherence()
		p.SessionID()
		p.Wow64PEB()
		p.FilePath()
		if env, err := p.Environment(fl.k.Space); err == nil {
			for range env.Modules(fl.k) {
				continue
			}
			checkLoader(t, env.Loader(fl.k))
			if found, _ := p.FindModules(); len(found) > 1<<14 {
				t.Fatalf("%d modules", len(found))
			}
		}
	})
}
