package nt

import (
	"encoding/binary"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// TestEncodedDebuggerData: the block is found and decoded without its keys.
func TestEncodedDebuggerData(t *testing.T) {
	for _, name := range []string{"Win8SP0x64", "Win8SP1x64", "Win10x64_10586", "Win10x64_19041.2846", "Win11x64_26100"} {
		for seed := range uint64(4) {
			sys := system(t, name)
			sys.KDBG, sys.Seed = synth.KDBGEncoded, seed
			l := newLab(t, sys)
			if want := paging.Virt(l.built.Truth.Kernel.KDBG); l.whole.KDBG != want {
				t.Errorf("%s, seed %d: the block is at %#x, want %#x", name, seed, uint64(l.whole.KDBG), uint64(want))
			}
			if got, want := l.whole.PsActiveProcessHead, paging.Virt(l.built.Truth.Kernel.PsActiveProcessHead); got != want {
				t.Errorf("%s, seed %d: the list's head is at %#x, want %#x", name, seed, uint64(got), uint64(want))
			}
		}
	}
}

// TestEncodedDebuggerDataLeadsToTheList: without the export, the block is the only way to the list.
func TestEncodedDebuggerDataLeadsToTheList(t *testing.T) {
	sys := system(t, "Win10x64_19041.2846")
	l := newLab(t, sys)
	l.writePtr(l.built.Truth.Kernel.PsInitialSystemProcess, 0)
	if k := l.kernel(); k.SystemProcess != l.whole.SystemProcess {
		t.Errorf("System is at %#x, want %#x", uint64(k.SystemProcess), uint64(l.whole.SystemProcess))
	}
}

// TestDamagedEncodedDebuggerData: a block with a list outside the kernel is not accepted.
func TestDamagedEncodedDebuggerData(t *testing.T) {
	sys := system(t, "Win10x64_19041.2846")
	l := newLab(t, sys)
	l.write(l.built.Truth.Kernel.KDBG+uint64(kdbgPsActiveProcessHead), binary.LittleEndian.AppendUint64(nil, 0x1122334455667788))
	if k := l.kernel(); k.KDBG != 0 {
		t.Errorf("a damaged block was taken: %#x", uint64(k.KDBG))
	}
}
