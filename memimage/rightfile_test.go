package memimage

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/reason"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// forms are profiles with all forms of address descriptors and sections.
var forms = []string{"WinXPSP2x86", "Win2003SP2x86", "Win7SP1x86", "Win7SP1x64", "Win10x64_19041"}

func profileNamed(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// exe is an executable for a profile, linked for an address that suits it.
func exe(p *profile.Profile, name string, base uint64) *synth.Executable {
	return synth.NewProgram(synth.Program{Name: name, Bits: int(p.Arch().PointerSize()) * 8, Base: base})
}

func everyPage(int) bool { return true }

// crowd are ordinary processes, by which the kernel's members are found.
func crowd(p *profile.Profile) (out []synth.Process) {
	program := synth.NewProgram(synth.Program{Name: "plain.exe", Bits: int(p.Arch().PointerSize()) * 8, Base: 0x3000000, Code: 0x1000, Data: 0x800})
	for pid := uint64(60); pid < 100; pid += 4 {
		out = append(out, synth.Process{PID: pid, PPID: 4, Name: "plain.exe", Image: program})
	}
	return out
}

func pidOf(t testing.TB, im *Image, pid uint64) *Process {
	t.Helper()
	processes, _ := im.Processes()
	for _, p := range processes {
		if p.PID == pid {
			return p
		}
	}
	t.Fatalf("no process %d", pid)
	return nil
}

// exactBytes compares the exact rows with the right file, and returns how many bytes they have.
func exactBytes(t testing.TB, r *restore.Result, want []byte) (n int64) {
	t.Helper()
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Exact() {
			continue
		}
		n += row.Length
		got := make([]byte, row.Length)
		if _, err := r.Reader.ReadAt(got, row.FileOffset); err != nil && err != io.EOF {
			t.Errorf("row at %#x: %v", row.FileOffset, err)
		}
		if end := row.FileOffset + row.Length; end > int64(len(want)) || !bytes.Equal(got, want[row.FileOffset:end]) {
			t.Errorf("row at %#x (%s) is said to be exact and is not the file's", row.FileOffset, row.Source)
		}
	}
	return n
}

// TestAMappingsFileIsItsOwn lays out processes with an image base that does not have the file that the process was made
// from, and restores the image there.
func TestAMappingsFileIsItsOwn(t *testing.T) {
	corpus.Long(t)
	for _, name := range forms {
		p := profileNamed(t, name)
		own, other, payload := exe(p, "own.exe", 0x400000), exe(p, "other.exe", 0x2000000), exe(p, "payload.exe", 0x400000)
		for _, c := range []struct {
			what  string
			set   func(s *synth.Process)
			exact []byte // the file that rows may be exact of; nil: of none
			whole bool   // all of that file is exact
			warns string // the text of the warning
		}{
			{"as the kernel made it", func(s *synth.Process) {}, own.File, true, ""},
			{"the PEB names another mapped image", func(s *synth.Process) {
				s.PEBBase = 0x2000000
				s.Modules = []synth.Module{{Image: other, Path: `C:\other.exe`}}
			}, other.File, false, `but the kernel mapped it at 0x400000; there \other.exe is mapped`},
			{"private memory at another address", func(s *synth.Process) {
				s.PEBBase = 0x5000000
				s.Modules = []synth.Module{{Image: payload, Path: `C:\payload.exe`, Base: 0x5000000, Private: true}}
			}, nil, false, "no image is mapped there"},
			{"private memory where the image was", func(s *synth.Process) {
				s.Unmapped = true
				s.Modules = []synth.Module{{Image: payload, Path: `C:\payload.exe`, Base: 0x400000, Private: true}}
			}, nil, false, "not mapped from an executable"},
			{"another image where the image was", func(s *synth.Process) {
				s.Unmapped = true
				s.Modules = []synth.Module{{Image: other, Path: `C:\other.exe`, Base: 0x400000}}
			}, other.File, false, `from another file than the one at its image base 0x400000; there \other.exe is mapped`},
			{"nothing where the image was", func(s *synth.Process) { s.Unmapped = true }, own.File, false, "nothing is mapped at the image base"},
			{"no descriptor", func(s *synth.Process) { s.Orphan = true }, own.File, true, ""},
			{"an address without a descriptor", func(s *synth.Process) { s.PEBBase = 0x6000000 }, own.File, true, "no image is mapped there"},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				s := synth.Process{PID: 40, PPID: 4, Name: "own.exe", Image: own, Cached: everyPage}
				c.set(&s)
				// another process has all of the other file in the cache
				sys := synth.System{Profile: p, RAM: 32 << 20, Processes: []synth.Process{s,
					{PID: 44, PPID: 4, Name: "other.exe", Image: other, Cached: everyPage}}}
				sys.Processes = append(sys.Processes, crowd(p)...)
				im := openMemory(t, buildMemory(t, sys), Options{})
				proc := pidOf(t, im, 40)
				if w := strings.Join(reason.Texts(proc.Warnings()), "; "); (w == "") != (c.warns == "") || !strings.Contains(w, c.warns) {
					t.Errorf("warnings %q, want %q", w, c.warns)
				}
				if w := pidOf(t, im, 44).Warnings(); len(w) > 0 {
					t.Errorf("a process that was left alone: %q", w)
				}
				r, err := proc.Restored()
				if err != nil {
					if c.exact == nil {
						return
					}
					t.Fatal(err)
				}
				if n := exactBytes(t, r, c.exact); c.exact != nil && n == 0 || c.whole && n != int64(len(own.File)) {
					t.Errorf("%d bytes are exact", n)
				}
			})
		}
	}
}

