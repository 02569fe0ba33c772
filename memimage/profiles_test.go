package memimage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// builtSystem is a small system of a profile with processes of all sorts, their pages in all states.
func builtSystem(p *profile.Profile) synth.System {
	bits := int(p.Arch().PointerSize()) * 8
	exe := func(name string, bits int) *synth.Executable {
		return synth.NewProgram(synth.Program{Name: name, Bits: bits, Code: 0x3000, Data: 0x2000})
	}
	dll := func(bits int) synth.Module {
		base := map[int]uint64{32: 0x7c900000, 64: 0x7ffd1000000}[bits]
		return synth.Module{Image: synth.NewProgram(synth.Program{Name: "ntdll.dll", Bits: bits, Base: base, DLL: true}), Path: `C:\WINDOWS\system32\ntdll.dll`}
	}
	modules := []synth.Module{dll(bits)}
	mixed := func(s synth.Process) synth.Process {
		s.Pages, s.Section, s.Modules = synth.Mixed(s.PID), synth.MixedSection(s.PID), modules
		s.Cached = func(page int) bool { return page%3 != 1 }
		return s
	}
	one := exe("one.exe", bits)
	sys := synth.System{Profile: p, RAM: 32 << 20, Seed: uint64(p.Version().Build), Processes: []synth.Process{
		{PID: 88, PPID: 4, Name: "Registry", Minimal: true},
		{PID: 368, PPID: 4, Name: "smss.exe", Image: one, Modules: modules},
		mixed(synth.Process{PID: 400, PPID: 368, Name: "csrss.exe", Image: exe("two.exe", bits)}),
		mixed(synth.Process{PID: 404, PPID: 368, Name: "a_name_longer_than_it.exe", CommandLine: `"a name" /x`, Image: one}),
		{PID: 1200, PPID: 400, Name: "hidden.exe", Image: one, Modules: modules, Hidden: true},
		{PID: 1204, PPID: 400, Name: "ghost.exe", Image: one, Ghost: true},
		{PID: 1208, PPID: 400, Name: "dead.exe", Image: one, Dead: true},
		{PID: 1212, PPID: 400, Name: "", Image: one, PEB: synth.PageFile},
	}}
	if bits == 64 {
		sys.Processes = append(sys.Processes, synth.Process{PID: 2000, PPID: 400, Name: "wow.exe", Image: exe("wow.exe", 32), Wow64: true, Modules: modules})
	}
	return sys
}

