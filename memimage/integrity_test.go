package memimage

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"memlens/memimage/format"
	"memlens/memimage/integrity"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"

	"memlens/memimage/synth/corpus"
)

// withModules are the reference images and the images with modules of every kind.
var withModules = append([]string{"WinXPSP3x86PAE-modules", "Win7SP1x64-modules", "Win10x64_19041-modules"}, reference...)

// TestCleanProcessesHaveNoChangedCode compares the programs of all processes of the reference images with their files.
// No code is changed in any of these. The programs with damaged headers are found, and the program in memory of no
// file.
func TestCleanProcessesHaveNoChangedCode(t *testing.T) {
	corpus.Long(t)
	corpus.Dir(t)
	verdicts := map[integrity.VerdictCode]int{}
	for _, name := range withModules {
		t.Run(name, func(t *testing.T) {
			for _, p := range allProcesses(t, openReference(t, name, Options{})) {
				r, err := p.Changes()
				if err != nil {
					continue
				}
				verdicts[r.Verdict.Code]++
				if want := wantedVerdict(string(p.RawName)); r.Verdict.Code != want && r.Verdict.Code != integrity.Unknown || r.ChangedCode() > 0 || r.LeftOut > 0 {
					t.Errorf("process %d %q: %s, %+v", p.PID, p.RawName, r.Verdict, suspicious(r))
				}
			}
		})
	}
	if t.Logf("verdicts: %v", verdicts); verdicts[integrity.Equal] < 280 || verdicts[integrity.OtherDiffers] < 60 || verdicts[integrity.NotItsFile] != 3 {
		t.Errorf("too few programs could be compared: %v", verdicts)
	}
}

// wantedVerdict returns the verdict on a process of the reference images, by its name.
func wantedVerdict(name string) integrity.VerdictCode {
	switch {
	case strings.HasPrefix(name, "bad_"):
		return integrity.OtherDiffers
	case name == "hollow.exe":
		return integrity.NotItsFile
	}
	return integrity.Equal
}

// suspicious returns the runs that are not innocent.
func suspicious(r *integrity.Result) (out []integrity.Run) {
	for _, run := range r.Runs {
		if !run.Cause.Innocent() {
			out = append(out, run)
		}
	}
	return out
}

// edit is a write to physical memory.
type edit struct {
	at paging.Phys
	b  []byte
}

