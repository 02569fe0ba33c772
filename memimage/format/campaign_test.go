package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/memimage/format"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/campaign"
	"memlens/memimage/synth/corpus"
)

// containersFound lists variants that went wrong once, by format.
var containersFound = map[string][]int{
	"AFF4, in parts": {148}, // a file before the archive's beginning was taken for a fault of the disk
}

// surelyChecked lists the formats, and the files of other writers, with a checksum over every byte of memory and over
// its addresses, which is checked on reading. The bytes served from such a file, when it is damaged, are right, or a
// message says that they may be wrong. All other formats have no checksum (raw, LiME, ELF, dumps, snapshots), or none
// over the addresses (AVML, AFF), or a checksum that is checked only on request (AFF4, files that are stored in a zip
// archive).
var surelyChecked = []string{"gzip", "snappy", "S2", "lz4", "lz4, behind a frame to be skipped", "zstd", "zstd, many frames", "zstd, of pzstd",
	"zlib", "xz", "xz, many blocks", "zip, deflated", "zip, zstd", "gzip in zip", "E01 of LiME",
	"gzip.lime.gz", "pigz-independent.lime.gz", "pbzip2.lime.bz2", "pzstd.lime.zst", "xz-blocks.lime.xz", "zip.lime.zip", "zip-streamed.lime.zip",
	"zip64.lime.zip", "7zz.lime.zip", "lz4.lime.lz4", "lz4-blockdependent.lime.lz4", "lime-compressed.lime", "lime-compressed.padded",
	"winpmem4-gzip.raw.gzip", "winpmem4-s2.raw.s2", "winpmem4-snappy.raw.snappy.xz", "python-snappy.lime.snappy.xz",
	"ewfacquire-encase6.E01", "ewfacquire-smart.s01"}

// TestHostileContainers writes a small Windows in every format, and damages the file: numbers in headers and tables,
// the directory at its end, packed data; blocks zeroed, copied, swapped, inserted and dropped; the file cut. It opens
// each variant: nothing panics, hangs, or takes more memory than an image may; bytes that are said to be present are
// read without an error, and are the same in large blocks and, after opening anew, backwards in small blocks. A page
// of a format with checksums is right, missing, or in doubt. The tree of some variants is read, too.
//
// The files of other writers are damaged in the same way when the campaign is a long one. By hand, as package campaign says:
//
//	MEMLENS_CAMPAIGN=1000 go test ./memimage/format -run TestHostileContainers -v -timeout 0
func TestHostileContainers(t *testing.T) {
	corpus.Long(t)
	plan := campaign.Planned(t, 3, 1)
	defer campaign.LimitMemory()()
	m := smallSystem(t)
	for number := 0; ; number++ {
		w, ok := writeSystem(t, m, number)
		if !ok {
			break
		}
		t.Run(w.Format, func(t *testing.T) {
			seeds := plan.Seeds
			if !plan.Long {
				seeds = slices.Concat(seeds, containersFound[w.Format])
			}
			damageContainer(t, w, seeds)
		})
	}
	for _, w := range format.WrittenByOthers(t) {
		t.Run(w.Format, func(t *testing.T) {
			if !plan.Long {
				t.Skip("a long campaign only")
			}
			damageContainer(t, w, plan.Seeds)
		})
	}
}

func damageContainer(t *testing.T, w format.Written, seeds []int) {
	h := newHostile(t, w)
	sum := campaign.Run(t, seeds, h.survey)
	t.Logf("%s: %s; of %d some memory was not as it was", w.Format, sum, h.changed)
}

// hostile is a container from which variants are made.
type hostile struct {
	sound   format.Written
	format  string
	memory  map[int64]*readPage
	checked bool
	spool   string
	changed int
}

func newHostile(t *testing.T, w format.Written) *hostile {
	h := &hostile{sound: w, spool: t.TempDir(), checked: slices.Contains(surelyChecked, w.Format)}
	im, err := h.open(w)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	h.format = im.Format
	s := reading{t: t, im: im}
	s.forward(1 << 20)
	h.memory = s.pages
	return h
}

func (h *hostile) open(w format.Written) (*format.Image, error) {
	d := newDisk(w.Name, w.Data, w.Siblings)
	return format.Open(d, format.Options{SpoolDir: h.spool, CacheBytes: 1})
}

// survey makes a variant, opens it twice and reads it. It returns 1, and 0 when it is refused.
func (h *hostile) survey(t *testing.T, seed int) int {
	rng := rand.New(rand.NewPCG(uint64(seed), 3))
	w := damaged(h.sound, rng)
	first, err := h.open(w)
	again, errAgain := h.open(w)
	if fmt.Sprint(err) != fmt.Sprint(errAgain) {
		t.Errorf("opened: %v; opened again: %v", err, errAgain)
	}
	if err != nil || errAgain != nil {
		return 0
	}
	defer first.Close()
	defer again.Close()
	sameClaims(t, first, again)
	for _, cut := range first.Truncated {
		if cut.Promised > 0 && cut.Promised <= cut.Have {
			t.Errorf("it is not so that %s", cut)
		}
	}
	a, b := reading{t: t, im: first}, reading{t: t, im: again}
	a.forward(1 << 20)
	b.backward(4 << 10)
	a.same(b)
	sameClaims(t, first, again)
	if h.compare(t, first, a.pages) {
		h.changed++
		if rng.IntN(4) == 0 {
			h.surveyTree(t, w)
		}
	}
	return 1
}