func buildMemory(t testing.TB, sys synth.System) *synth.Memory {
	t.Helper()
	m, err := synth.Build(sys)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func openMemory(t testing.TB, m *synth.Memory, o Options) *Image {
	t.Helper()
	im, err := OpenMemory(context.Background(), "built", m.Reader, o)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// checkBuilt compares all processes of an image with the processes that were built. Where the kernel found no offset
// for a member, results that need it may be missing, but must never be wrong.
func checkBuilt(t *testing.T, m *synth.Memory, o Options) *Image {
	t.Helper()
	im := openMemory(t, m, o)
	partly := strings.Contains(strings.Join(im.Kernel.Found, "\n"), "nothing is read of: ")
	all := allProcesses(t, im)
	o.AllPages = true
	everything := allProcesses(t, openMemory(t, m, o))
	for _, want := range m.Truth.Processes {
		if want.Name == "Idle" {
			continue
		}
		p := all[uint64(want.EPROCESSPhys)]
		if p == nil {
			t.Errorf("process %d %q at %#x is missing", want.PID, want.Name, want.EPROCESSPhys)
			continue
		}
		delete(all, uint64(p.PA))
		checkBuiltProcess(t, p, &want, partly)
		checkBuiltDumps(t, p, &want, synth.OwnTable, false)
		checkBuiltDumps(t, everything[uint64(want.EPROCESSPhys)], &want, synth.VADs, partly)
		checkBuiltRestored(t, p, &want, partly)
	}
	for _, p := range all {
		t.Errorf("process %d %q at %#x does not exist", p.PID, p.RawName, uint64(p.PA))
	}
	return im
}

func checkBuiltProcess(t *testing.T, p *Process, want *synth.ProcessTruth, partly bool) {
	t.Helper()
	got := fmt.Sprintln(p.PID, p.PPID, string(p.RawName), p.Listed, p.PEB, p.Created.Unix(), p.SectionBase())
	expect := fmt.Sprintln(want.PID, want.PPID, want.Name, want.Listed, want.PEB, want.Created.Unix(), want.Base)
	if got != expect {
		t.Errorf("process is %swant %s", got, expect)
	}
	if p.Exited.IsZero() != want.Exited.IsZero() || !p.Exited.IsZero() && p.Exited.Unix() != want.Exited.Unix() {
		t.Errorf("process %d exited %v, want %v", p.PID, p.Exited, want.Exited)
	}
	if vads := slices.Collect(maps.Keys(maps.Collect(p.VADs()))); !want.Dead && len(vads) != want.VADs && !(partly && len(vads) == 0) {
		t.Errorf("process %d has %d VADs, want %d", p.PID, len(vads), want.VADs)
	}
	if peb, ok := p.Wow64PEB(); ok != want.Wow64 || uint64(peb) != want.PEB32 {
		t.Errorf("process %d: 32-bit PEB at %#x (%v), want %#x", p.PID, uint64(peb), ok, want.PEB32)
	}
	if want.Path != "" && p.PID != 4 && !strings.HasSuffix(p.AuditPath(), want.Path[2:]) {
		t.Errorf("process %d: audit path %q, want that of %q", p.PID, p.AuditPath(), want.Path)
	}
	env, err := p.Environment()
	if err != nil {
		return // the dumps check that this is right
	}
	if uint64(env.ImageBase) != want.Base || env.Path != want.Path || env.CommandLine != want.CommandLine {
		t.Errorf("process %d: base %#x path %q command line %q, want %#x %q %q", p.PID, uint64(env.ImageBase), env.Path, env.CommandLine,
			want.Base, want.Path, want.CommandLine)
	}
	checkBuiltModules(t, p, env, want)
}

func checkBuiltModules(t *testing.T, p *Process, env *nt.Environment, want *synth.ProcessTruth) {
	t.Helper()
	var got, expect []string
	for m, err := range env.Modules(p.Kernel()) {
		if err != nil {
			t.Errorf("process %d: modules: %v", p.PID, err)
		}
		got = append(got, fmt.Sprintf("%#x %#x %s", uint64(m.Base), m.Size, m.Path))
	}
	for _, m := range want.Modules {
		expect = append(expect, fmt.Sprintf("%#x %#x %s", m.Base, m.Size, m.Path))
	}
	if !slices.Equal(got, expect) {
		t.Errorf("process %d: modules %q, want %q", p.PID, got, expect)
	}
}

// checkBuiltDumps compares both dumps with the dumps that their rules give with the page sources of level.
func checkBuiltDumps(t *testing.T, p *Process, want *synth.ProcessTruth, level synth.Level, partly bool) {
	t.Helper()
	exe, err := p.FileDump()
	expect, expectErr := want.ProcExeDump(level)
	checkBuiltDump(t, fmt.Sprintf("process %d in file layout", p.PID), exe, err, expect, expectErr, partly)
	mem, err := p.MemoryDump()
	expect, expectErr = want.ProcMemDump(level)
	checkBuiltDump(t, fmt.Sprintf("process %d in memory layout", p.PID), mem, err, expect, expectErr, partly)
}

func checkBuiltDump(t *testing.T, what string, e *Executable, err error, want []byte, wantErr error, partly bool) {
	t.Helper()
	if (err == nil) != (wantErr == nil) || err == nil && e.Reader.Size() != int64(len(want)) {
		t.Errorf("%s: %v, want %v and %d bytes", what, err, wantErr, len(want))
		return
	}
	if err != nil || wantErr != nil {
		return
	}
	got := allBytes(t, e.Reader)
	for run := range sparse.Runs(e.Reader) {
		if end := run.Off + run.Len; run.Err == nil && !bytes.Equal(got[run.Off:end], want[run.Off:end]) {
			t.Errorf("%s: other bytes than were built, from %#x to %#x", what, run.Off, end)
		}
	}
	if !partly && !bytes.Equal(got, want) {
		t.Errorf("%s: not all of the bytes that were built", what)
	}
}

func allBytes(t *testing.T, r *sparse.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(sparse.ZeroFill(r, nil), 0, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkBuiltRestored checks that every byte in an exact row equals the file's.
func checkBuiltRestored(t *testing.T, p *Process, want *synth.ProcessTruth, partly bool) {
	t.Helper()
	r, err := p.Restored()
	if err != nil {
		if want.File != nil && !want.Dead && !partly {
			t.Errorf("process %d is not restored: %v", p.PID, err)
		}
		return
	}
	if want.File == nil {
		t.Errorf("process %d has no executable, yet one of %d bytes is restored", p.PID, r.Reader.Size())
		return
	}
	got, exact := allBytes(t, r.Reader), int64(0)
	for _, row := range r.Rows {
		if !row.Exact() || row.FileOffset+row.Length > int64(len(want.File)) {
			continue
		}
		exact += row.Length
		if !bytes.Equal(got[row.FileOffset:row.FileOffset+row.Length], want.File[row.FileOffset:row.FileOffset+row.Length]) {
			t.Errorf("process %d: restored bytes from %#x on (%v) are not those of the file", p.PID, row.FileOffset, row)
		}
	}
	if exact == 0 && !want.Dead && !partly {
		t.Errorf("process %d: nothing is restored for certain", p.PID)
	}
}

// testedProfiles are all built-in profiles, or some where the race detector runs, which is slow.
func testedProfiles() iter.Seq[*profile.Profile] {
	return func(yield func(*profile.Profile) bool) {
		n := 0
		for p := range profile.Builtin().All() {
			if n++; raceEnabled && n%8 != 0 {
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
}

// TestEveryProfile builds a system with the offsets of every profile and opens it without naming the profile.
func TestEveryProfile(t *testing.T) {
	for p := range testedProfiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			m := buildMemory(t, builtSystem(p))
			im := checkBuilt(t, m, Options{})
			if len(p.Kernels()) > 0 && (!im.Kernel.Exact || im.Kernel.Profile.Name() != p.Name()) {
				t.Errorf("profile %s was chosen (exact: %v)", im.Kernel.Profile.Name(), im.Kernel.Exact)
			}
			if uint64(im.Kernel.PsActiveProcessHead) != m.Truth.Kernel.PsActiveProcessHead || im.Kernel.DTB() != paging.Phys(m.Truth.Kernel.DTB) {
				t.Errorf("the list's head is %#x, the DTB %#x", uint64(im.Kernel.PsActiveProcessHead), uint64(im.Kernel.DTB()))
			}
		})
	}
}

// TestEveryProfileMissing does the same without the profile, so that a profile of another build must be used.
func TestEveryProfileMissing(t *testing.T) {
	for p := range testedProfiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			others := profile.Builtin().Without(func(other *profile.Profile) bool { return other.Name() == p.Name() })
			im := checkBuilt(t, buildMemory(t, builtSystem(p)), Options{Profiles: others})
			if im.Kernel.Exact || im.Kernel.Profile.Name() == p.Name() {
				t.Errorf("profile %s was chosen (exact: %v) though there is none", im.Kernel.Profile.Name(), im.Kernel.Exact)
			}
		})
	}
}
