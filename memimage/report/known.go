package report

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/known"
	"memlens/memimage/reason"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// Lookup looks restored files up in sets of the hashes of known files. The dumps are not looked up: they contain the
// loader's changes, so no set of files has them.
type Lookup struct {
	sets []*known.Set
	kept *lru.Cache[*memimage.Module, Knowledge]
}

// keptKnown is the number of images whose result is kept.
const keptKnown = 1 << 12

// NewLookup returns a Lookup for some sets; nil for no sets.
func NewLookup(sets []*known.Set) *Lookup {
	if len(sets) == 0 {
		return nil
	}
	kept, _ := lru.New[*memimage.Module, Knowledge](keptKnown) // fails for a negative size only
	return &Lookup{sets, kept}
}

// MaxKnownText bounds the text about a known file, in bytes.
const MaxKnownText = 240

// Of names the known file that the restored file of an executable is, or says why that is not known; nothing where no
// set is given. The error is of a source that fails, or of ctx.
func (k *Lookup) Of(ctx context.Context, m *memimage.Module) (Knowledge, error) {
	if k == nil {
		return Knowledge{}, nil
	}
	if found, ok := k.kept.Get(m); ok {
		return found, nil
	}
	faults := m.Image().Faults()
	before := faults.Count()
	found, sure, err := k.find(ctx, m)
	if err == nil {
		err = faults.Since(before)
	}
	if err == nil && sure {
		k.kept.Add(m, found)
	}
	return found, err
}

// find looks the restored file of an image up. sure reports that all sets could be read.
func (k *Lookup) find(ctx context.Context, m *memimage.Module) (out Knowledge, sure bool, err error) {
	r, err := m.Restored()
	if err != nil {
		return Knowledge{reason.NotComparable, within("not comparable: "+err.Error(), MaxKnownText)}, true, sparse.OnlyFailed(err)
	}
	digests, err := knownDigests(ctx, r)
	if err != nil {
		return out, false, err
	}
	found, failed, err := k.lookUp(ctx, digests)
	if err != nil {
		return out, false, err
	}
	out.Known = reason.Other // not all sets could be read
	switch {
	case len(found) > 0:
		out.Known = reason.Known
		if notWhatRuns(m) {
			out.Known, found[0] = reason.KnownNotRun, "not what runs, but its file: "+found[0]
		}
	case len(failed) == 0:
		why := notFound(r)
		out.Known, found = why.Code, []string{why.Text}
	}
	out.KnownText = inAll(append(found, failed...))
	return out, len(failed) == 0, nil
}

// notWhatRuns reports whether memory does not belong to the mapped file, which the restored file is: then a result for
// that file says nothing about the memory.
func notWhatRuns(m *memimage.Module) bool {
	c, _ := ComparisonOf(m)
	return c.IsForeign()
}

// lookUp returns the results of each set, and the sets that cannot be read. The error is of ctx.
func (k *Lookup) lookUp(ctx context.Context, digests []knownDigest) (found, failed []string, err error) {
	if len(digests) == 0 {
		return nil, nil, nil
	}
	raw := make([][]byte, len(digests))
	for i := range digests {
		raw[i] = digests[i].raw
	}
	for _, set := range k.sets {
		match, ok, err := set.Lookup(ctx, raw...)
		name := tail(set.Name(), maxSetName)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case err != nil:
			failed = append(failed, within(fmt.Sprintf("not looked up in %s: %v", name, err), maxNotLookedUp))
		case ok && match.Name == "":
			found = append(found, digests[match.Digest].label+" in "+name)
		case ok:
			found = append(found, digests[match.Digest].label+" in "+name+": "+tail(match.Name, maxKnownName))
		}
	}
	return found, failed, nil
}

// maxKnownFile bounds the restored files that are looked up: larger than the executables of any system.
const maxKnownFile = 1 << 30

// knownDigest is a digest that is looked up.
type knownDigest struct {
	label string
	raw   []byte
}

// knownDigests are the digests of a restored file, the strongest first: digests of the whole file where no byte is
// missing, and the authentihashes where all bytes under them are present. The error is of a source that fails, or of
// ctx.
func knownDigests(ctx context.Context, r *restore.Result) (out []knownDigest, err error) {
	size := r.Reader.Size()
	if r.Summary().Bytes[restore.Missing] == 0 && size > 0 && size <= maxKnownFile {
		sums, err := wholeSums(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, sums...)
	}
	signed, err := digest.AuthentihashOf(r)
	if err != nil || signed.SHA256 == "" {
		return out, err
	}
	for _, text := range []string{signed.SHA256, signed.SHA1} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		out = append(out, knownDigest{"authentihash (" + known.Algorithm(len(raw)) + ")", raw})
	}
	return out, nil
}

// wholeSums are the digests of all bytes of a restored file; none where it turns out that some are missing.
func wholeSums(ctx context.Context, r *restore.Result) (out []knownDigest, err error) {
	long, middle, short := sha256.New(), sha1.New(), md5.New()
	_, err = io.Copy(io.MultiWriter(long, middle, short), io.NewSectionReader(sparse.Within(ctx, r.Reader), 0, r.Reader.Size()))
	if sparse.IsHole(err) {
		return nil, nil
	}
	for _, h := range []interface{ Sum([]byte) []byte }{long, middle, short} {
		raw := h.Sum(nil)
		out = append(out, knownDigest{known.Algorithm(len(raw)), raw})
	}
	return out, err
}

// notFound says that a restored file is in no set, and why it may be known all the same. A plain "no" is only for a
// file that is exactly the original.
func notFound(r *restore.Result) reason.Reason {
	s := r.Summary()
	switch {
	case s.Bytes[restore.Missing] > 0:
		return reason.New(reason.NotComparable, "not comparable: %d bytes missing", s.Bytes[restore.Missing])
	case r.Reader.Size() > maxKnownFile:
		return reason.New(reason.NotComparable, "not comparable: larger than 1 GiB")
	case s.Changed > 0:
		return reason.New(reason.NotKnown, "no: %d bytes are left as found", s.Changed)
	case s.Assumed > 0:
		return reason.New(reason.NotKnown, "no: %d bytes are assumed", s.Assumed)
	case r.SizeCertainty != restore.Exact:
		return reason.New(reason.NotKnown, "no: the size of the file is assumed")
	}
	return reason.New(reason.NotKnown, "no")
}