// sameClaims checks that a file says the same of itself each time that it is opened.
func sameClaims(t *testing.T, a, b *format.Image) {
	t.Helper()
	of := func(im *format.Image) string {
		hints := im.Hints
		hints.PAE = nil // a pointer
		out := fmt.Sprintf("%q %q %q %v %+v", im.Format, im.Notes, im.Doubts, im.Truncated, hints)
		for _, d := range im.Digests {
			out += fmt.Sprintf(" %s of %s: %x", d.Algorithm, d.Of, d.Value)
		}
		return out
	}
	if of(a) != of(b) {
		t.Errorf("opened again it says something else:\n%s\n%s", of(a), of(b))
	}
}

// compare compares the bytes that were read with the sound memory, and reports whether any are different or missing.
func (h *hostile) compare(t *testing.T, im *format.Image, pages map[int64]*readPage) bool {
	wrong, first := 0, int64(-1)
	for at, page := range pages {
		if !page.differs(h.memory[at]) {
			continue
		}
		if wrong++; first < 0 || at < first {
			first = at
		}
	}
	if sure := h.checked && im.Format == h.format && len(im.Doubts) == 0; wrong > 0 && sure {
		t.Errorf("%d pages are other than they were, the first at %#x, and nothing says so; notes %q, damage %q", wrong, first, im.Notes, im.Damage())
	}
	return wrong > 0 || len(pages) < len(h.memory)
}

// surveyTree reads the tree of a variant twice, and caches unpacked blocks the second time.
func (h *hostile) surveyTree(t *testing.T, w format.Written) {
	im, err := openDisk(t, newDisk(w.Name, w.Data, w.Siblings), h.spool)
	again, errAgain := openCached(t, newDisk(w.Name, w.Data, w.Siblings), h.spool)
	if fmt.Sprint(err) != fmt.Sprint(errAgain) {
		t.Errorf("the tree opened: %v; opened again: %v", err, errAgain)
	}
	if err != nil || errAgain != nil {
		return
	}
	defer im.Close()
	defer again.Close()
	h.sameTree(t, tree(t, im), tree(t, again))
}

func (h *hostile) sameTree(t *testing.T, a, b map[string]content) {
	for name, x := range a {
		y, ok := b[name]
		if x.err != nil || !ok || y.err != nil {
			t.Errorf("%s: %v, then %s", name, x.err, describe(y, ok))
		} else if !bytes.Equal(x.data, y.data) {
			t.Errorf("%s had other bytes at the second reading", name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			t.Errorf("%s was there at the second reading only", name)
		}
	}
}

// reading is one reading of an image's memory, as far as bounds allow.
type reading struct {
	t     testing.TB
	im    *format.Image
	runs  []sparse.Run
	pages map[int64]*readPage // by address
}

// readPage is a page as it was read: its bytes, and which bytes are present.
type readPage struct {
	data [4096]byte
	have [4096]bool
}

// differs reports whether a byte that is present has another value in the sound page, or is missing there. sound may
// be nil: then all its bytes are missing.
func (p *readPage) differs(sound *readPage) bool {
	for i, have := range p.have {
		if have && (sound == nil || !sound.have[i] || sound.data[i] != p.data[i]) {
			return true
		}
	}
	return false
}

const (
	maxReadRuns  = 3000
	maxReadBytes = 24 << 20 // three times the size of the sound memory
)

// list lists the first runs.
func (r *reading) list() []sparse.Run {
	r.pages = map[int64]*readPage{}
	total := int64(0)
	for run, err := range sparse.Runs(r.im.Memory) {
		if err != nil {
			r.t.Errorf("the runs cannot be listed from %#x on: %v", run.Off, err)
			break
		}
		if run.Err != nil {
			continue
		}
		run.Len = min(run.Len, maxReadBytes-total)
		total += run.Len
		if r.runs = append(r.runs, run); len(r.runs) == maxReadRuns || total == maxReadBytes {
			break
		}
	}
	return r.runs
}

func (r *reading) forward(block int64) {
	for _, run := range r.list() {
		for off := run.Off; off < run.End(); off += block {
			r.read(off, min(block, run.End()-off))
		}
	}
}

func (r *reading) backward(block int64) {
	for _, run := range slices.Backward(r.list()) {
		for off := run.Off + (run.Len-1)/block*block; off >= run.Off; off -= block {
			r.read(off, min(block, run.End()-off))
		}
	}
}

// read reads bytes that are said to be present.
func (r *reading) read(off, n int64) {
	b := make([]byte, n)
	got, err := r.im.Memory.ReadAt(b, off)
	if int64(got) != n || err != nil && !errors.Is(err, io.EOF) {
		r.t.Errorf("%#x bytes at %#x are said to be there; read %#x: %v", n, off, got, err)
	}
	for at := off; at < off+int64(got); {
		page, in := at&^4095, at&4095
		if r.pages[page] == nil {
			r.pages[page] = new(readPage)
		}
		p := r.pages[page]
		n := copy(p.data[in:], b[at-off:got])
		for i := range n {
			p.have[int(in)+i] = true
		}
		at += int64(n)
	}
}

// same checks that two readings found the same.
func (r *reading) same(other reading) {
	for at, page := range r.pages {
		if p := other.pages[at]; p == nil || *p != *page {
			r.t.Errorf("the page at %#x is other in small blocks, after opening anew", at)
			return
		}
	}
	if len(r.pages) != len(other.pages) {
		r.t.Errorf("%d pages were read in large blocks, %d in small ones", len(r.pages), len(other.pages))
	}
}
