package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"memlens/memimage/digest"
	"memlens/memimage/reference"
	"memlens/memimage/report"
	"memlens/memimage/rescue"
)

const similarName = "similar.csv"

// maxSimilar is how many references similar.csv names.
const maxSimilar = 100

var similarColumns = []string{"reference", "size", "md5", "likeness", "likeness_procexedump", "likeness_restored", "exact", "blocks_found_percent", "ssdeep_score", "tlsh_distance", "sdhash_score", "imphash_equal",
	"compared_file", "note"}

// lacksSimilar says why there is no similar.csv.
func (m *module) lacksSimilar() error {
	if m.fs.refs.Empty() {
		return errNoReferences
	}
	if len(m.comparable()) == 0 {
		return errors.New("nothing was recovered to compare")
	}
	return nil
}

// comparable are the forms to compare with references: those in a file's layout, or else the other one.
func (m *module) comparable() []*form {
	var out []*form
	for _, f := range []*form{formFile, formRestored} {
		if f.lacks(m) == nil {
			out = append(out, f)
		}
	}
	if len(out) == 0 && formMemory.lacks(m) == nil {
		return []*form{formMemory}
	}
	return out
}

// ranking are those of the comparable forms by which references are ranked: where another program runs than the file that
// is mapped, what is restored from that file says nothing of it.
func (m *module) ranking() ([]*form, error) {
	forms := m.comparable()
	if _, ok := m.RestoredOf(); !ok || len(forms) == 1 {
		return forms, nil
	}
	c, err := report.ComparisonOf(m.Module)
	if !c.IsForeign() {
		return forms, err
	}
	return slices.DeleteFunc(forms, func(f *form) bool { return f == formRestored }), nil
}

// similarCSV is the file similar.csv, made when it is first read. Its size is that of the longest it could be, and empty
// lines at its end make up for the rest: to list it must not digest the references.
func (m *module) similarCSV() (*body, error) {
	size := m.longestSimilar()
	return &body{Content: m.fs.later(m.at.child(similarName).name, size, func(ctx context.Context) ([]byte, error) {
		rows, err := m.similar(ctx)
		if err != nil {
			return nil, err
		}
		out, err := table(similarColumns, func(add func(...string)) {
			for _, r := range rows {
				add(r.cells()...)
			}
		})
		return padded(out, size, '\n'), err
	})}, nil
}

// Longest cells of a row besides the name, in bytes, with their commas: a size, a digest, nine short ones, a file, a
// note, and what a name that looks like a formula is longer by.
const (
	maxNote    = 60 // characters, of up to 4 bytes
	otherCells = 20 + 33 + 9*8 + 20 + 4*maxNote + 4
)

// longestSimilar returns the size of the longest table there can be for the image.
func (m *module) longestSimilar() int64 {
	lengths := m.fs.similarSizes()
	if m.fs.refs.HasPaths() {
		listed, _ := m.listedReferences()
		lengths = longestRows(append(similarRowSizes(listed), lengths...))
	}
	total := newCSV().length(report.Printable, similarColumns...)
	for _, n := range lengths {
		total += n
	}
	return int64(total)
}

// similarRowSizes returns how long the rows of references can be, in bytes.
func similarRowSizes(refs []reference.File) []int {
	out := make([]int, len(refs))
	rows := newCSV()
	for i, r := range refs {
		out[i] = rows.length(report.Printable, r.Name) + otherCells
	}
	return out
}

// longestRows returns the largest sizes, as many as a table may have rows.
func longestRows(sizes []int) []int {
	slices.SortFunc(sizes, func(a, b int) int { return cmp.Compare(b, a) })
	return sizes[:min(len(sizes), maxSimilar)]
}

// match is a reference beside the recovered file that is most like it.
type match struct {
	ref   reference.File
	size  int64
	md5   string
	file  string
	like  digest.Likeness
	score int
	each  map[*form]int // the score of each form: those of a hollowed process differ
	some  bool          // one of them is more than nothing
	err   error         // the reference could not be read
}

func (s *match) cells() []string {
	if s.err != nil {
		row := make([]string, len(similarColumns))
		row[0], row[len(row)-1] = s.ref.Name, noteOf(s.err)
		return row
	}
	return []string{s.ref.Name, fmt.Sprint(s.size), s.md5, fmt.Sprint(s.score), s.of(formFile), s.of(formRestored), fmt.Sprint(s.like.Exact), optionalText(s.like.Blocks), optionalText(s.like.Ssdeep),
		optionalText(s.like.TLSH), optionalText(s.like.Sdhash), optionalText(s.like.Imphash), s.file, ""}
}

