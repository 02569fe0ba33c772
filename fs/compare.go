package fs

import (
	"context"
	"errors"
	"fmt"

	"memlens/memimage/digest"
	"memlens/memimage/pe"
	"memlens/memimage/reference"
	"memlens/render/figure"
)

// comparisonInfo is the file <reference>.json.
type comparisonInfo struct {
	Reference     comparedFile    `json:"reference"`
	Recovered     comparedFile    `json:"recovered"`
	Bytes         byteCounts      `json:"bytes"`
	Similarity    digest.Likeness `json:"similarity"`
	DigestReached bool            `json:"original_digest_reached"`
}

// comparedFile describes one of the files: it has all digests except the sdhash digest, which is as large as a picture.
type comparedFile struct {
	File    string `json:"file"`
	Size    int64  `json:"size"`
	MD5     string `json:"md5"`
	SHA256  string `json:"sha256"`
	Ssdeep  string `json:"ssdeep"`
	TLSH    string `json:"tlsh"`
	Imphash string `json:"imphash"`
	Signed  string `json:"authentihash"` // SHA-256
	Missing int64  `json:"missing"`      // bytes that are digested as zeros
	Path    string `json:"path"`         // of a reference that was found by the path or name of the module
	Match   string `json:"match"`        // how
	Note    string `json:"note"`         // why there are no digests of the whole
}

func compared(name string, d *digest.Digests) comparedFile {
	return comparedFile{File: name, Size: d.Size, MD5: d.MD5, SHA256: d.SHA256, Ssdeep: d.Ssdeep, TLSH: d.TLSH, Imphash: d.Imphash, Signed: d.Signed, Missing: d.Missing}
}

// found adds to the description of a reference how it was found.
func (f comparedFile) found(ref reference.File) comparedFile {
	if !isGiven(ref) {
		f.Path, f.Match = ref.Path, ref.Match.String()
	}
	return f
}

// byteCounts are the bytes up to the end of the longer file.
type byteCounts struct {
	Total        int64 `json:"total"`
	Equal        int64 `json:"equal"`
	Relocated    int64 `json:"changed_by_relocation"`
	Bound        int64 `json:"changed_by_import_binding"`
	Slot         int64 `json:"changed_in_loader_slots"`
	Changed      int64 `json:"otherwise_changed"`
	NotRecovered int64 `json:"not_recovered"`
	NotThere     int64 `json:"missing_in_reference"`
	Beyond       int64 `json:"beyond_the_end"`
}

// numbers is the comparison as JSON, made when it is first read. Its size is the size of the longest comparison that is
// possible: listing it must not digest the files.
func (c *comparison) numbers(at place) (*body, error) {
	if err := figure.CheckComparison(c.sizes()); err != nil {
		return nil, errors.Join(absent(fmt.Errorf("the files cannot be compared: %w", err)), c.Close())
	}
	room, err := encode(c.longest())
	if err != nil {
		return nil, err
	}
	return &body{Content: c.fs.later(at.name+c.state, int64(len(room)), func(ctx context.Context) ([]byte, error) {
		info, err := c.within(ctx).compare(ctx)
		if err != nil {
			return nil, err
		}
		return encodeIn(room, info)
	}), close: c.Close}, nil
}

// Longest digests, in characters: md5 and imphash, SHA-256 and authentihash, ssdeep, TLSH.
const (
	maxMD5, maxSHA256, maxSsdeep, maxTLSH = 32, 64, 160, 72
)

// longest returns a comparison that is as long as any comparison of these files.
func (c *comparison) longest() *comparisonInfo {
	ours, theirs := c.recovered.Size(), c.reference.Size()
	file := func(name string, size int64) comparedFile {
		out := comparedFile{File: name, Size: size, MD5: letters(maxMD5), SHA256: letters(maxSHA256), Ssdeep: letters(maxSsdeep), TLSH: letters(maxTLSH),
			Imphash: letters(maxMD5), Signed: letters(maxSHA256), Missing: size}
		if why := digest.Claimed([]pe.Range{{Len: size}}); why != nil {
			out.Note = why.Error()
		}
		return out
	}
	// A score has at most three digits, and null has four letters.
	most, no, percent, distance := max(ours, theirs), false, 9999, 9999
	return &comparisonInfo{
		Reference: file(c.ref.Name, theirs).found(c.ref), Recovered: file(c.file(c.form), ours), Bytes: byteCounts{most, most, most, most, most, most, most, most, most},
		Similarity: digest.Likeness{Ssdeep: &percent, TLSH: &distance, Sdhash: &percent, Confidence: &percent, Imphash: &no, Blocks: &percent, Compared: int(ours)}, DigestReached: no,
	}
}

// count counts the bytes by cause of difference; gaps are the bytes that were not recovered.
func (c *comparison) count() (n figure.Counts, gaps []figure.Span, err error) {
	if gaps, err = missing(c.recovered); err != nil {
		return n, nil, err
	}
	classes, err := c.classes(gaps)
	if err != nil {
		return n, nil, err
	}
	n, err = classes.Count()
	return n, gaps, err
}

// compare makes the comparison.
func (c *comparison) compare(ctx context.Context) (*comparisonInfo, error) {
	n, gaps, err := c.count()
	if err != nil {
		return nil, err
	}
	original, err := c.fs.digests.of(ctx, c.ref)
	if err != nil {
		return nil, err
	}
	recovered, err := c.digests(c.form, c.recovered)
	if err != nil {
		return nil, err
	}
	like := recovered.Like(original)
	ours, err := c.described(&recovered.Digests)
	if err != nil {
		return nil, err
	}
	if err := claimed(gaps); err != nil {
		ours.Note = err.Error()
	}
	theirs := compared(c.ref.Name, &original.Digests).found(c.ref)
	return &comparisonInfo{
		Reference: theirs, Recovered: ours,
		Bytes: byteCounts{n.Total(), n[figure.Equal], n[figure.Relocated], n[figure.Bound], n[figure.Slot], n[figure.Changed],
			n[figure.NotRecovered], n[figure.NotInReference], n[figure.Beyond]},
		Similarity: like, DigestReached: like.Exact && len(gaps) == 0,
	}, nil
}

// described describes the recovered file. A restored one has an authentihash only where no byte that counts is
// missing or left as found.
func (c *comparison) described(d *digest.Digests) (comparedFile, error) {
	out := compared(c.file(c.form), d)
	if c.form != formRestored {
		return out, nil
	}
	hash, err := c.authentihash()
	if err != nil {
		return out, err
	}
	out.Signed = hash.SHA256
	return out, nil
}

// digests returns the digests of a recovered file, which are kept with the texts. Reads of b fail when its reader goes away.
func (m *module) digests(f *form, b *body) (*digest.Parsed, error) {
	d, err := keptAsJSON(context.Background(), m.fs.texts, m.place(f).name+"\x00digests", func() (*digest.Digests, error) {
		gaps, err := missing(b)
		if err != nil {
			return nil, err
		}
		return digest.Of(m.file(f), b, b.Size(), ranges(gaps))
	})
	if err != nil {
		return nil, err
	}
	return d.Parse()
}