// edited opens a reference image with its memory changed.
func edited(t *testing.T, name string, edits ...edit) *Image {
	t.Helper()
	container, err := format.OpenFile(corpus.Unpack(t, name+".raw"), format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { container.Close() })
	mem := container.Memory
	extents := append([]sparse.Extent{}, mem.Extents()...)
	for _, e := range edits {
		extents = append(extents, sparse.Extent{Off: int64(e.at), Len: int64(len(e.b)), Src: sparse.Bytes(e.b)})
	}
	changed, err := sparse.NewReader(mem.Size(), sparse.Overlay(extents...)...)
	if err != nil {
		t.Fatal(err)
	}
	im, err := OpenMemory(context.Background(), name, changed, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

func processNamed(t *testing.T, im *Image, name string) *Process {
	t.Helper()
	all, _ := im.Processes()
	for _, p := range all {
		if string(p.RawName) == name {
			return p
		}
	}
	t.Fatalf("no process %q", name)
	return nil
}

// at returns the physical address of the process's own page at an RVA.
func (p *Process) at(t *testing.T, rva uint32) paging.Phys {
	t.Helper()
	page, err := p.Own().Translate(p.ImageBase() + paging.Virt(rva))
	if err != nil {
		t.Fatal(err)
	}
	pa, _ := page.Physical()
	return pa + paging.Phys(rva%pageSize)
}

// inKernel returns the physical address of an address of the system.
func inKernel(t *testing.T, im *Image, va paging.Virt) paging.Phys {
	t.Helper()
	page, err := im.Kernel.Space.Translate(va)
	if err != nil {
		t.Fatal(err)
	}
	pa, _ := page.Physical()
	return pa + paging.Phys(va-page.VA)
}

// TestTamperedProcessesAreFound changes the memory of whole images as attackers do, below the page tables of real
// processes. wuauclt.exe has a copy of each of its pages.
func TestTamperedProcessesAreFound(t *testing.T) {
	corpus.Long(t)
	corpus.Dir(t)
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x86PAE", "Win7SP1x64", "Win10x64_19041"} {
		im := openReference(t, name, Options{})
		p := processNamed(t, im, "wuauclt.exe")
		pointer := map[bool]int{false: 4, true: 8}[im.Kernel.Mode.VirtBits > 32]
		file := fileOf(t, p)
		section, ok := im.Kernel.Profile.Field("_EPROCESS.SectionObject")
		if !ok {
			t.Fatal("no SectionObject")
		}
		stranger := make([]byte, pointer)
		if _, err := im.Kernel.Space.ReadVirt(stranger, processNamed(t, im, "explorer.exe").VA+paging.Virt(section.Offset)); err != nil {
			t.Fatal(err)
		}
		code := ownCode(t, p)
		shell := uint64(p.ImageBase()) - 0x100000
		hook := append([]byte{0xe9}, binary.LittleEndian.AppendUint32(nil, uint32(shell-uint64(p.ImageBase())-uint64(code)-5))...)
		extension := file + paging.Virt(map[int]int{4: 0x7c, 8: 0xd0}[pointer])
		itself := binary.LittleEndian.AppendUint64(nil, uint64(file))[:pointer] // stands for an extension with parameters of a transaction
		transaction := integrity.Equal
		if im.Kernel.KernelRelocates() { // there are none before Windows Vista
			transaction = integrity.NotItsFile
		}
		for _, x := range []struct {
			what   string
			edits  []edit
			code   integrity.VerdictCode
			cause  integrity.Cause
			rva    uint32
			target uint64
			word   string
		}{
			{"nothing", nil, integrity.Equal, 0, 0, 0, "equal to its file"},
			{"inline hook", []edit{{p.at(t, code), hook}}, integrity.CodeDiffers, integrity.CodeChanged, code, shell, "bytes of code changed"},
			{"header erased", []edit{{p.at(t, 0), make([]byte, 0x400)}}, integrity.OtherDiffers, integrity.HeaderErased, 0, 0, "header erased"},
			{"deleted file", []edit{{inKernel(t, im, file+paging.Virt(map[int]int{4: 0x25, 8: 0x49}[pointer])), []byte{1}}}, integrity.NotItsFile, 0, 0, 0, "deleted"},
			{"transaction", []edit{{inKernel(t, im, extension), itself}, {inKernel(t, im, file+paging.Virt(pointer)), itself}}, transaction, 0, 0, 0, "file"},
			{"another section", []edit{{inKernel(t, im, p.VA+paging.Virt(section.Offset)), stranger}}, integrity.NotItsFile, 0, 0, 0, "another file"},
		} {
			t.Run(name+", "+x.what, func(t *testing.T) {
				r, err := processNamed(t, edited(t, name, x.edits...), "wuauclt.exe").Changes()
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict.Code != x.code || !strings.Contains(r.Verdict.String(), x.word) {
					t.Errorf("%s, %+v", r.Verdict, suspicious(r))
				}
				runs := suspicious(r)
				if want := x.cause != 0; want != (len(runs) == 1) || want && (runs[0].Cause != x.cause || runs[0].Target != x.target || runs[0].RVA < x.rva || runs[0].RVA > x.rva+1) {
					t.Errorf("%s at %#x: %+v", x.cause, x.rva, runs)
				}
			})
		}
	}
}

// ownCode returns the RVA of code that can be compared and of which the process has its own copy.
func ownCode(t *testing.T, p *Process) uint32 {
	t.Helper()
	s, err := p.sources()
	if err != nil {
		t.Fatal(err)
	}
	for rva := uint32(0x1000); rva < 0x6000; rva += pageSize {
		own, err := s.ownPage(rva)
		file, missing := s.filePage(rva)
		if err == nil && missing == nil && own.Src == file.Src {
			return rva + 0x10
		}
	}
	t.Fatal("no code can be compared")
	return 0
}

// fileOf returns the file object of the process's program.
func fileOf(t *testing.T, p *Process) paging.Virt {
	t.Helper()
	s, err := p.sources()
	if err != nil || s.File == 0 {
		t.Fatal("no file object", err)
	}
	return s.File
}

// TestChangesOfTheDemo looks at the demo, in which one svchost.exe was hollowed out in place: another program was
// written over the file that is mapped.
func TestChangesOfTheDemo(t *testing.T) {
	im := openMemory(t, buildMemory(t, synth.Demo()), Options{})
	listed, _ := im.Processes()
	for _, p := range listed {
		r, err := p.Changes()
		if err != nil {
			continue
		}
		t.Logf("%d %s: %s", p.PID, p.RawName, r.Verdict)
		if hollowed := p.PID == 1912; hollowed != (r.Verdict.Code == integrity.NotItsFile) || !hollowed && r.Verdict.Code != integrity.Equal && r.Verdict.Code != integrity.Unknown {
			t.Errorf("process %d %s: %s, %+v", p.PID, p.RawName, r.Verdict, suspicious(r))
		}
	}
}

// TestBackingByAFileMappedAsData checks the backing of a module in memory of a file that is not mapped as an image.
func TestBackingByAFileMappedAsData(t *testing.T) {
	listed := &nt.LoaderEntry{Path: `C:\a.dll`}
	for _, x := range []struct {
		found  nt.FoundModule
		asData bool
		want   integrity.Backing
	}{
		{nt.FoundModule{Kind: nt.KindHollowed, Entry: listed}, true, integrity.AsData},
		{nt.FoundModule{Kind: nt.KindHollowed, Entry: listed}, false, integrity.Replaced},
		{nt.FoundModule{Kind: nt.KindInjected}, true, integrity.AsData},
		{nt.FoundModule{Kind: nt.KindInjected}, false, integrity.Unbacked},
	} {
		m := &moduleImage{nil, &x.found}
		if got := m.backing(&pageSources{&nt.Mapping{Unbacked: true, AsData: x.asData}, nil}); got != x.want {
			t.Errorf("%s, as data %v: %d, want %d", x.found.Kind, x.asData, got, x.want)
		}
	}
}
