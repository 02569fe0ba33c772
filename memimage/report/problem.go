package report

import (
	"memlens/memimage"
	"memlens/memimage/reason"
)

// OpenProblem makes the record of an image that cannot be opened.
func OpenProblem(image string, err error) *Problem {
	why := reason.Of(err)
	return &Problem{Header: Header{Record: KindProblem, Schema: Schema, Image: validText(image)}, Stage: StageOpen, Code: why.Code, Text: validText(why.Text)}
}

// problem makes the record of a fault in an image.
func problem(im *memimage.Image, stage Stage, why reason.Reason) *Problem {
	return &Problem{Header: headerOf(im, KindProblem), Stage: stage, Code: why.Code, Text: why.Text}
}

// listProblem makes the record of the damage of a list, or of a read that failed while the list was followed.
func listProblem(im *memimage.Image, stage Stage, err error) *Problem {
	return problem(im, stage, reason.Of(reason.With(reason.ListDamaged, err)))
}

// of adds the process that a problem is about.
func (p *Problem) of(process *memimage.Process) *Problem {
	p.PID, p.Process = &process.PID, process.LongName()
	return p
}

// in adds the executable that a problem is about.
func (p *Problem) in(m *memimage.Module) *Problem {
	if m.Owner != nil {
		p.of(m.Owner)
	}
	p.Module, p.Base = m.Name(), Address(m.ImageBase())
	return p
}

// evidenceProblems are the faults of the image as a whole: damage of the container, a truncated file, and digests that
// do not match its content.
func evidenceProblems(im *memimage.Image) (out []*Problem) {
	add := func(code reason.Code, text string) {
		out = append(out, problem(im, StageEvidence, reason.Reason{Code: code, Text: text}))
	}
	for _, t := range im.Container.Truncated {
		add(reason.Truncated, t.String())
	}
	for _, text := range im.Container.Doubts {
		add(reason.Doubtful, text)
	}
	for _, text := range im.Container.Damage() {
		add(reason.DamagedChunk, text)
	}
	for _, v := range im.Verified {
		if !v.Good() {
			add(reason.DigestDiffers, v.String())
		}
	}
	return out
}