// TestTheProgramInPrivateMemoryIsRestored compares the restored file of a program laid out by hand with its file: it is
// complete, and no byte is exact.
func TestTheProgramInPrivateMemoryIsRestored(t *testing.T) {
	for _, name := range forms {
		p := profileNamed(t, name)
		own, payload := exe(p, "own.exe", 0x400000), exe(p, "payload.exe", 0x400000)
		im := openMemory(t, buildMemory(t, synth.System{Profile: p, RAM: 32 << 20, Processes: []synth.Process{{
			PID: 40, PPID: 4, Name: "own.exe", Image: own, Cached: everyPage, Unmapped: true,
			Modules: []synth.Module{{Image: payload, Base: 0x400000, Private: true}},
		}}}), Options{})
		r, err := pidOf(t, im, 40).Restored()
		if err != nil {
			t.Fatal(err)
		}
		s := r.Summary()
		if s.Bytes[restore.Private] != r.Reader.Size() || s.Written != r.Reader.Size() || s.Exact != 0 {
			t.Errorf("%s: %+v of %d bytes", name, s, r.Reader.Size())
		}
		text := make([]byte, 0x1000)
		if _, err := r.Reader.ReadAt(text, 0x400); err != nil || !bytes.Equal(text[:32], payload.File[0x400:0x420]) {
			t.Errorf("%s: the code is not the program's: %x, %v", name, text[:32], err)
		}
	}
}

// TestAnotherProcesssPages takes a page from another process's page tables only where they prove that it is the
// section's.
func TestAnotherProcesssPages(t *testing.T) {
	corpus.Long(t)
	const page = 1 // of .text
	for _, c := range []struct {
		profile, what string
		set           func(ps []synth.Process)
		found         bool
	}{
		{"WinXPSP2x86", "two that share it", func([]synth.Process) {}, true},
		{"Win7SP1x64", "two that share it", func([]synth.Process) {}, true},
		{"Win10x64_19041", "two that share it, where pages are combined", func([]synth.Process) {}, false},
		{"WinXPSP2x86", "one has it", func(ps []synth.Process) { ps[2].Pages = ps[0].Pages }, false},
		{"WinXPSP2x86", "one has written to it", func(ps []synth.Process) { ps[2].Written = []int{page} }, false},
		{"WinXPSP2x86", "both have written to it", func(ps []synth.Process) { ps[1].Written, ps[2].Written = []int{page}, []int{page} }, false},
		{"WinXPSP2x86", "one is hollow", func(ps []synth.Process) {
			ps[2].Hollow = synth.NewProgram(synth.Program{Name: "payload.exe", Bits: 32})
		}, false},
		{"WinXPSP2x86", "one is the other's child", func(ps []synth.Process) { ps[2].PPID = ps[1].PID }, false},
		{"WinXPSP2x86", "both are children of one of the same program", func(ps []synth.Process) { ps[1].PPID, ps[2].PPID = ps[0].PID, ps[0].PID }, false},
		{"WinXPSP2x86", "both are children of one that is gone", func(ps []synth.Process) { ps[1].PPID, ps[2].PPID = 8888, 8888 }, false},
		{"WinXPSP2x86", "one has exited", func(ps []synth.Process) { ps[2].Dead = true }, false},
	} {
		t.Run(c.profile+"/"+c.what, func(t *testing.T) {
			p := profileNamed(t, c.profile)
			program := exe(p, "own.exe", 0x400000)
			gone := func(page int) synth.State {
				if page == 1 {
					return synth.LookupValid
				}
				return synth.Valid
			}
			ps := []synth.Process{
				{PID: 40, PPID: 4, Name: "own.exe", Image: program, Pages: gone},
				{PID: 44, PPID: 4, Name: "own.exe", Image: program},
				{PID: 48, PPID: 4, Name: "own.exe", Image: program},
			}
			c.set(ps)
			for _, one := range crowd(p) {
				one.Minimal = true
				ps = append(ps, one)
			}
			m := buildMemory(t, synth.System{Profile: p, RAM: 32 << 20, Processes: ps})
			im := openMemory(t, &synth.Memory{Reader: without(t, m, 40, page)}, Options{})
			r, err := pidOf(t, im, 40).Restored()
			if err != nil {
				t.Fatal(err)
			}
			for i := range r.Rows {
				row := &r.Rows[i]
				if row.RVA != page*pageSize {
					continue
				}
				if found := row.Kind != restore.Missing; found != c.found || found && (!strings.Contains(row.Source, "processes 44 and 48") || row.Kind != restore.Mapped) {
					t.Errorf("%+v, want it found: %v", row, c.found)
				}
			}
			exactBytes(t, r, program.File)
		})
	}
}

