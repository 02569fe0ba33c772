package fs

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"memlens/render/similarity"
)

// digests are all digests of a file. The similarity digests are empty where the file is too small, too uniform or too
// large to have one, the import hash where it is no executable with imports.
type digests struct {
	Size    int64  `json:"size"`
	MD5     string `json:"md5"`
	SHA256  string `json:"sha256"`
	Ssdeep  string `json:"ssdeep"`
	TLSH    string `json:"tlsh"`
	Sdhash  string `json:"sdhash"`
	Imphash string `json:"imphash"`
}

// maxDigested is how many bytes a file may have for similarity digests to be made: they take some 60 ms per MiB.
const maxDigested = 256 << 20

// digest makes the digests of a file, each in a goroutine. The name becomes part of the sdhash digest.
func digest(name string, data io.ReaderAt, size int64) (*digests, error) {
	d := &digests{Size: size}
	work := []func() error{func() error { return d.exact(data) }}
	if size <= maxDigested {
		work = append(work, func() error { return d.piecewise(data) }, func() error { return d.features(name, data) })
	}
	if size <= maxParsed {
		work = append(work, func() error { return d.imports(data) })
	}
	errs := make([]error, len(work))
	var wg sync.WaitGroup
	for i, f := range work {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return d, errors.Join(errs...)
}

func (d *digests) exact(data io.ReaderAt) error {
	short, long := md5.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(short, long), io.NewSectionReader(data, 0, d.Size))
	if err == nil && n < d.Size {
		err = fmt.Errorf("fs: the file ends at %#x: %w", n, io.ErrUnexpectedEOF)
	}
	d.MD5, d.SHA256 = fmt.Sprintf("%x", short.Sum(nil)), fmt.Sprintf("%x", long.Sum(nil))
	return err
}

// piecewise makes the digests of ssdeep and TLSH.
func (d *digests) piecewise(data io.ReaderAt) (err error) {
	if d.Ssdeep, err = similarity.Ssdeep(data, d.Size); err != nil {
		return err
	}
	if d.TLSH, err = similarity.TLSH(data, d.Size); errors.Is(err, similarity.ErrTooUniform) {
		return nil
	}
	return err
}

// minSdhash is how many bytes sdhash needs.
const minSdhash = 512

func (d *digests) features(name string, data io.ReaderAt) error {
	if d.Size < minSdhash {
		return nil
	}
	s, err := similarity.Sdhash(name, data, d.Size)
	if err == nil {
		d.Sdhash = s.String()
	}
	return err
}

// imports makes the import hash. That a file has none is no error.
func (d *digests) imports(data io.ReaderAt) error {
	b := make([]byte, d.Size)
	if n, err := data.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("fs: the file ends at %#x: %w", n, err)
	}
	d.Imphash = imphash(b)
	return nil
}

// likeness is how alike two files are, by each kind of digest; nil: one of them has none.
type likeness struct {
	Exact   bool  `json:"exact"` // the same file
	Ssdeep  *int  `json:"ssdeep_score"`
	TLSH    *int  `json:"tlsh_distance"`
	Sdhash  *int  `json:"sdhash_score"`
	Imphash *bool `json:"imphash_equal"`
}

// digested are digests in the form in which they are compared.
type digested struct {
	*digests
	sdbf *similarity.SDBF // nil: none
}

func (d *digests) parse() (*digested, error) {
	out := &digested{digests: d}
	if d.Sdhash == "" {
		return out, nil
	}
	var err error
	out.sdbf, err = similarity.ParseSDBF(d.Sdhash)
	return out, err
}

// like compares digests.
func (d *digested) like(o *digested) likeness {
	out := likeness{Exact: d.Size == o.Size && d.SHA256 == o.SHA256}
	if n, err := similarity.SsdeepScore(d.Ssdeep, o.Ssdeep); err == nil {
		out.Ssdeep = &n
	}
	if n, err := similarity.TLSHDistance(d.TLSH, o.TLSH); err == nil {
		out.TLSH = &n
	}
	if d.sdbf != nil && o.sdbf != nil {
		if n := d.sdbf.Score(o.sdbf); n >= 0 {
			out.Sdhash = &n
		}
	}
	if d.Imphash != "" && o.Imphash != "" {
		equal := d.Imphash == o.Imphash
		out.Imphash = &equal
	}
	return out
}

// score sums a likeness up: from 0 to 100, which is the same file. It is the mean of what ssdeep, sdhash and TLSH say, a
// TLSH distance of 100 and more counting as nothing.
func (l *likeness) score() int {
	if l.Exact {
		return 100
	}
	sum, n := 0, 0
	for _, v := range []*int{l.Ssdeep, l.Sdhash} {
		if v != nil {
			sum, n = sum+*v, n+1
		}
	}
	if l.TLSH != nil {
		sum, n = sum+max(0, 100-*l.TLSH), n+1
	}
	if n == 0 {
		return 0
	}
	return min(sum/n, 99)
}
