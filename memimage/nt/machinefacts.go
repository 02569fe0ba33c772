package nt

import (
	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Machine is what Windows tells its programs of the machine, in the page that it shares with them. What is not known is zero.
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

// Machine reads what the shared page says of the machine.
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

// Processors returns how many processors the process's environment block says that there are; 0 when it does not.
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
