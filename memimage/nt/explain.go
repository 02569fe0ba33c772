package nt

// systemID is the id of the System process since Windows XP.
const systemID = 4

// explains counts how much of the image the kernel's profile explains, by the processes at the start of the list: it
// checks whether their names, environment blocks, address descriptors and sections agree. Profiles that differ only in
// other members get the same count.
func (k *Kernel) explains() int {
	const enough = 8
	score, n := 0, 0
	for p, err := range k.Processes() {
		if n == enough {
			break
		}
		if err != nil {
			continue
		}
		n++
		score += p.coherence()
	}
	return score
}

// coherence counts the parts of a process that agree.
func (p *Process) coherence() int {
	score := 0
	count := func(ok bool) {
		if ok {
			score++
		}
	}
	count(p.PID%4 == 0 && p.PID < 1<<24)
	count(!p.Created.IsZero() || p.PID == systemID) // System's is zero in some versions
	count(p.CheckSpace() == nil)
	count(p.Threads < 1<<16)
	if p.PEB == 0 {
		return score
	}
	env, err := p.Environment(p.complete)
	count(err == nil && env.ImageBase == p.base)
	count(err == nil && env.Path != "")
	v, ok := p.VAD(p.base)
	count(ok && v.Start == p.base && !v.Private)
	count(ok && v.Image)
	s, err := p.ImageSection()
	count(err == nil && len(s.Subsections) > 1)
	count(p.AuditPath() != "")
	return score
}
