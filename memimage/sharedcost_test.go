package memimage

import (
	"context"
	"testing"

	"memlens/memimage/synth"
)

// TestProcessesOfASectionShareItsPages restores many processes of one program, of which no page but the first can be had
// by the process's own tables or the section's prototypes: all ask for the same pages of others, which are looked for once.
func TestProcessesOfASectionShareItsPages(t *testing.T) {
	const many = 40
	system := synth.Demo()
	program := synth.NewProgram(synth.Program{Name: "worker.exe", Base: 0x1000000, Code: 0x6000, Data: 0x2800, Bits: 32})
	system.Processes = nil
	for i := range uint64(many) {
		system.Processes = append(system.Processes, synth.Process{
			PID: 8 + 4*i, PPID: 4, Name: "worker.exe", Image: program,
			Pages: func(page int) synth.State {
				if page == 0 {
					return synth.Valid
				}
				return synth.ProtoDisk
			},
			Section: func(int) synth.Under { return synth.UnderDisk },
		})
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	im, err := OpenMemory(context.Background(), "many.raw", mem.Reader, Options{})
	if err != nil {
		t.Fatal(err)
	}
	listed, _ := im.Processes()
	for _, p := range listed {
		if p.PID != 4 {
			if _, err := p.RestoredSize(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := im.sharersOf.Len(); n != 1 {
		t.Errorf("the processes of %d mappings were looked for, want 1", n)
	}
	pages := int(listed[len(listed)-1].PageCount())
	if n := im.sharedPages.Len(); n == 0 || n > pages {
		t.Errorf("%d pages were looked for, of %d", n, pages)
	}
	for _, m := range im.sharersOf.Keys() {
		if sharers, _ := im.sharersOf.Get(m); len(sharers) != many {
			t.Errorf("%d processes share the section, want %d", len(sharers), many)
		}
	}
}
