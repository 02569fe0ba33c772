package volume

import (
	"context"
	"encoding/binary"
	"fmt"
)

// The tags of reparse points.
const (
	tagMountPoint = 0xa0000003
	tagSymlink    = 0xa000000c
	tagWOF        = 0x80000017
	tagDedup      = 0x80000013
)

// maxReparse is the most bytes that a reparse point has.
const maxReparse = 16 << 10

// reparse returns the tag of the reparse point of a file and the data behind it; tag 0: it has none.
func (v *ntfs) reparse(ctx context.Context, r *record) (tag uint32, data []byte, err error) {
	all, err := v.attributes(ctx, r, typeReparsePoint, "")
	if err != nil || len(all) == 0 {
		return 0, nil, err
	}
	s, err := v.stream(all)
	if err != nil {
		return 0, nil, err
	}
	if s.size < 8 || s.size > maxReparse {
		return 0, nil, damaged("a reparse point has %d bytes", s.size)
	}
	b, err := read(s, 0, s.size)
	if err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint16(b[4:]))
	if n > len(b)-8 {
		return 0, nil, damaged("a reparse point has %d bytes of data in %d", n, len(b))
	}
	return binary.LittleEndian.Uint32(b), b[8 : 8+n], nil
}

// linkOf returns the target in the reparse point of a junction or a symbolic link; nil: another kind of reparse
// point.
func linkOf(tag uint32, data []byte) (*link, error) {
	header := 8
	switch tag {
	case tagMountPoint:
	case tagSymlink:
		header = 12
	default:
		return nil, nil
	}
	if len(data) < header {
		return nil, damaged("a link has %d bytes", len(data))
	}
	off, n := int(binary.LittleEndian.Uint16(data)), int(binary.LittleEndian.Uint16(data[2:]))
	if off+n > len(data)-header {
		return nil, damaged("where a link leads is not within it")
	}
	where := text(data[header+off : header+off+n])
	relative := tag == tagSymlink && data[8]&1 != 0
	if relative && len(where) > 0 && where[0] == '\\' { // from the root of the same volume on
		return &link{text: where, parts: split(where), rooted: true}, nil
	}
	to, ok := parseLink(where)
	if !ok || to.rooted == relative {
		return nil, &UnreadableError{Why: "it is a link to " + where + ", which is not on this volume"}
	}
	return to, nil
}

// unreadable returns why the data of a file with a reparse point is not its content; nil: it is compressed by WOF, or has
// no reparse point.
func unreadable(tag uint32) error {
	switch tag {
	case 0, tagWOF:
		return nil
	case tagDedup:
		return &UnreadableError{Why: "it is deduplicated by Windows: its bytes are in a chunk store"}
	}
	if tag&0xffff0fff == 0x9000001a {
		return &UnreadableError{Why: "it is a file of the cloud, of which a part may be here"}
	}
	return &UnreadableError{Why: fmt.Sprintf("it is a reparse point of a kind that is not read (%#x)", tag)}
}
