package volume

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"www.velocidex.com/golang/go-ntfs/parser"
)

// The types of attributes.
const (
	typeStandardInformation = 0x10
	typeAttributeList       = 0x20
	typeFileName            = 0x30
	typeData                = 0x80
	typeIndexRoot           = 0x90
	typeIndexAllocation     = 0xa0
	typeReparsePoint        = 0xc0
	typeEnd                 = 0xffffffff
)

const (
	// stride is the distance in bytes between two checked words; the size of a sector does not matter.
	stride = 512
	// maxAttributeList is the largest list of attributes that Windows makes, in bytes.
	maxAttributeList = 256 << 10
	// attributeHeader is the size in bytes of the header of an attribute whose content is within its record,
	// attributeHeader2 the size for other attributes.
	attributeHeader, attributeHeader2 = 24, 64
)

// reference names a record of $MFT, and the file that it is for: records are used again for other files.
type reference struct {
	number   int64
	sequence uint16
	any      bool // the sequence is not known
}

func referenceOf(n uint64) reference {
	return reference{number: int64(n & (1<<48 - 1)), sequence: uint16(n >> 48)}
}

// record is a record of $MFT: a file, or a part of one.
type record struct {
	number   int64
	sequence uint16
	folder   bool
	base     uint64 // the reference of the file's first record; 0: this record is the first
	attrs    []*attribute
}

// attribute is an attribute of a file, or a piece of one.
type attribute struct {
	typ     uint32
	name    string
	id      uint16
	flags   uint16
	content []byte // of an attribute within the record; nil: it is outside
	// for attributes outside of the record
	first, last  int64 // clusters of the attribute that the piece holds
	runs         []byte
	size, init   int64 // of the first piece: size in bytes, and how many bytes have been written
	unit         uint  // of the first piece: a compression unit has 1<<unit clusters; 0: it is not compressed
	outside      bool  // the content is not within the record
	headerDamage string
}

// load returns the first record of a file.
func (v *ntfs) load(ctx context.Context, ref reference) (*record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := v.readRecord(ref)
	if err != nil {
		return nil, err
	}
	if r.base != 0 {
		return nil, damaged("record %d of $MFT is not the first of its file", ref.number)
	}
	return r, nil
}

// readRecord returns a record. It is kept.
func (v *ntfs) readRecord(ref reference) (*record, error) {
	if ref.number < 0 || ref.number >= v.mft.size/v.record {
		return nil, damaged("record %d is asked for, and $MFT has %d", ref.number, v.mft.size/v.record)
	}
	r, ok := v.records.Get(uint64(ref.number))
	if !ok {
		b, err := read(v.mft, ref.number*v.record, v.record)
		if err != nil {
			return nil, err
		}
		if r, err = v.parseRecord(ref.number, b); err != nil {
			return nil, err
		}
		v.records.Add(uint64(ref.number), r)
	}
	if !ref.any && r.sequence != ref.sequence {
		return nil, damaged("record %d of $MFT is for another file by now (%d, not %d)", ref.number, r.sequence, ref.sequence)
	}
	return r, nil
}

// parseRecord takes a record apart.
func (v *ntfs) parseRecord(number int64, b []byte) (*record, error) {
	const inUse, folder = 1, 2
	what := fmt.Sprintf("record %d of $MFT", number)
	if err := fixUp(b, "FILE", what); err != nil {
		return nil, err
	}
	at := bytes.NewReader(b)
	entry := v.profile.MFT_ENTRY(at, 0)
	flags := entry.Flags().Value
	if flags&inUse == 0 {
		return nil, damaged("%s is of a file that was deleted", what)
	}
	r := &record{number: number, sequence: entry.Sequence_value(), folder: flags&folder != 0, base: parser.ParseUint64(at, 32)}
	used := int(parser.ParseUint32(at, 24))
	off := int(entry.Attribute_offset())
	if used > len(b) || off < 42 {
		return nil, damaged("%s has attributes from %d on, and %d bytes in use", what, off, used)
	}
	for {
		if off > used-4 {
			return nil, damaged("the attributes of %s have no end", what)
		}
		if binary.LittleEndian.Uint32(b[off:]) == typeEnd {
			return r, nil
		}
		if off > used-attributeHeader {
			return nil, damaged("the attributes of %s have no end", what)
		}
		n := int(binary.LittleEndian.Uint32(b[off+4:]))
		if n < attributeHeader || n%8 != 0 || n > used-off {
			return nil, damaged("an attribute of %s has %d bytes", what, n)
		}
		r.attrs = append(r.attrs, v.parseAttribute(b[off:off+n]))
		off += n
	}
}

