package synth

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"time"

	"memlens/memimage/profile"
)

// demoPrograms are the programs on the demo's disk. Their sizes are chosen so that the pictures are worth looking at.
func demoPrograms() map[string]*Executable {
	programs := make(map[string]*Executable)
	for _, d := range []Program{
		{Name: "smss.exe", Base: 0x48580000, Code: 0x5000},
		{Name: "csrss.exe", Base: 0x4a680000, Code: 0x800, Data: 0x800},
		{Name: "winlogon.exe", Base: 0x1000000, Code: 0x9000, Data: 0x6000},
		{Name: "services.exe", Base: 0x1000000, Code: 0x6000, Data: 0x2800},
		{Name: "lsass.exe", Base: 0x1000000, Code: 0x1400, Data: 0xc00},
		{Name: "svchost.exe", Base: 0x1000000, Code: 0x4c00, Data: 0x2000, BSS: 0x6000},
		{Name: "explorer.exe", Base: 0x1000000, Code: 0xb000, Data: 0xc000},
		{Name: "cmd.exe", Base: 0x4ad00000, Code: 0xa400, Data: 0x7800, BSS: 0x4800},
		{Name: "notepad.exe", Base: 0x1000000, Code: 0x6c00, Data: 0x3000},
		{Name: "setup.exe", Code: 0x3800, Data: 0x2400},
		{Name: "agent.exe", Code: 0x2c00, Data: 0x1800},
		{Name: "payload.exe", Base: 0x1000000, Code: 0x4000, Data: 0x1c00},
		{Name: "ntdll.dll", Base: 0x7c900000, Code: 0x6000, DLL: true},
		{Name: "kernel32.dll", Base: 0x7c800000, Code: 0x7000, DLL: true},
	} {
		d.Bits = 32
		programs[d.Name] = NewProgram(d)
	}
	return programs
}

// DemoOriginals are the files of the demo's disk, by name: the references that
// its executables are compared with. The program that hides in svchost.exe is
// not among them.
func DemoOriginals() map[string][]byte {
	originals := make(map[string][]byte)
	for name, exe := range demoPrograms() {
		if name != "payload.exe" {
			originals[name] = exe.File
		}
	}
	return originals
}

// Demo is the system that the demo shows: Windows XP SP2 on 32-bit page tables with its usual processes, cmd.exe 3256
// all in memory, one svchost.exe hollowed out, a hooked function of ntdll.dll in explorer.exe, a process unlinked
// from the list, and a process that has exited and is in no list.
func Demo() System {
	p, err := profile.Builtin().ByName("WinXPSP2x86")
	if err != nil {
		panic(err) // the oldest built-in profile is missing
	}
	d := demo{programs: demoPrograms(), boot: time.Date(2011, 1, 9, 16, 52, 7, 0, time.UTC)}
	return System{
		Profile: p, Paging: X86, RAM: 64 << 20, LargePages: true, Seed: 1,
		Time: time.Date(2011, 1, 9, 19, 22, 39, 0, time.UTC), Processes: d.processes(),
	}
}

type demo struct {
	programs map[string]*Executable
	boot     time.Time
}

// Process ids of the demo.
const (
	pidSmss, pidWinlogon, pidServices, pidExplorer = 368, 608, 652, 1724
)

func (d *demo) processes() []Process {
	return []Process{
		d.process(pidSmss, 4, "smss.exe", `\SystemRoot\System32\smss.exe`),
		d.process(584, pidSmss, "csrss.exe", `C:\WINDOWS\system32\csrss.exe ObjectDirectory=\Windows SharedSection=1024,3072,512`),
		d.process(pidWinlogon, pidSmss, "winlogon.exe", "winlogon.exe"),
		d.process(pidServices, pidWinlogon, "services.exe", ""),
		d.process(664, pidWinlogon, "lsass.exe", ""),
		d.process(824, pidServices, "svchost.exe", `C:\WINDOWS\system32\svchost.exe -k DcomLaunch`),
		d.process(1012, pidServices, "svchost.exe", `C:\WINDOWS\system32\svchost.exe -k netsvcs`),
		d.hooked(d.process(pidExplorer, 1700, "explorer.exe", `C:\WINDOWS\Explorer.EXE`)),
		d.resident(d.process(3256, pidExplorer, "cmd.exe", `"C:\WINDOWS\system32\cmd.exe"`)),
		d.process(2284, pidExplorer, "notepad.exe", `"C:\WINDOWS\system32\NOTEPAD.EXE" C:\notes.txt`),
		d.hollowed(d.process(1912, pidExplorer, "svchost.exe", `C:\WINDOWS\system32\svchost.exe`)),
		d.hidden(d.process(2976, pidExplorer, "agent.exe", "")),
		d.ghost(d.process(2920, pidExplorer, "setup.exe", `C:\setup.exe /quiet`)),
	}
}

