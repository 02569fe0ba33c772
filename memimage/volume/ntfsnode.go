package volume

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"
	"unicode/utf16"

	"memlens/memimage/sparse"
)

// ntfsNode is a file or folder of an NTFS volume.
type ntfsNode struct {
	volume *ntfs
	ref    reference
	own    string
	folder bool
}

func (n *ntfsNode) name() string { return n.own }
func (n *ntfsNode) isDir() bool  { return n.folder }

// child implements [node]. If a file has a short name, the index has an entry for it, too.
func (n *ntfsNode) child(ctx context.Context, name string) (node, string, error) {
	r, err := n.volume.load(ctx, n.ref)
	if err != nil {
		return nil, "", err
	}
	x, err := n.volume.index(ctx, r)
	if err != nil {
		return nil, "", err
	}
	e, err := x.find(ctx, utf16.Encode([]rune(name)))
	if err != nil {
		return nil, "", err
	}
	out := &ntfsNode{n.volume, e.ref, string(utf16.Decode(e.name)), e.folder}
	if e.namespace == namespaceDOS {
		if out.own, err = n.volume.longName(ctx, e.ref, r.number); err != nil {
			return nil, "", err
		}
	}
	return out, "", nil
}

// longName returns the name of a file in a folder that is not its short one.
func (v *ntfs) longName(ctx context.Context, ref reference, folder int64) (string, error) {
	const header = 66
	r, err := v.load(ctx, ref)
	if err != nil {
		return "", err
	}
	all, err := v.attributes(ctx, r, typeFileName, "")
	if err != nil {
		return "", err
	}
	for _, a := range all {
		b := a.content
		if len(b) < header || len(b) < header+2*int(b[64]) || b[65] == namespaceDOS {
			continue
		}
		if referenceOf(binary.LittleEndian.Uint64(b)).number == folder {
			return text(b[header : header+2*int(b[64])]), nil
		}
	}
	return "", damaged("record %d of $MFT has a short name and no long one", ref.number)
}

// children implements [node].
func (n *ntfsNode) children(ctx context.Context, f func(node) bool) error {
	r, err := n.volume.load(ctx, n.ref)
	if err != nil {
		return err
	}
	x, err := n.volume.index(ctx, r)
	if err != nil {
		return err
	}
	return x.all(ctx, func(e *indexEntry) bool {
		return e.namespace == namespaceDOS || f(&ntfsNode{n.volume, e.ref, string(utf16.Decode(e.name)), e.folder})
	})
}

// link implements [node].
func (n *ntfsNode) link(ctx context.Context) (*link, error) {
	r, err := n.volume.load(ctx, n.ref)
	if err != nil {
		return nil, err
	}
	tag, data, err := n.volume.reparse(ctx, r)
	if err != nil {
		return nil, err
	}
	to, err := linkOf(tag, data)
	if err == nil && to == nil && r.folder {
		n.folder = true
	}
	return to, err
}

// file implements [node].
func (n *ntfsNode) file(ctx context.Context) (*File, error) {
	v := n.volume
	r, err := v.load(ctx, n.ref)
	if err != nil {
		return nil, err
	}
	when, err := modified(r)
	if err != nil {
		return nil, err
	}
	c, err := v.content(ctx, r)
	if err != nil {
		return nil, err
	}
	f := &File{Size: c.bytes(), ModTime: when}
	f.Key = fmt.Sprintf("%s\x00%d-%d\x00%d\x00%d", v.key, r.number, r.sequence, f.Size, when.UnixNano())
	f.open = func() (Content, error) { return content{Source: sparse.Whole(c.opened(), c.bytes())}, nil }
	return f, nil
}

// packing is the bytes of a file, in one of the ways in which they are stored.
type packing interface {
	bytes() int64
	// opened returns a reader that keeps unpacked pieces: a file that is not open keeps nothing.
	opened() io.ReaderAt
}

// content returns the bytes of a file.
func (v *ntfs) content(ctx context.Context, r *record) (packing, error) {
	tag, data, err := v.reparse(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := unreadable(tag); err != nil {
		return nil, err
	}
	pieces, err := v.attributes(ctx, r, typeData, "")
	if err != nil {
		return nil, err
	}
	s, err := v.stream(pieces)
	if err != nil {
		return nil, err
	}
	if tag != tagWOF {
		return s, nil
	}
	return v.wof(ctx, r, data, s.size)
}

// modified returns when the content of a file was last changed.
func modified(r *record) (time.Time, error) {
	a := r.find(typeStandardInformation)
	if a == nil || len(a.content) < 48 {
		return time.Time{}, damaged("record %d of $MFT has no $STANDARD_INFORMATION", r.number)
	}
	return fileTime(binary.LittleEndian.Uint64(a.content[8:])), nil
}

// fileTime returns a FILETIME: the units of 100 ns since 1601.
func fileTime(n uint64) time.Time {
	const from1601 = 11644473600 // seconds to 1970
	return time.Unix(int64(n/10_000_000)-from1601, int64(n%10_000_000)*100).UTC()
}