// parseAttribute takes an attribute apart. A contradiction in it becomes an error only when the attribute is needed,
// for the other attributes of the record are still good.
func (v *ntfs) parseAttribute(b []byte) *attribute {
	header := v.profile.NTFS_ATTRIBUTE(bytes.NewReader(b), 0)
	a := &attribute{typ: uint32(header.Type().Value), id: header.Attribute_id(), flags: uint16(*header.Flags())}
	nameEnd := int(b[9])*2 + int(binary.LittleEndian.Uint16(b[10:]))
	if b[9] > 0 && nameEnd > len(b) {
		a.headerDamage = "its name is not within it"
		return a
	}
	if b[9] > 0 {
		a.name = header.Name()
	}
	switch b[8] {
	case 0:
		off, n := int(header.Content_offset()), int64(header.Content_size())
		if n > int64(len(b)-off) {
			a.headerDamage = "its content is not within it"
			return a
		}
		a.content = b[off : off+int(n) : off+int(n)]
	case 1:
		a.parseOutside(header, b)
	default:
		a.headerDamage = "it is neither within its record nor outside"
	}
	return a
}

// parseOutside takes apart the header of an attribute whose content is not within the record.
func (a *attribute) parseOutside(header *parser.NTFS_ATTRIBUTE, b []byte) {
	a.outside = true
	a.first, a.last = int64(header.Runlist_vcn_start()), int64(header.Runlist_vcn_end())
	off := int(header.Runlist_offset())
	if a.first < 0 || a.last < a.first-1 || off < attributeHeader2 || off > len(b) {
		a.headerDamage = fmt.Sprintf("it has the clusters from %d to %d, and their list at %d", a.first, a.last, off)
		return
	}
	a.runs = b[off:]
	if a.first > 0 {
		return
	}
	a.size, a.init, a.unit = int64(header.Actual_size()), int64(header.Initialized_size()), uint(header.Compression_unit_size())
	if a.size < 0 || a.init < 0 || a.init > a.size {
		a.headerDamage = fmt.Sprintf("it has %d bytes, of which %d were written", a.size, a.init)
	}
}

// find returns the first attribute of a type in the record, or nil.
func (r *record) find(typ uint32) *attribute {
	for _, a := range r.attrs {
		if a.typ == typ {
			return a
		}
	}
	return nil
}

// own returns the attributes of a type and name in the record.
func (r *record) own(name string, typ uint32) []*attribute {
	var out []*attribute
	for _, a := range r.attrs {
		if a.typ == typ && a.name == name {
			out = append(out, a)
		}
	}
	return out
}

// fixUp checks a record or a block of an index, and puts back the words that were replaced when it was written. Each
// piece of 512 bytes must end in the same word, which shows that the record was written completely.
func fixUp(b []byte, magic, what string) error {
	if string(b[:4]) != magic {
		return damaged("%s begins with %q", what, b[:4])
	}
	off, n := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	if n != len(b)/stride+1 || off%2 != 0 || off < 8 || off+2*n > stride-2 {
		return damaged("%s has %d words at %d to put back", what, n, off)
	}
	for i := 1; i < n; i++ {
		end := i*stride - 2
		if b[end] != b[off] || b[end+1] != b[off+1] {
			return damaged("%s was not written whole", what)
		}
		copy(b[end:end+2], b[off+2*i:])
	}
	return nil
}
