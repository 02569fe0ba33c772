package restore_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// tally counts the outcomes of restorations of one kind.
type tally struct {
	cases, refused                                                                  int
	baseExact, baseAssumed, baseNone, baseAssumedWrong, baseExactWrong              int
	same, sizeRight, sizeShort, sizeLong                                            int
	exact, assumed, left, missing, exactWrong, assumedWrong, leftWrong, behindBytes int64
}

func (t *tally) add(o *tally) {
	t.cases += o.cases
	t.refused += o.refused
	t.baseExact += o.baseExact
	t.baseAssumed += o.baseAssumed
	t.baseNone += o.baseNone
	t.baseAssumedWrong += o.baseAssumedWrong
	t.baseExactWrong += o.baseExactWrong
	t.same += o.same
	t.sizeRight += o.sizeRight
	t.sizeShort += o.sizeShort
	t.sizeLong += o.sizeLong
	t.exact += o.exact
	t.assumed += o.assumed
	t.left += o.left
	t.missing += o.missing
	t.exactWrong += o.exactWrong
	t.assumedWrong += o.assumedWrong
	t.leftWrong += o.leftWrong
	t.behindBytes += o.behindBytes
}

const tallyHead = "                                   |       | base: proved assumed    none   wrong: | bytes: exact   assumed (wrong)         left (wrong)      missing | file: same  size right short long\n"

func (t *tally) row(name string) string {
	all := max(1, t.exact+t.assumed+t.left+t.missing)
	percent := func(n int64) string { return fmt.Sprintf("%5.1f%%", 100*float64(n)/float64(all)) }
	return fmt.Sprintf("%-34s | %5d |      %6d  %6d  %6d  %6d   |       %s   %s (%6d) %s (%8d)  %s  |       %5d       %5d %5d %4d\n",
		name, t.cases, t.baseExact, t.baseAssumed, t.baseNone, t.baseAssumedWrong, percent(t.exact), percent(t.assumed), t.assumedWrong,
		percent(t.left), t.leftWrong, percent(t.missing), t.same, t.sizeRight, t.sizeShort, t.sizeLong)
}

// verdict is the judgement on one restoration.
type verdict struct {
	tally
	faults []string // violations of the rules
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// judge compares a restoration with the original, byte for byte.
func judge(m *image, v *view) *verdict {
	j := &verdict{tally: tally{cases: 1}}
	in := v.input(m)
	r, err := restore.Restore(in)
	if err != nil {
		j.refused = 1
		if h := (*restore.HeaderError)(nil); !errors.As(err, &h) {
			j.fault("error: %v", err)
		}
		return j
	}
	if n, err := restore.Size(in); err != nil || n != r.Reader.Size() {
		j.fault("Size: %#x, %v; the restored file has %#x", n, err, r.Reader.Size())
	}
	j.base(m, r)
	j.size(m, v, r)
	j.rows(m, r)
	return j
}

func (v *verdict) base(m *image, r *restore.Result) {
	right := r.ImageBase == m.peFile.base
	switch {
	case r.Proof == "" || r.BaseCertainty == restore.Left:
		v.baseNone++
	case r.BaseCertainty == restore.Exact && right:
		v.baseExact++
	case r.BaseCertainty == restore.Exact:
		v.baseExactWrong++
		v.fault("proved wrong: base %#x, right is %#x; by %q", r.ImageBase, m.peFile.base, r.Proof)
	case right:
		v.baseAssumed++
	default:
		v.baseAssumedWrong++
	}
}

// size compares the sizes. The file's size must be right where it is known, or where the headers name the whole file.
func (v *verdict) size(m *image, view *view, r *restore.Result) {
	size, real := r.Reader.Size(), int64(len(m.raw))
	switch {
	case size == real:
		v.sizeRight++
	case size < real:
		v.sizeShort++
	default:
		v.sizeLong++
	}
	if size != real && (view.fileSize || !view.lie && !m.asFile() && m.toldEnd() == real && real%int64(m.fileAlign) == 0) {
		v.fault("size: %#x, right is %#x", size, real)
	}
	if r.SizeCertainty == restore.Exact && size != real {
		v.fault("size proved wrong: %#x, right is %#x, by %q", size, real, r.SizeProof)
	}
	if told := m.toldEnd(); size < told && !view.lie {
		v.fault("size: %#x, but the headers tell of %#x", size, told)
	}
}

func (v *verdict) rows(m *image, r *restore.Result) {
	var off int64
	same := r.Reader.Size() == int64(len(m.raw))
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.FileOffset != off || row.Length <= 0 || row.Length > r.Reader.Size()-off {
			v.fault("rows: one at %#x+%#x, after %#x of %#x", row.FileOffset, row.Length, off, r.Reader.Size())
			return
		}
		same = v.row(m, r, row) && same
		off += row.Length
	}
	if off != r.Reader.Size() {
		v.fault("rows: they end at %#x of %#x", off, r.Reader.Size())
	}
	if same {
		v.same++
	}
	v.seams(r)
}