// of returns how like one form is, or nothing where it was not compared.
func (s *match) of(f *form) string {
	score, ok := s.each[f]
	if !ok {
		return ""
	}
	return fmt.Sprint(score)
}

// noteOf says in a few words why a reference cannot be read.
func noteOf(err error) string {
	if at := new(iofs.PathError); errors.As(err, &at) {
		err = at.Err
	}
	note := []rune(report.Printable("not read: " + err.Error()))
	return string(note[:min(len(note), maxNote)])
}

func optionalText[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// similar compares the process's executable with all references, the most like first.
func (m *module) similar(ctx context.Context) ([]match, error) {
	type candidate struct {
		form    *form
		file    string
		present float64 // the share of it that was recovered
		ranks   bool
		*digest.Parsed
	}
	var candidates []candidate
	ranking, err := m.ranking()
	if err != nil {
		return nil, err
	}
	for _, f := range m.comparable() {
		b, err := f.open(m)
		if err != nil {
			return nil, err
		}
		present := b.present()
		d, err := m.digests(f, b.within(ctx))
		if err := errors.Join(err, b.Close()); err != nil {
			return nil, err
		}
		candidates = append(candidates, candidate{f, m.file(f), float64(present) / float64(max(d.Size, 1)), slices.Contains(ranking, f), d})
	}
	var out []match
	all, err := m.fs.eachReference(ctx, m.fs.refs.Ranked(m.asked()), func(ref reference.File, d *digest.Parsed) match {
		best := match{ref: ref, size: d.Size, md5: d.MD5, score: -1, each: map[*form]int{}}
		for _, c := range candidates {
			like := c.Like(d)
			score := like.Score(c.present)
			best.each[c.form], best.some = score, best.some || score > 0
			if c.ranks && score > best.score {
				best.like, best.score, best.file = like, score, c.file
			}
		}
		return best
	})
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if panicked := (*rescue.PanicError)(nil); errors.As(s.err, &panicked) {
			return nil, s.err
		}
		if s.err != nil || s.some {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, moreSimilar)
	return out[:min(len(out), maxSimilar)], nil
}

// moreSimilar orders the most like first, and what could not be read last.
func moreSimilar(a, b match) int {
	unread := func(s match) int {
		if s.err != nil {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(unread(a), unread(b)), cmp.Compare(b.score, a.score), cmp.Compare(b.like.Mean(), a.like.Mean()),
		strings.Compare(a.ref.Name, b.ref.Name), strings.Compare(a.ref.Path, b.ref.Path))
}

// eachReference digests references, several at a time, and returns what compare says of each, in their order. The
// error is that of ctx.
func (f *FS) eachReference(ctx context.Context, refs []reference.File, compare func(reference.File, *digest.Parsed) match) ([]match, error) {
	if err := f.comparing.Acquire(ctx, 1); err != nil { // a second process then finds all references digested
		return nil, err
	}
	defer f.comparing.Release(1)
	sizes, total := referenceSizes(refs)
	out := make([]match, len(refs))
	var next atomic.Int64
	told := f.counted("digesting references", total)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(refs)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(refs) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				err := rescue.Call(func() error {
					d, err := f.digests.of(ctx, refs[i])
					if err == nil {
						out[i] = compare(refs[i], d)
					}
					return err
				})
				if err != nil {
					out[i] = match{ref: refs[i], err: err}
				}
				told(sizes[i])
			}
		})
	}
	wg.Wait()
	return out, ctx.Err()
}

// counted returns a function that tells of bytes done, of total, in order however many call it.
func (f *FS) counted(what string, total int64) func(n int64) {
	var mu sync.Mutex
	var done int64
	return func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		done += n
		f.progress(what, done, total)
	}
}

// referenceSizes returns the sizes of files, 0 for those that are gone or too large, and their sum.
func referenceSizes(refs []reference.File) (sizes []int64, total int64) {
	sizes = make([]int64, len(refs))
	for i, r := range refs {
		if s, err := r.State(); err == nil {
			sizes[i] = s.Size
			total += sizes[i]
		}
	}
	return sizes, total
}
