package memimage

import (
	"errors"
	"fmt"

	"memlens/memimage/format"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/reason"
)

// MachineError says that the memory is of a processor whose memory cannot be read here. The container or the page
// tables say so.
type MachineError struct {
	Machine uint16 // IMAGE_FILE_MACHINE_*
	Build   uint32 // of Windows; 0: not said
	tables  *nt.ArchError
}

func (e *MachineError) Error() string {
	m := machines()[e.Machine]
	by, wrong := "its header says", " If the header is wrong, name a profile (--profile): then the memory is searched all the same"
	if e.tables != nil {
		by, wrong = "its page tables show", ""
	}
	s := fmt.Sprintf("memimage: %s that it is of %s", by, m.name)
	if e.Build != 0 {
		s += fmt.Sprintf(", Windows build %d", e.Build)
	}
	s += ", which is not supported: only the memory of x86 and x64 systems can be read."
	if m.do != "" {
		s += " " + m.do
	}
	if e.tables != nil {
		s += " What shows it: " + e.tables.Evidence()
	}
	return s + wrong
}

// ReasonCode implements [reason.Coded].
func (e *MachineError) ReasonCode() reason.Code { return reason.OtherMachine }

// Unwrap returns the error of the search for the kernel.
func (e *MachineError) Unwrap() error {
	if e.tables == nil {
		return nil
	}
	return e.tables
}

// foreign makes a [MachineError] from the error of a search that found a Windows for other processors; nil for another
// error.
func foreign(err error) error {
	var arch *nt.ArchError
	if !errors.As(err, &arch) {
		return nil
	}
	return &MachineError{arch.Arch.Machine, arch.Version.Build, arch}
}

// machine is a kind of processor that Windows runs on, or ran on, and that is not supported.
type machine struct {
	name string // with its article
	do   string // advice, a sentence; may be empty
}

// machines returns the unsupported machines by IMAGE_FILE_MACHINE_* (winnt.h).
func machines() map[uint16]machine {
	const debugger = "WinDbg opens a crash dump of it."
	arm := machine{"a 32-bit ARM system", debugger}
	return map[uint16]machine{
		paging.ArchARM64.Machine: {"an ARM64 system", "WinDbg opens a crash dump of it, and MemProcFS reads it with -arch arm64."},
		0x01c0:                   arm,
		0x01c2:                   arm,
		0x01c4:                   arm,
		0x0200:                   {"an Itanium (IA-64) system", debugger},
		0x0184:                   {"an Alpha system", ""},
		0x0284:                   {"an Alpha (64-bit) system", ""},
		0x0166:                   {"a MIPS system", ""},
		0x01f0:                   {"a PowerPC system", ""},
		0x5064:                   {"a RISC-V system", ""},
		0x6264:                   {"a LoongArch system", ""},
	}
}

// checkMachine fails for memory of an unsupported kind of processor.
func checkMachine(h format.Hints) error {
	if _, other := machines()[h.Machine]; other {
		return &MachineError{Machine: h.Machine, Build: h.BuildNumber}
	}
	return nil
}