// seams reads across the ends of rows: the bytes must be the rows' bytes, up to the first missing one.
func (v *verdict) seams(r *restore.Result) {
	const half = 9
	for i := 1; i < len(r.Rows); i++ {
		at := max(r.Rows[i].FileOffset-half, r.Rows[i-1].FileOffset)
		var want, got [2 * half]byte
		n, end := 0, min(at+2*half, r.Rows[i].FileOffset+r.Rows[i].Length)
		for off := at; off < end; off, n = off+1, n+1 {
			if m, _ := r.Reader.ReadAt(want[n:n+1], off); m == 0 {
				break
			}
		}
		if m, _ := r.Reader.ReadAt(got[:end-at], at); m != n || want != got {
			v.fault("seam: reading %d bytes at %#x gives %d: % x; one by one %d: % x", end-at, at, m, got, n, want)
		}
	}
}

// row compares the bytes of a row, and reports whether they are the file's.
func (v *verdict) row(m *image, r *restore.Result, row *restore.Row) bool {
	if row.Kind == restore.Missing {
		v.missing += row.Length
		v.hole(r, row)
		return false
	}
	b := make([]byte, row.Length)
	if n, err := r.Reader.ReadAt(b, row.FileOffset); n != len(b) {
		v.fault("not readable: %d bytes, %v, of %s", n, err, describe(row))
		return false
	}
	for off := row.FileOffset; off < row.FileOffset+row.Length; {
		n, err := r.Reader.Probe(off)
		if err != nil {
			v.fault("Probe: %v at %#x in %s", err, off, describe(row))
			break
		}
		off += n
	}
	want := m.raw[min(row.FileOffset, int64(len(m.raw))):min(row.FileOffset+row.Length, int64(len(m.raw)))]
	wrong, first := differ(b, want)
	switch row.Certainty() {
	case restore.Exact:
		v.exact += row.Length
		v.exactWrong += wrong
		if wrong > 0 {
			v.fault("called exact: %d bytes wrong, the first at %#x, of %s", wrong, row.FileOffset+first, describe(row))
		}
	case restore.Assumed:
		v.assumed += row.Length
		v.assumedWrong += wrong
	default:
		v.left += row.Length
		v.leftWrong += wrong
	}
	return wrong == 0
}

// hole checks that nothing of a missing row can be read.
func (v *verdict) hole(r *restore.Result, row *restore.Row) {
	var b [1]byte
	for _, off := range []int64{row.FileOffset, row.FileOffset + row.Length/2, row.FileOffset + row.Length - 1} {
		n, err := r.Reader.ReadAt(b[:], off)
		if gap := sparse.Gap(nil); n != 0 || !errors.As(err, &gap) {
			v.fault("missing, but read: %d bytes at %#x, %v, of %s", n, off, err, describe(row))
		}
	}
	for off := row.FileOffset; off < row.FileOffset+row.Length; {
		n, err := r.Reader.Probe(off)
		if gap := sparse.Gap(nil); !errors.As(err, &gap) {
			v.fault("missing, but Probe says: %d bytes at %#x, %v, of %s", n, off, err, describe(row))
			break
		}
		off += max(n, 1)
	}
}

// differ counts the bytes of b that differ from want, with the bytes behind its end, and returns where the first is.
func differ(b, want []byte) (n, first int64) {
	if bytes.Equal(b, want) {
		return 0, 0
	}
	for i := len(b) - 1; i >= 0; i-- {
		if i >= len(want) || b[i] != want[i] {
			n, first = n+1, int64(i)
		}
	}
	return n, first
}

func describe(row *restore.Row) string {
	return fmt.Sprintf("row %#x+%#x, RVA %#x, %q, from %s, relocations %d undone %d left, imports %d undone %d left, written %v, %q", row.FileOffset,
		row.Length, row.RVA, row.Section, row.Source, row.RelocationsUndone, row.RelocationsLeft, row.ImportsUndone, row.ImportsLeft, row.Written, row.Note)
}

// kindOf returns the kind of a fault: its text up to the first colon.
func kindOf(fault string) string {
	kind, _, _ := strings.Cut(fault, ":")
	return kind
}
