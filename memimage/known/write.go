package known

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
)

// writer writes an index.
type writer struct {
	ctx     context.Context
	out     *bufio.Writer
	off     int64
	most    int64 // bytes that the index and the file for sorting may have; 0: no limit
	spill   *spill
	sorters [len(sizes)]*sorter
	names   [keptNames]lastName
	text    []byte // of the name being written
	footer  footer
	merged  func(done, total int64)
}

// errTooLarge says that a temporary index would be too large.
var errTooLarge = errors.New("the index would be larger than 4 GiB, and there is no cache folder to keep it in (XDG_CACHE_HOME sets one)")

// newWriter returns a writer to a file; it needs another file for sorting.
func newWriter(ctx context.Context, to, sorting *os.File) *writer {
	w := &writer{ctx: ctx, out: bufio.NewWriterSize(to, 256<<10), spill: &spill{File: sorting}, merged: func(int64, int64) {}}
	for i, size := range sizes {
		w.sorters[i] = newSorter(size, maxWaiting, w.spill)
	}
	w.write([]byte(magic))
	return w
}

// write writes bytes. A failure is reported at the end.
func (w *writer) write(b []byte) {
	w.out.Write(b)
	w.off += int64(len(b))
}

func (w *writer) sum(b []byte) { w.write(binary.BigEndian.AppendUint32(nil, checksum(b))) }

// add adds a record.
func (w *writer) add(r *record) error {
	ref := w.name(r.name)
	for _, d := range r.strongest() {
		for i, size := range sizes {
			if d.size == size {
				if err := w.sorters[i].add(d.bytes[:size], ref); err != nil {
					return err
				}
			}
		}
	}
	if w.most > 0 && w.off+w.spill.size > w.most {
		return errTooLarge
	}
	return nil
}

// lastName is a name and where it was written.
type lastName struct {
	name []byte
	ref  int64
}

// keptNames is the number of names whose places the writer remembers: in large sets many files have the same name.
const keptNames = 1 << 15

// name writes a name, unless it is remembered, and returns its place. It keeps only the end of a long name.
func (w *writer) name(name []byte) int64 {
	if len(name) == 0 {
		return 0
	}
	name = name[max(len(name)-maxName, 0):]
	sum := checksum(name)
	last := &w.names[sum%keptNames]
	if last.ref != 0 && bytes.Equal(last.name, name) {
		return last.ref
	}
	last.name, last.ref = append(last.name[:0], name...), w.off
	w.text = append(binary.BigEndian.AppendUint16(w.text[:0], uint16(len(name))), name...)
	w.text = binary.BigEndian.AppendUint32(w.text, sum)
	w.write(w.text)
	return last.ref
}

// finish writes all parts behind the names.
func (w *writer) finish(stats Stats) error {
	w.footer.Stats = stats
	var firsts [len(sizes)][]byte
	total, done := int64(0), int64(0)
	for _, s := range w.sorters {
		total += s.size
	}
	for i, s := range w.sorters {
		t, err := w.table(s, &firsts[i], func(n int64) { w.merged(done+n, total) })
		if err != nil {
			return err
		}
		done += s.size
		w.footer.Tables = append(w.footer.Tables, t)
	}
	for i := range firsts {
		t := &w.footer.Tables[i]
		t.Firsts, t.FirstCS = w.off, checksum(firsts[i])
		w.write(firsts[i])
	}
	return w.end()
}

// table writes the entries of one size, and collects the first digest of each block. If a digest has several entries,
// the first one in the set is kept.
func (w *writer) table(s *sorter, firsts *[]byte, tell func(done int64)) (table, error) {
	t := table{Size: s.width - refSize, Off: w.off}
	var block, last []byte
	read := int64(0)
	err := s.each(func(entry []byte) error {
		if read += int64(s.width); read/int64(s.width)%(1<<16) == 0 {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			tell(read)
		}
		if bytes.Equal(entry[:t.Size], last) {
			return nil
		}
		last = append(last[:0], entry[:t.Size]...)
		if len(block) == 0 {
			*firsts = append(*firsts, last...)
		}
		block = append(block, entry...)
		if t.Count++; t.Count%blockEntries == 0 {
			w.write(block)
			w.sum(block)
			block = block[:0]
		}
		return nil
	})
	if len(block) > 0 {
		w.write(block)
		w.sum(block)
	}
	tell(read)
	return t, err
}

// end writes the footer.
func (w *writer) end() error {
	raw, err := json.Marshal(w.footer)
	if err != nil {
		return err
	}
	w.write(raw)
	w.write(binary.BigEndian.AppendUint32(nil, uint32(len(raw))))
	w.sum(raw)
	w.write([]byte(magic))
	return w.out.Flush()
}
