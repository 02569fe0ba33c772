package fs

import (
	"fmt"
	iofs "io/fs"
	"testing"

	"memlens/memimage/synth"
)

// BenchmarkListModules lists the directory of a process's 150 modules: of a tree that has just been opened, and again.
func BenchmarkListModules(b *testing.B) {
	system := synth.Demo()
	p := &system.Processes[6]
	for i := range 148 {
		m := p.Modules[0]
		m.Base, m.Path = m.Base+0x10000000+uint64(i)*0x100000, fmt.Sprintf(`C:\WINDOWS\system32\lib%d.dll`, i)
		p.Modules = append(p.Modules, m)
	}
	mem, err := synth.Build(system)
	if err != nil {
		b.Fatal(err)
	}
	dir := fmt.Sprintf("%d-%s/modules", p.PID, p.Name)
	list := func(b *testing.B, f *FS) {
		if entries, err := iofs.ReadDir(f, dir); err != nil || len(entries) < 150 {
			b.Fatalf("%d modules: %v", len(entries), err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			f := tree(b, mem, Options{})
			f.table() // the work before a process's directory is looked into
			b.StartTimer()
			list(b, f)
		}
	})
	b.Run("again", func(b *testing.B) {
		f := tree(b, mem, Options{})
		for b.Loop() {
			list(b, f)
		}
	})
}
