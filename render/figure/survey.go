package figure

// Survey has the facts about an executable's bytes, by the rows of its [Diagram]. It can be kept: it does not grow with
// the executable.
type Survey struct {
	Absent  [Layouts][]bool  // rows of which bytes are missing
	Altered [Layouts][]Class // the gravest change in each row; Absent: none
	Missing [Layouts]int64   // bytes
	Counts  Counts           // bytes that are changed, by class
	Unknown string           // why other changes than the loader's are not known; empty: they are known
	Loader  bool             // the loader's changes are known
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

// Fill returns a Surveyor that fills an empty survey of the executable.
func (d *Diagram) Fill(s *Survey) (*Surveyor, error) {
	p, err := d.place()
	return &Surveyor{Survey: s, placed: p}, err
}

// Miss adds the missing bytes of a layout.
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

// Change adds changed bytes in memory. Where they were recovered, they are changed in the recovered file, too.
func (s *Surveyor) Change(class Class, rva, n int64) {
	s.Counts[class] += n
	s.mark(InMemory, class, Span{rva, n})
	s.placed.recoveredFrom(Span{rva, n}, func(at Span) { s.markFound(class, at) })
}

// markFound marks the bytes of a piece of the recovered file that are not missing.
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

// Undone adds the loader's changes: the bytes that differ between the recovered file and the comparison's reference,
// which is the file with the loader's work undone. An error is from reading one of the files.
func (s *Surveyor) Undone(c *Comparison) error {
	s.Loader = true
	return c.each(undone{s})
}

// undone takes the classes of a comparison.
type undone struct{ *Surveyor }

// ofLoader maps the classes of a [Comparison] that the loader is the cause of to classes of [Changes].
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
