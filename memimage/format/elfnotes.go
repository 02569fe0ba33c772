package format

// Offsets in QEMUCPUState, version 1, behind version and size: 18 registers of 8 bytes, 10 segments of 24 bytes
// (selector, limit, flags, padding, base), then CR0 to CR4 and, in newer versions, kernel_gs_base.
const (
	qemuState     = 8
	qemuRSP       = qemuState + 6*8
	qemuRIP       = qemuState + 16*8
	qemuSegments  = qemuState + 18*8
	qemuSegment   = 24
	qemuBase      = 16
	qemuCR        = qemuSegments + 10*qemuSegment
	qemuKernelGS  = qemuCR + 5*8
	maxProcessors = 4096
)

// Offsets in VirtualBox' DBGFCORECPU: 18 registers of 8 bytes, 6 segments of 24 bytes (base, limit, attributes,
// selector), then CR0, CR2, CR3 and CR4.
const (
	vboxRIP      = 14 * 8
	vboxCS       = 18 * 8
	vboxSelector = 16
	vboxCR       = vboxCS + 6*24
	vboxEnd      = vboxCR + 4*8
)

// Indices of the segments in QEMUCPUState.
const (
	qemuCS = iota
	qemuDS
	qemuES
	qemuFS
	qemuGS
	qemuSS
	qemuLDT
	qemuTR
	qemuGDT
	qemuIDT
)

// notes reads a note segment: name size, data size and type of 4 bytes, then both padded to 4 bytes.
func (e *elfFile) notes(s elfSegment) error {
	if s.off > maxPhysical {
		return nil
	}
	f, err := readUpTo(e, int64(s.off), int(min(s.filesz, elfNotes)))
	if err != nil {
		return err
	}
	for at := 0; at+12 <= len(f); {
		nameSize, dataSize := int(e.u32(f, at)), int(e.u32(f, at+4))
		name := f.at(at+12, min(nameSize, 16))
		data := at + 12 + align4(nameSize)
		if desc := f.at(data, dataSize); desc != nil {
			e.noteOf(string(name), desc)
		}
		at = data + align4(dataSize)
		if nameSize > elfNotes || dataSize > elfNotes {
			break
		}
	}
	return nil
}

func align4(n int) int { return (n + 3) &^ 3 }

// noteOf takes the facts from a note.
func (e *elfFile) noteOf(name string, data fields) {
	switch {
	case fields(name).has(0, "QEMU\x00") && len(data) >= qemuKernelGS && len(e.hints.CPUs) < maxProcessors:
		e.hints.CPUs = append(e.hints.CPUs, e.qemuCPU(data))
	case fields(name).has(0, "VBCPU\x00") && len(data) >= vboxEnd && len(e.hints.CPUs) < maxProcessors:
		e.vbox = true
		e.hints.CPUs = append(e.hints.CPUs, e.vboxCPU(data))
	case fields(name).has(0, "VBCORE\x00"):
		e.vbox = true
	}
}

// vboxCPU reads the state of a processor in a note of VirtualBox.
func (e *elfFile) vboxCPU(f fields) CPU {
	return CPU{
		RIP: e.u64(f, vboxRIP), RSP: e.u64(f, vboxRIP+8),
		CR0: e.u64(f, vboxCR), CR2: e.u64(f, vboxCR+8), CR3: e.u64(f, vboxCR+16), CR4: e.u64(f, vboxCR+24),
		CodeSelector: e.u16(f, vboxCS+vboxSelector),
	}
}

// qemuCPU reads the state of a processor in a note of QEMU.
func (e *elfFile) qemuCPU(f fields) CPU {
	base := func(i int) uint64 { return e.u64(f, qemuSegments+i*qemuSegment+qemuBase) }
	cr := func(i int) uint64 { return e.u64(f, qemuCR+i*8) }
	return CPU{
		RIP: e.u64(f, qemuRIP), RSP: e.u64(f, qemuRSP),
		CR0: cr(0), CR2: cr(2), CR3: cr(3), CR4: cr(4),
		IDTBase: base(qemuIDT), GDTBase: base(qemuGDT), FSBase: base(qemuFS), GSBase: base(qemuGS),
		KernelGSBase: e.u64(f, qemuKernelGS),
		CodeSelector: uint16(e.u32(f, qemuSegments+qemuCS*qemuSegment)),
	}
}
