package memimage

import "memlens/memimage/mdmp"

// dumpThreads returns the threads of the process, and the number of threads with registers.
func (p *Process) dumpThreads(arch mdmp.Arch) (out []mdmp.Thread, located int) {
	found, _ := p.FindThreads()
	for _, t := range found {
		d := mdmp.Thread{ID: t.ID, TEB: uint64(t.TEB), Stack: uint64(t.StackLimit)}
		if r := t.Registers; r != nil {
			c := mdmp.Control{IP: uint64(r.IP), SP: uint64(r.SP), FP: uint64(r.FP), Flags: r.Flags, CS: r.CS, SS: r.SS}
			d.Stack, d.Context = uint64(r.SP), c.Context(arch)
			located++
		}
		out = append(out, d)
	}
	return out, located
}
