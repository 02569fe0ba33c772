package nt

import (
	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Machine holds the facts about the machine in the page that Windows shares with its programs. Zero: not known.
type Machine struct {
	Product  uint8     // NtProductType: a workstation, a domain controller, a server
	Suite    uint16    // SuiteMask, VER_SUITE_*
	Features [2]uint64 // ProcessorFeatures, a bit per PF_*
}

// More offsets in _KUSER_SHARED_DATA.
const (
	sharedFeatures profile.Offset = 0x274 // PROCESSOR_FEATURE_MAX bytes
	sharedSuite    profile.Offset = 0x2d0
	featureCount                  = 64
)

// Machine reads the machine's facts from the shared page.
func (k *Kernel) Machine() Machine {
	var m Machine
	if k.shared.lost {
		return m
	}
	r, err := k.kernel.record(k.Mode.Arch.Shared, sharedSize)
	if err != nil {
		return m
	}
	if product := r.u32(sharedProduct); product >= 1 && product <= 3 {
		m.Product = uint8(product)
	}
	m.Suite = uint16(r.u32(sharedSuite))
	for i := range profile.Offset(featureCount) {
		if r.u8(sharedFeatures+i) != 0 {
			m.Features[0] |= 1 << i
		}
	}
	return m
}

// Processors returns the number of processors in the process's environment block; 0 when it cannot be read.
func (p *Process) Processors() uint32 {
	l := p.kernel.layout.PEB.Processors
	if p.PEB == 0 || !l.Present() || p.CheckSpace() != nil {
		return 0
	}
	n, _ := memory{p.complete, p.kernel.kernel.pointer}.u32(p.PEB + paging.Virt(l))
	return uint32(n)
}

// ServicePack returns the name of the service pack as the process's environment block has it; empty when it has none.
func (p *Process) ServicePack() string {
	l := p.kernel.layout.PEB.CSD
	if p.PEB == 0 || !l.Present() || p.CheckSpace() != nil {
		return ""
	}
	name, _ := memory{p.complete, p.kernel.kernel.pointer}.unicodeString(p.PEB+paging.Virt(l), p.kernel.layout)
	return name
}