// without is the memory without the prototype entry of a page of a process's executable.
func without(t *testing.T, m *synth.Memory, pid uint64, page int) *sparse.Reader {
	t.Helper()
	for _, p := range m.Truth.Processes {
		if p.PID == pid {
			return withoutEntry(t, m, p.Pages[page].Proto)
		}
	}
	t.Fatalf("no process %d", pid)
	return nil
}

// withoutEntry is the memory without the prototype entry at an address.
func withoutEntry(t *testing.T, m *synth.Memory, proto uint64) *sparse.Reader {
	t.Helper()
	va := paging.Virt(proto)
	at, err := openMemory(t, m, Options{}).Kernel.Space.Translate(va)
	if err != nil {
		t.Fatal(err)
	}
	from, size := at.Off+int64(va-at.VA), m.Reader.Size()
	r, err := sparse.NewReader(size, sparse.Extent{Len: from, Src: m.Reader},
		sparse.Extent{Off: from + 4, Len: size - from - 4, Src: m.Reader, SrcOff: from + 4})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCleanProcessesOfTheDemo restores the demo's processes that share their file with a hollowed process.
func TestCleanProcessesOfTheDemo(t *testing.T) {
	im, err := OpenMemory(context.Background(), "demo", buildMemory(t, synth.Demo()).Reader, Options{})
	if err != nil {
		t.Fatal(err)
	}
	original := synth.DemoOriginals()["svchost.exe"]
	for _, pid := range []uint64{824, 1012} {
		r, err := pidOf(t, im, pid).Restored()
		if err != nil {
			t.Fatal(err)
		}
		exactBytes(t, r, original)
		for i := range r.Rows {
			if row := &r.Rows[i]; strings.Contains(row.Source, "1912") {
				t.Errorf("process %d: a page of the hollowed process: %+v", pid, row)
			}
		}
	}
}

// TestTheFileEndsWhereItDid restores files that were read through the cache, like the files of a busy system: their
// data sections end at a multiple of 256 KiB. With the file system's own size the file is the original, byte for byte;
// without a certain size it ends where the headers say.
func TestTheFileEndsWhereItDid(t *testing.T) {
	corpus.Long(t)
	for _, name := range forms {
		p := profileNamed(t, name)
		program := exe(p, "own.exe", 0x400000)
		raw := len(program.File)
		program.File = append(program.File, strings.Repeat("an overlay, such as a certificate table ", 300)...)
		n := len(program.File)
		huge, small := synth.NewFCB(n), synth.NewFCB(raw-0x1000)
		huge.Size, huge.Allocation, huge.Valid = 1<<40, 1<<40, 1<<40
		for _, c := range []struct {
			what string
			fcb  *synth.FCB
			size int
		}{
			{"sound header", synth.NewFCB(n), n},
			{"no header", nil, raw},
			{"header of zeros", &synth.FCB{}, raw},
			{"size 0", &synth.FCB{Type: 0x705, Bytes: 0x130}, raw},
			{"huge", huge, raw},
			{"smaller than the image", small, raw},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				im := openMemory(t, buildMemory(t, synth.System{Profile: p, RAM: 32 << 20, Processes: []synth.Process{{
					PID: 40, PPID: 4, Name: "own.exe", Image: program, Cached: everyPage,
					Sizes: synth.FileSizes{DataEnd: synth.Rounded(n), NoCacheMap: true, FCB: c.fcb},
				}}}), Options{})
				proc := pidOf(t, im, 40)
				r, err := proc.Restored()
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, r.Reader.Size())
				if _, err := r.Reader.ReadAt(got, 0); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				if !bytes.Equal(got, program.File[:c.size]) || !r.AllExact() || r.Complete() != (c.size == n) {
					t.Errorf("%d bytes, want the %d of the file: %+v", len(got), c.size, r.Summary())
				}
				if size, err := proc.RestoredSize(); err != nil || size != int64(c.size) {
					t.Errorf("size %d, %v", size, err)
				}
			})
		}
	}
}

