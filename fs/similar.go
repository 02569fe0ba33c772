package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"memlens/memimage/digest"
	"memlens/memimage/reference"
	"memlens/memimage/report"
	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

const similarName = "similar.csv"

// maxSimilar is how many references similar.csv names.
const maxSimilar = 20

var similarColumns = []string{"reference", "likeness", "comparable_percent", "agreeing", "likeness_procexedump", "likeness_restored", "exact", "blocks_compared",
	"blocks_found_percent", "ssdeep_score", "tlsh_distance", "sdhash_score", "sdhash_confidence", "imphash_equal", "compared_file", "size", "md5", "note"}

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

// comparable are the forms to compare with references: the forms in a file's layout, or else the other form.
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

// ranking are the comparable forms that rank the references: where another program runs than the file that is mapped,
// the file restored from the mapped one says nothing about the running program.
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

// similarCSV is the file similar.csv, made when it is first read: listing it must not digest the references. It has a
// row for each of the most similar references, even if they are little similar, and its size is the size of the longest
// rows that are possible.
func (m *module) similarCSV() (*body, error) {
	size, err := m.longestSimilar()
	if err != nil {
		return nil, err
	}
	return &body{Content: m.fs.later(m.at.child(similarName).name, size, func(ctx context.Context) ([]byte, error) {
		matches, err := m.similar(ctx)
		if err != nil {
			return nil, err
		}
		var passing error
		rows := make([][]string, len(matches))
		for i := range matches {
			rows[i] = matches[i].cells()
			passing = cmp.Or(passing, sparse.OnlyFailed(matches[i].err))
		}
		data, err := fittedTable(size, similarColumns, rows)
		if err == nil && passing != nil {
			err = &passingError{passing}
		}
		return data, err
	})}, nil
}

// maxNote is how long a note may be, in ASCII characters.
const maxNote = 60

// longestMatch returns cells as long as the cells of a reference of that name can be.
func longestMatch(name string) []string {
	score := letters(len("100.0")) // every score is shorter
	return []string{name, score, score, strings.Join(digest.AllMeasures(), " "), score, score, "false", number(digest.MaxParsed), score, score, score, score, score, "false",
		letters(len(ownKind.names[inMemory])), number(math.MaxInt64), letters(maxMD5), "," + letters(maxNote-1)}
}

// longestSimilar returns the size of the longest table there can be for the image. The error is from a place of references
// that cannot be read now.
func (m *module) longestSimilar() (int64, error) {
	lengths, err := m.fs.similarSizes()
	if err != nil {
		return 0, err
	}
	if m.fs.refs.HasPaths() {
		listed, err := m.listedReferences()
		if sparse.Failed(err) {
			return 0, err
		}
		lengths = longestRows(append(similarRowSizes(listed), lengths...))
	}
	rows := newCSV()
	defer rows.drop()
	total := rows.length(report.Cell, withPadding(similarColumns)...)
	for _, n := range lengths {
		total += n
	}
	return int64(total), nil
}

// similarRowSizes returns how long the rows of references can be, in bytes.
func similarRowSizes(refs []reference.File) []int {
	out := make([]int, len(refs))
	rows := newCSV()
	defer rows.drop()
	for i, r := range refs {
		out[i] = rows.lengthPadded(longestMatch(r.Name)...)
	}
	return out
}

// longestRows returns the largest sizes, as many as a table may have rows.
func longestRows(sizes []int) []int {
	slices.SortFunc(sizes, func(a, b int) int { return cmp.Compare(b, a) })
	return sizes[:min(len(sizes), maxSimilar)]
}

// match is a reference beside the recovered file that it resembles most.
type match struct {
	ref        reference.File
	size       int64
	md5        string
	file       string
	like       digest.Likeness
	comparable float64 // the share of the recovered file that was recovered
	score      int
	sum        int           // of what all measures say
	each       map[*form]int // the score of each form: the forms of a hollowed process have different scores
	same       int           // references behind it with the same bytes
	err        error         // the reference could not be read
}

