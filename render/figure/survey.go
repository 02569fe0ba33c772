package figure

// Survey is what the bytes of an executable tell, by the rows of its [Diagram].
// It can be kept: it does not grow with the executable.
type Survey struct {
	Absent  [Layouts][]bool  // rows of which bytes are missing
	Altered [Layouts][]Class // the gravest change in each row; Absent: none
	Missing [Layouts]int64   // bytes
	Counts  Counts           // bytes that are changed, by class
	Unknown string           // why it is not known what was changed but by the loader; empty: it is
	Loader  bool             // it is known what the loader changed
	Notice  string           // what to notice
}

// Survey returns an empty survey of the executable, to be filled.
func (d *Diagram) Survey() (*Survey, error) {
	p, err := d.place()
	if err != nil {
		return nil, err
	}
	out := new(Survey)
	for i := range p.columns {
		rows := p.columns[i].height()
		out.Absent[i], out.Altered[i] = make([]bool, rows), make([]Class, rows)
	}
	return out, nil
}

// Surveyor fills a [Survey].
type Surveyor struct {
	*Survey
	placed *placed
	gone   [Layouts][]Span
}

// Fill returns what fills an empty survey of the executable.
func (d *Diagram) Fill(s *Survey) (*Surveyor, error) {
	p, err := d.place()
	return &Surveyor{Survey: s, placed: p}, err
}

// Miss tells what of a layout is missing.
func (s *Surveyor) Miss(layout int, missing []Span) {
	c := &s.placed.columns[layout]
	s.gone[layout] = normalize(missing, c.size)
	s.Missing[layout] += total(s.gone[layout])
	for _, m := range s.gone[layout] {
		from, to := c.rows(m)
		for i := from; i < to; i++ {
			s.Absent[layout][i] = true
		}
	}
}

// Change tells of bytes in memory that are changed. Where they were recovered,
// they are changed in the recovered file, too.
func (s *Surveyor) Change(class Class, rva, n int64) {
	s.Counts[class] += n
	s.mark(InMemory, class, Span{rva, n})
	s.placed.recoveredFrom(Span{rva, n}, func(at Span) { s.markFound(class, at) })
}

// markFound marks what of a piece of the recovered file is not missing.
func (s *Surveyor) markFound(class Class, at Span) {
	from := at.Off
	within(s.gone[Recovered], at.Off, at.Len, func(m Span) {
		s.mark(Recovered, class, Span{from, m.Off - from})
		from = m.end()
	})
	s.mark(Recovered, class, Span{from, at.end() - from})
}

// graveRows is how many rows a change that Windows does not make is drawn high, at
// least: five bytes are not seen otherwise.
const graveRows = 4

func (s *Surveyor) mark(layout int, class Class, at Span) {
	c := &s.placed.columns[layout]
	if at = at.clip(c.size); at.Len == 0 {
		return
	}
	from, to := c.rows(at)
	if class >= HotPatched {
		to = min(max(to, from+graveRows), c.height())
	}
	for i := from; i < to; i++ {
		s.Altered[layout][i] = max(s.Altered[layout][i], class)
	}
}

// Undone tells of the bytes that differ between the file with the loader's work
// undone, which is the comparison's reference, and the recovered file: the
// loader's changes. An error is that of reading one of them.
func (s *Surveyor) Undone(c *Comparison) error {
	s.Loader = true
	return c.each(undone{s})
}

// undone takes the classes of a comparison.
type undone struct{ *Surveyor }

// ofLoader are the classes of a [Comparison] that the loader is the cause of, as
// those of [Changes].
var ofLoader = map[Class]Class{Relocated: MovedBytes, Bound: BoundBytes, Slot: LoaderBytes}

// take implements [taker].
func (u undone) take(p []Class, off int64) {
	for i := 0; i < len(p); {
		n := i + 1
		for n < len(p) && p[n] == p[i] {
			n++
		}
		u.takeRun(p[i], off+int64(i), int64(n-i))
		i = n
	}
}

// takeRun implements [taker].
func (u undone) takeRun(class Class, off, n int64) {
	as, ok := ofLoader[class]
	if !ok {
		return
	}
	u.Counts[as] += n
	u.mark(Recovered, as, Span{off, n})
	u.placed.memoryOf(Span{off, n}, func(at Span) { u.mark(InMemory, as, at) })
}
