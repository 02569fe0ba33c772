package integrity

import "testing"

// counting is a witness who counts.
type counting struct {
	compared, missing int64
	differ            [causeCount]int64
}

func (w *counting) Compared(_ uint32, n int64)             { w.compared += n }
func (w *counting) NotCompared(_ uint32, n int64, _ bool)  { w.missing += n }
func (w *counting) Differs(_ uint32, n int64, cause Cause) { w.differ[cause] += n }

// check compares the reports to the witness with the result.
func (w *counting) check(t testing.TB, r *Result) {
	t.Helper()
	missing := int64(0)
	for _, m := range r.NotCompared {
		missing += int64(m.Pages) * pageSize
	}
	if w.compared != int64(r.Comparable())*pageSize || w.missing != missing || w.differ != r.Bytes {
		t.Errorf("the witness was told of %d compared, %d missing, %v, of %d, %d, %v", w.compared, w.missing, w.differ, int64(r.Comparable())*pageSize, missing, r.Bytes)
	}
}

// differences are a witness who notes where bytes differ.
type differences map[int64]Cause

func (differences) Compared(uint32, int64)          {}
func (differences) NotCompared(uint32, int64, bool) {}
func (d differences) Differs(rva uint32, n int64, cause Cause) {
	for i := range n {
		d[int64(rva)+i] = cause
	}
}

// TestWitnessIsToldOfEachByte changes every other byte of a piece of code, and the header.
func TestWitnessIsToldOfEachByte(t *testing.T) {
	p := loadProgram(t, "testdata/library64.dll", true, 0)
	s := windows(true)
	p.start(s)
	text := p.text()
	b := p.Read(text, 16)
	for i := 0; i < len(b); i += 2 {
		b[i] ^= 0xff
	}
	p.Write(text, b)
	p.Write(0, make([]byte, 0x200))
	d := differences{}
	if _, err := CompareFor(p.input(s, seen{}), d); err != nil {
		t.Fatal(err)
	}
	for i := range int64(16) {
		if cause, differs := d[text+i]; differs != (i%2 == 0) || differs && cause != CodeChanged {
			t.Errorf("byte %d of the code: %v, %s", i, differs, cause)
		}
	}
	if d[0] != HeaderErased || d[1] != HeaderErased {
		t.Errorf("the header: %s", d[0])
	}
	if _, differs := d[2+1]; differs != (p.Mapped[0][3] != 0) {
		t.Error("a byte that was zero differs")
	}
}