// process makes a process whose pages are in many states.
func (d *demo) process(pid, ppid uint64, name, command string) Process {
	path := `C:\WINDOWS\system32\` + name
	switch name {
	case "explorer.exe":
		path = `C:\WINDOWS\Explorer.EXE`
	case "setup.exe", "agent.exe":
		path = `C:\Documents and Settings\user\` + name
	}
	return Process{
		PID: pid, PPID: ppid, Name: name, Path: path, CommandLine: command,
		Image: d.programs[name], Modules: d.modules(), Pages: Mixed(pid), Section: MixedSection(pid),
		Cached:  func(page int) bool { return page < 4 || hash(name)>>(page%32)&1 == 1 },
		Created: d.boot.Add(time.Duration(pid) * 2 * time.Second),
	}
}

func (d *demo) modules() []Module {
	var out []Module
	for _, name := range []string{"ntdll.dll", "kernel32.dll"} {
		out = append(out, Module{Image: d.programs[name], Path: `C:\WINDOWS\system32\` + name})
	}
	return out
}

func (d *demo) resident(p Process) Process {
	p.Pages = nil
	p.Written = []int{writablePage(p.Image)}
	return p
}

func (d *demo) hollowed(p Process) Process {
	p.Pages, p.Hollow = nil, d.programs["payload.exe"]
	return p
}

// stubVA is the address that the demo's hook jumps to: private memory that can be executed.
const stubVA = 0xd80000

// hooked makes NtCreateFile of the process's ntdll.dll jump to private memory, as programs that watch others do.
func (d *demo) hooked(p Process) Process {
	im, err := parseImage(d.programs["ntdll.dll"].File)
	if err != nil {
		panic(err) // the demo's own file is damaged
	}
	p.Modules[0].Mangle = func(b []byte) {
		at := im.export(b, "NtCreateFile")
		b[at] = 0xe9 // jmp
		putN(b, int(at)+1, uint64(uint32(stubVA-(im.base+uint64(at)+5))), 4)
	}
	stub := bytes.Repeat([]byte{0x90}, 64)
	copy(stub, []byte{0x60, 0x9c, 0xe8, 0x20, 0, 0, 0, 0x9d, 0x61, 0x68, 0, 0x10, 0xd8, 0, 0xc3}) // pushad, pushfd, call, popfd, popad, push, ret
	p.Regions = append(p.Regions, Region{VA: stubVA, Data: stub, Size: 0x2000, Protect: ExecuteReadWrite})
	return p
}

func (d *demo) hidden(p Process) Process {
	p.Hidden = true
	return p
}

func (d *demo) ghost(p Process) Process {
	p.Ghost = true
	p.Exited = d.boot.Add(2*time.Hour + 27*time.Minute)
	return p
}

// writablePage is the first page of an executable that it may write to.
func writablePage(exe *Executable) int {
	im, err := parseImage(exe.File)
	if err != nil {
		return 0
	}
	for page := range im.pages() {
		if im.writable(page) {
			return page
		}
	}
	return 0
}

// mix draws from weighted choices by page; the same seed gives the same choices.
func mix[T any](seed uint64, page int, choices []T, weights string) T {
	rng := rand.New(rand.NewPCG(seed, uint64(page)))
	return choices[strings.IndexByte("abcdefghijklmnop", weights[rng.IntN(len(weights))])]
}

// Mixed gives the pages of an image all states that a page can be in, most pages resident and the header always, as
// on a machine that has been busy.
func Mixed(seed uint64) func(page int) State {
	states := []State{
		Valid, Transition, PageFile, ProtoValid, ProtoTransition, ProtoDisk, LookupValid, LookupTransition, LookupDisk,
		VadValid, VadTransition, VadDisk, ProtoPageFile, VadPageFile, LookupPageFile,
	}
	return func(page int) State {
		if page == 0 {
			return Valid
		}
		return mix(seed, page, states, "aaaaaaaaaabbcddeeefghijjjkklmno")
	}
}

// MixedSection gives the prototypes of private pages all states.
func MixedSection(seed uint64) func(page int) Under {
	states := []Under{UnderValid, UnderTransition, UnderDisk, UnderPageFile}
	return func(page int) Under { return mix(^seed, page, states, "aabbccd") }
}