// patched is a memory with changes at addresses of the system.
func patched(t *testing.T, m *synth.Memory, changes map[uint64][]byte) *Image {
	t.Helper()
	space, size := openMemory(t, m, Options{}).Kernel.Space, m.Reader.Size()
	extents := []sparse.Extent{{Len: size, Src: m.Reader}}
	for va, b := range changes {
		at, err := space.Translate(paging.Virt(va))
		if err != nil {
			t.Fatal(err)
		}
		extents = append(extents, sparse.Extent{Off: at.Off + int64(paging.Virt(va)-at.VA), Len: int64(len(b)), Src: sparse.Bytes(b)})
	}
	r, err := sparse.NewReader(size, sparse.Overlay(extents...)...)
	if err != nil {
		t.Fatal(err)
	}
	return openMemory(t, &synth.Memory{Reader: r}, Options{})
}

// TestTheKernelsName removes the sources of the kernel's name of a process, one after the other.
func TestTheKernelsName(t *testing.T) {
	corpus.Long(t)
	for _, name := range forms {
		p := profileNamed(t, name)
		offset := func(path string) uint64 {
			f, ok := p.Field(path)
			if !ok {
				t.Fatalf("%s lacks %s", name, path)
			}
			return uint64(f.Offset)
		}
		m := buildMemory(t, synth.System{Profile: p, RAM: 32 << 20, Processes: append(crowd(p), synth.Process{
			PID: 40, PPID: 4, Name: "a_long_name_of_a_program.exe", Path: `C:\tools\a_long_name_of_a_program.exe`, PEBPath: `C:\WINDOWS\notepad.exe`, Image: exe(p, "own.exe", 0x400000),
		})})
		var audit, fileName uint64
		for _, q := range m.Truth.Processes {
			if q.PID == 40 {
				audit, fileName = q.EPROCESS+offset("_EPROCESS.SeAuditProcessCreationInfo"), q.FileObject+offset("_FILE_OBJECT.FileName")
			}
		}
		zero := make([]byte, 8)[:p.Arch().PointerSize()]
		for _, c := range []struct {
			what           string
			changes        map[uint64][]byte
			path, longName string
		}{
			{"all", nil, `\Device\HarddiskVolume1\tools\a_long_name_of_a_program.exe`, "a_long_name_of_a_program.exe"},
			{"no audit name", map[uint64][]byte{audit: zero}, `\tools\a_long_name_of_a_program.exe`, "a_long_name_of_a_program.exe"},
			{"neither", map[uint64][]byte{audit: zero, fileName: zero}, "", "a_long_name_of_"},
		} {
			proc := pidOf(t, patched(t, m, c.changes), 40)
			if proc.ExecutablePath() != c.path || proc.LongName() != c.longName || proc.PEBPath() != `C:\WINDOWS\notepad.exe` {
				t.Errorf("%s, %s: path %q, name %q", name, c.what, proc.ExecutablePath(), proc.LongName())
			}
			if w := proc.Warnings(); len(w) != 1 || !strings.Contains(w[0].Text, `C:\WINDOWS\notepad.exe`) || !strings.Contains(w[0].Text, c.longName) {
				t.Errorf("%s, %s: warnings %q", name, c.what, w)
			}
		}
	}
}
