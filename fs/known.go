package fs

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	hexcode "encoding/hex"
	"fmt"
	"io"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/known"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// knownFiles looks restored files up in sets of the hashes of known files. The dumps are not looked up: what the loader wrote is
// in them, so that no set of files has them.
type knownFiles struct {
	sets []*known.Set
	kept *lru.Cache[*memimage.Module, string]
}

// keptKnown is of how many images what was found is kept.
const keptKnown = 1 << 12

func newKnownFiles(sets []*known.Set) *knownFiles {
	kept, _ := lru.New[*memimage.Module, string](keptKnown) // fails for a negative size only
	return &knownFiles{sets, kept}
}

// maxKnown is how many bytes are said of a known file.
const maxKnown = 240

// longest is as long as any text that is said; empty where no set is given.
func (k *knownFiles) longest() string {
	if len(k.sets) == 0 {
		return ""
	}
	return strings.Repeat("x", maxKnown)
}

// known says as which known file the restored file of an image is known, "no", or why that cannot be told; nothing where no set
// is given. The error is of a source that fails, or of ctx.
func (f *FS) known(ctx context.Context, m *memimage.Module) (string, error) {
	k := f.knownFiles
	if len(k.sets) == 0 {
		return "", nil
	}
	if text, ok := k.kept.Get(m); ok {
		return text, nil
	}
	before := f.image.Faults().Count()
	text, sure, err := k.find(ctx, m)
	if err == nil {
		err = f.image.Faults().Since(before)
	}
	if err == nil && sure {
		k.kept.Add(m, text)
	}
	return text, err
}

// find looks the restored file of an image up. sure reports that all sets could be read.
func (k *knownFiles) find(ctx context.Context, m *memimage.Module) (text string, sure bool, err error) {
	r, err := m.Restored()
	if err != nil {
		return within("not comparable: "+err.Error(), maxKnown), true, sparse.OnlyFailed(err)
	}
	digests, err := knownDigests(ctx, r)
	if err != nil {
		return "", false, err
	}
	found, failed, err := k.lookUp(ctx, digests)
	if err != nil {
		return "", false, err
	}
	if len(found) > 0 {
		found[0] = ofFile(m) + found[0]
	} else if len(failed) == 0 {
		found = []string{notFound(r)}
	}
	return inAll(append(found, failed...)), len(failed) == 0, nil
}

// ofFile is what is said before a known file that does not run: the restored file is that of the file that is mapped, and where
// memory is not of it, it says nothing of the memory.
func ofFile(m *memimage.Module) string {
	if r, err := m.Changes(); err == nil && isForeign(r.Verdict) {
		return "not what runs, but its file: "
	}
	return ""
}

// lookUp returns what each set says, and which sets cannot be read. The error is of ctx.
func (k *knownFiles) lookUp(ctx context.Context, digests []knownDigest) (found, failed []string, err error) {
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

// maxKnownFile is how many bytes a restored file may have that is looked up: more than the executables of any system.
const maxKnownFile = 1 << 30

// knownDigest is a digest that is looked up.
type knownDigest struct {
	label string
	raw   []byte
}

// knownDigests are the digests of a restored file, the strongest first: those of the whole where nothing of it is missing, and
// the authentihashes where all is there that they are of. The error is of a source that fails, or of ctx.
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
		raw, err := hexcode.DecodeString(text)
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
	_, err = io.Copy(io.MultiWriter(long, middle, short), io.NewSectionReader(interruptible{ctx, r.Reader}, 0, r.Reader.Size()))
	if sparse.IsHole(err) {
		return nil, nil
	}
	for _, h := range []interface{ Sum([]byte) []byte }{long, middle, short} {
		raw := h.Sum(nil)
		out = append(out, knownDigest{known.Algorithm(len(raw)), raw})
	}
	return out, err
}

// notFound says that a restored file is in no set, and why it may be known all the same. A plain "no" is of a file that is exactly
// the original.
func notFound(r *restore.Result) string {
	s := r.Summary()
	switch {
	case s.Bytes[restore.Missing] > 0:
		return fmt.Sprintf("not comparable: %d bytes missing", s.Bytes[restore.Missing])
	case r.Reader.Size() > maxKnownFile:
		return "not comparable: larger than 1 GiB"
	case s.Changed > 0:
		return fmt.Sprintf("no: %d bytes are left as found", s.Changed)
	case s.Assumed > 0:
		return fmt.Sprintf("no: %d bytes are assumed", s.Assumed)
	case r.SizeCertainty != restore.Exact:
		return "no: the size of the file is assumed"
	}
	return "no"
}
