package corpus

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"memlens/memimage/synth"
)

// common are the programs of every machine, in the order in which they start.
var common = []synth.Program{
	{Name: "smss.exe", Code: 0x5000},
	{Name: "csrss.exe", Code: 0x1800, Data: 0x1800},
	{Name: "winlogon.exe", Code: 0x9000, Data: 0x6000},
	{Name: "services.exe", Code: 0x6000, Data: 0x2800},
	{Name: "lsass.exe", Code: 0x3400, Data: 0x1c00},
	{Name: "svchost.exe", Code: 0x4c00, Data: 0x2000, BSS: 0x6000},
	{Name: "explorer.exe", Code: 0xb000, Data: 0xc000},
}

// rare are the programs of few machines.
var rare = []struct {
	synth.Program
	machines []int
}{
	{synth.Program{Name: "psexesvc.exe", Code: 0x3800}, []int{1}},
	{synth.Program{Name: "mstsc32.exe", Code: 0x5400, Data: 0x2c00}, []int{0}},
	{synth.Program{Name: "updater.exe", Code: 0x4400}, []int{2}},
	{synth.Program{Name: "beacon.exe", Code: 0x6c00, Data: 0x3400}, []int{1, 2}},
	{synth.Program{Name: "rclone.exe", Code: 0x8800, Data: 0x1400}, []int{0, 1, 3}},
}

// hookedMachines have a hooked function of ntdll.dll in explorer.exe. They have the same disk.
var hookedMachines = []int{2, 4}

// partly returns the name of a program that is on every machine, but never completely in memory.
func (d *disk) partly() string { return fmt.Sprintf("sidebar%d.exe", d.bits) }

// always says that a page is in the file cache.
func always(int) bool { return true }

// hookRVA is the place of the changed code, and hook the code there after the change.
const hookRVA = 0x1240

var hook = []byte{0xe9, 0xbb, 0x11, 0x22, 0x00} // jmp

// disk holds the programs of the machines of one kind.
type disk struct {
	bits  int
	files map[string]*synth.Executable
}

func newDisk(bits int) *disk {
	d := &disk{bits, map[string]*synth.Executable{}}
	for _, p := range common {
		d.add(p)
	}
	for _, p := range rare {
		d.add(p.Program)
	}
	d.add(synth.Program{Name: d.partly(), Code: 0x14000, Data: 0x8000})
	d.add(synth.Program{Name: "ntdll.dll", Base: d.base(0x7c900000, 0x180000000), Code: 0x6000, DLL: true})
	d.add(synth.Program{Name: "kernel32.dll", Base: d.base(0x7c800000, 0x190000000), Code: 0x7000, DLL: true})
	return d
}

func (d *disk) base(of32, of64 uint64) uint64 {
	if d.bits == 32 {
		return of32
	}
	return of64
}

// add writes a program, which differs between 32 and 64 bits.
func (d *disk) add(p synth.Program) {
	p.Bits = d.bits
	d.files[p.Name] = synth.NewProgram(p)
}

// processes returns the processes of the i-th machine of n.
func (d *disk) processes(i int, now time.Time, n int) (out []synth.Process) {
	pid := uint64(300)
	start := func(name string) *synth.Process {
		pid += 4 * uint64(3+i%5)
		p := synth.Process{
			PID: pid, PPID: 4, Name: name, Path: `C:\Windows\System32\` + name, Image: d.files[name],
			Created: now.Add(-time.Hour + time.Duration(pid)*time.Second/10), Modules: d.modules(), Cached: always,
		}
		out = append(out, p)
		return &out[len(out)-1]
	}
	for _, p := range common {
		start(p.Name)
	}
	start("svchost.exe")
	if slices.Contains(hookedMachines, i) {
		d.hook(&out[len(common)-1].Modules[0])
	}
	for _, p := range rare {
		if slices.Contains(p.machines, i) {
			start(p.Name).Path = `C:\Users\Public\` + p.Name
		}
	}
	last := start(d.partly())
	last.Pages, last.Cached = missing(i), nil
	return out
}

func (d *disk) modules() (out []synth.Module) {
	for _, name := range []string{"ntdll.dll", "kernel32.dll"} {
		out = append(out, synth.Module{Image: d.files[name], Path: `C:\Windows\System32\` + name})
	}
	return out
}

// hook changes the code of a module in the process's own view of it.
func (d *disk) hook(m *synth.Module) {
	m.Mangle = func(image []byte) { copy(image[hookRVA:], hook) }
}

// missing makes one page of code missing in memory: a different page on each of a few machines.
func missing(i int) func(page int) synth.State {
	return func(page int) synth.State {
		if page == 2+i%6 {
			return synth.ProtoDisk
		}
		return synth.Valid
	}
}

// hookTruth returns the known facts about the hook.
func (d *disk) hookTruth() Hook {
	file := d.files["ntdll.dll"].File
	at := 0x400 + hookRVA - 0x1000 // the code is the first section
	return Hook{Module: "ntdll.dll", RVA: hookRVA, Was: hex.EncodeToString(file[at : at+len(hook)]), Is: hex.EncodeToString(hook)}
}