func (s *match) cells() []string {
	if s.err != nil {
		row := make([]string, len(similarColumns))
		row[0], row[len(row)-1] = s.ref.Name, shortNote("not read: "+noteOf(s.err))
		return row
	}
	return []string{s.ref.Name, fmt.Sprint(s.score), fmt.Sprintf("%.1f", 100*s.comparable), strings.Join(s.like.Agreeing(s.comparable), " "), s.of(formFile), s.of(formRestored),
		fmt.Sprint(s.like.Exact), fmt.Sprint(s.like.Compared), optionalText(s.like.Blocks), optionalText(s.like.Ssdeep), optionalText(s.like.TLSH),
		optionalText(s.like.Sdhash), optionalText(s.like.Confidence), optionalText(s.like.Imphash), s.file, fmt.Sprint(s.size), s.md5, shortNote(s.note())}
}

// note says in a few words what the files have in common, and how many more references have the same bytes.
func (s *match) note() string {
	var out []string
	switch {
	case s.like.Exact:
		out = append(out, "the same file")
	case s.score == 0:
		out = append(out, "nothing in common")
	case s.like.Blocks != nil && *s.like.Blocks == 100:
		out = append(out, "all that was recovered is in it")
	default:
		out = append(out, "in part")
	}
	if s.same > 0 {
		out = append(out, fmt.Sprintf("%d more with the same bytes", s.same))
	}
	return strings.Join(out, "; ")
}

// of returns how like one form is, or nothing where it was not compared.
func (s *match) of(f *form) string {
	score, ok := s.each[f]
	if !ok {
		return ""
	}
	return fmt.Sprint(score)
}

// noteOf says why a reference cannot be read, without its path.
func noteOf(err error) string {
	if at := new(iofs.PathError); errors.As(err, &at) {
		err = at.Err
	}
	return err.Error()
}

// shortNote makes a note of ASCII characters, which is no longer than a note may be.
func shortNote(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxNote)]
}

func optionalText[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

// candidate is a recovered file with the data for comparing it.
type candidate struct {
	form    *form
	file    string
	present float64 // the share of it that was recovered
	ranks   bool
	*digest.Parsed
}

// candidates are the files of the executable that are compared with references.
func (m *module) candidates(ctx context.Context) (out []candidate, err error) {
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
		out = append(out, candidate{f, m.file(f), float64(present) / float64(max(d.Size, 1)), slices.Contains(ranking, f), d})
	}
	return out, nil
}

// similar compares the process's executable with all references, the most similar first. If references have the same
// bytes, the first one stands for all.
func (m *module) similar(ctx context.Context) ([]match, error) {
	candidates, err := m.candidates(ctx)
	if err != nil {
		return nil, err
	}
	refs, err := m.fs.refs.Ranked(m.asked())
	if sparse.Failed(err) {
		return nil, err
	}
	all, err := m.fs.eachReference(ctx, refs, func(ref reference.File, d *digest.Parsed) match {
		best := match{ref: ref, size: d.Size, md5: d.MD5, score: -1, each: map[*form]int{}}
		for _, c := range candidates {
			like := c.Like(d)
			score := like.Score(c.present)
			best.each[c.form] = score
			if c.ranks && score > best.score {
				best.like, best.comparable, best.score, best.sum, best.file = like, c.present, score, like.Sum(c.present), c.file
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
	}
	slices.SortStableFunc(all, moreSimilar)
	all = eachOnce(all)
	return all[:min(len(all), maxSimilar)], nil
}

// eachOnce keeps the first of all references with the same bytes. That one counts the others.
func eachOnce(all []match) (out []match) {
	type bytes struct {
		size int64
		md5  string
	}
	first := map[bytes]int{}
	for _, s := range all {
		key := bytes{s.size, s.md5}
		at, known := first[key]
		if known && s.err == nil && s.md5 != "" {
			out[at].same++
			continue
		}
		first[key] = len(out)
		out = append(out, s)
	}
	return out
}

// moreSimilar orders the most similar references first, and the references that could not be read last.
func moreSimilar(a, b match) int {
	unread := func(s match) int {
		if s.err != nil {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(unread(a), unread(b)), cmp.Compare(b.score, a.score), cmp.Compare(b.sum, a.sum),
		strings.Compare(a.ref.Name, b.ref.Name), strings.Compare(a.ref.Path, b.ref.Path))
}

// eachReference digests references, several at a time, and returns the result of compare for each, in their order. The
// error is the error of ctx.
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

// counted returns a function that reports how many bytes are done, of total, in order however many goroutines call it.
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

// referenceSizes returns the sizes of files, 0 for files that are gone or too large, and their sum.
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
