package digest

import (
	"errors"
	"fmt"
	"io"

	"memlens/memimage/pe"
	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
	"memlens/render/similarity"
)

// Digests are all digests of a file. The digests of the whole are empty if too many of its bytes are missing. The
// similarity digests are empty if the file is too small, too uniform or too large. The import hash is empty if the
// file is no executable with imports, Authenticode's digest if it is no executable; both are also empty if bytes that
// they depend on are missing.
type Digests struct {
	Size    int64  `json:"size"`
	Missing int64  `json:"missing,omitempty"` // bytes; they are digested as zeros
	MD5     string `json:"md5"`
	SHA256  string `json:"sha256"`
	Ssdeep  string `json:"ssdeep"`
	TLSH    string `json:"tlsh"`
	Sdhash  string `json:"sdhash"`
	Imphash string `json:"imphash"`
	Signed  string `json:"authentihash"`
	Blocks  []byte `json:"blocks"` // their hashes
}

// MaxParsed is how many bytes an executable may have for more than similarity digests to be made.
const MaxParsed = 64 << 20

// maxDigested is how many bytes a file may have for similarity digests to be made: they take some 20 ms per MiB.
const maxDigested = 256 << 20

// Kinds say which digests are made.
type Kinds struct {
	Sums    bool // MD5 and SHA-256
	Alike   bool // ssdeep and TLSH
	Sdhash  bool
	Blocks  bool
	Imphash bool
	Signed  bool // Authenticode's
}

// All are all digests.
var All = Kinds{true, true, true, true, true, true}

// Of makes all digests of a file in one pass over it. The name becomes part of the sdhash digest. Blocks with missing
// bytes are not digested.
func Of(name string, data io.ReaderAt, size int64, missing []pe.Range) (*Digests, error) {
	return Some(All, name, data, size, missing)
}

// Some makes the digests of these kinds, like Of.
func Some(kinds Kinds, name string, data io.ReaderAt, size int64, missing []pe.Range) (*Digests, error) {
	d := &Digests{Size: size, Missing: total(missing)}
	var finish []func()
	takers := new(crew)
	if kinds.Sums && Claimed(missing) == nil {
		sums := newSummer()
		takers.others = append(takers.others, sums)
		finish = append(finish, func() { d.MD5, d.SHA256 = sums.texts() })
	}
	if size <= maxDigested {
		finish = append(finish, d.similar(kinds, takers, name, missing)...)
	}
	err := rescue.Call(func() error {
		if size <= MaxParsed {
			done, err := d.executable(kinds, takers, data, missing)
			if err != nil {
				return err
			}
			finish = append(finish, done)
		}
		if len(takers.slow)+len(takers.others) == 0 {
			return nil
		}
		return errors.Join(similarity.Feed(takers, data, size), takers.err)
	})
	if err != nil {
		return nil, err
	}
	for _, f := range finish {
		f()
	}
	return d, nil
}

// similar adds the takers for similarity digests, and returns the functions that note the results.
func (d *Digests) similar(kinds Kinds, takers *crew, name string, missing []pe.Range) (finish []func()) {
	alike := similarity.NewDigests(name, d.Size)
	slow, quick := alike.Takers()
	if kinds.Sdhash {
		takers.slow = slow
		finish = append(finish, func() {
			if sdbf := alike.Sdhash(); sdbf != nil {
				d.Sdhash = sdbf.String()
			}
		})
	}
	if kinds.Alike {
		takers.others = append(takers.others, quick...)
		finish = append(finish, func() { d.Ssdeep, d.TLSH = alike.Ssdeep(), alike.TLSH() })
	}
	if kinds.Blocks {
		blocks := &blockHasher{missing: missing}
		takers.others = append(takers.others, blocks)
		finish = append(finish, func() { d.Blocks = blocks.blocks().bytes() })
	}
	return finish
}

// Missing returns the missing ranges of a file, with neighbours joined. The error is about a failed read.
func Missing(file sparse.Source) ([]pe.Range, error) {
	var out []pe.Range
	for run, err := range sparse.Runs(file) {
		if err != nil {
			return nil, err
		}
		if last := len(out) - 1; run.Err != nil && last >= 0 && out[last].End() == run.Off {
			out[last].Len += run.Len // a neighbour, missing for another reason
		} else if run.Err != nil {
			out = append(out, pe.Range{Off: run.Off, Len: run.Len})
		}
	}
	return out, nil
}

// MaxMissing is how many missing bytes of a file are digested as zeros: an MD5 of zeros takes as long as any other.
// No program of that size runs, but a header may claim it.
const MaxMissing = 256 << 20

// Claimed returns an error if so many bytes of a file are missing that it has no digest of the whole.
func Claimed(missing []pe.Range) error {
	n := total(missing)
	if n <= MaxMissing {
		return nil
	}
	return fmt.Errorf("not made: %d bytes are missing, more than %d MiB", n, MaxMissing>>20)
}

// total returns how many bytes are in pieces; these do not overlap.
func total(pieces []pe.Range) (n int64) {
	for _, p := range pieces {
		n += p.Len
	}
	return n
}

// executable makes the digests that only executables have: the import hash now; Authenticode's takes the data, and
// done makes it. A file that is no executable is no error.
func (d *Digests) executable(kinds Kinds, takers *crew, data io.ReaderAt, missing []pe.Range) (done func(), err error) {
	none := func() {}
	if !kinds.Imphash && !kinds.Signed {
		return none, nil
	}
	strict, err := withHoles(data, d.Size, missing)
	if err != nil {
		return nil, err
	}
	if kinds.Imphash {
		if d.Imphash, err = Imphash(strict); err != nil {
			return nil, err
		}
	}
	if !kinds.Signed {
		return none, nil
	}
	signed, err := signedHasherOf(strict, missing)
	if err != nil || signed == nil {
		return none, err
	}
	takers.others = append(takers.others, signed)
	return func() { d.Signed = signed.text() }, nil
}

// withHoles returns data with holes for the missing pieces, which are in order.
func withHoles(data io.ReaderAt, size int64, missing []pe.Range) (*sparse.Reader, error) {
	var extents []sparse.Extent
	at, src := int64(0), sparse.Whole(data, size)
	for _, m := range missing {
		extents = append(extents, sparse.Extent{Off: at, Len: m.Off - at, Src: src, SrcOff: at})
		at = m.Off + m.Len
	}
	return sparse.NewReader(size, append(extents, sparse.Extent{Off: at, Len: size - at, Src: src, SrcOff: at})...)
}

// Parsed are digests in the form in which they are compared. The large digests are in them only once.
type Parsed struct {
	Digests
	sdbf   *similarity.SDBF // nil: none
	blocks blocks
}

func (d *Digests) Parse() (*Parsed, error) {
	out := &Parsed{Digests: *d, blocks: parseBlocks(d.Blocks)}
	out.Sdhash, out.Blocks = "", nil
	if d.Sdhash == "" {
		return out, nil
	}
	var err error
	out.sdbf, err = similarity.ParseSDBF(d.Sdhash)
	return out, err
}
