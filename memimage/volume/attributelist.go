package volume

import (
	"bytes"
	"cmp"
	"context"
	"slices"
)

// listEntry is an entry of $ATTRIBUTE_LIST: the place of a piece of an attribute.
type listEntry struct {
	typ  uint32
	name string
	id   uint16
	vcn  int64
	ref  reference
}

// attributes returns all pieces of the attribute of that type and name that a file has.
func (v *ntfs) attributes(ctx context.Context, r *record, typ uint32, name string) ([]*attribute, error) {
	if r.find(typeAttributeList) == nil {
		return r.own(name, typ), nil
	}
	entries, err := v.attributeList(r)
	if err != nil {
		return nil, err
	}
	var out []*attribute
	for _, e := range entries {
		if e.typ != typ || e.name != name {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, err := v.extension(r, e)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// extension returns the piece that an entry of a file's list names.
func (v *ntfs) extension(first *record, e listEntry) (*attribute, error) {
	r := first
	if e.ref.number != first.number {
		var err error
		if r, err = v.readRecord(e.ref); err != nil {
			return nil, err
		}
		if base := referenceOf(r.base); r.base == 0 || base.number != first.number || base.sequence != first.sequence {
			return nil, damaged("record %d of $MFT is not a part of record %d", r.number, first.number)
		}
	}
	for _, a := range r.own(e.name, e.typ) {
		if a.id == e.id {
			return a, nil
		}
	}
	return nil, damaged("record %d of $MFT has no attribute %#x with the number %d", r.number, e.typ, e.id)
}

// attributeList returns the list of a file's attributes; the pieces of one attribute are in the order of their
// clusters.
func (v *ntfs) attributeList(r *record) ([]listEntry, error) {
	a := r.find(typeAttributeList)
	b := a.content
	if a.outside {
		s, err := v.stream([]*attribute{a})
		if err != nil {
			return nil, err
		}
		if s.size > maxAttributeList {
			return nil, damaged("the list of attributes of record %d has %d bytes", r.number, s.size)
		}
		if b, err = read(s, 0, s.size); err != nil {
			return nil, err
		}
	} else if a.headerDamage != "" {
		return nil, damaged("the list of attributes of record %d: %s", r.number, a.headerDamage)
	}
	return v.parseList(b, r.number)
}

func (v *ntfs) parseList(b []byte, number int64) ([]listEntry, error) {
	const header = 26
	var out []listEntry
	for len(b) >= header {
		entry := v.profile.ATTRIBUTE_LIST_ENTRY(bytes.NewReader(b), 0)
		n, name, end := int(entry.Length()), int(b[7]), int(b[7])+2*int(b[6])
		if n < header || n > len(b) || b[6] > 0 && (name < header || end > n) {
			return nil, damaged("an entry of the list of attributes of record %d has %d bytes", number, n)
		}
		e := listEntry{typ: entry.Type(), id: entry.Attribute_id(), vcn: int64(entry.Starting_vcn())}
		e.ref = referenceOf(uint64(v.leU64(b[16:])))
		if b[6] > 0 {
			e.name = text(b[name:end])
		}
		out = append(out, e)
		b = b[n:]
	}
	slices.SortStableFunc(out, func(x, y listEntry) int { return cmp.Compare(x.vcn, y.vcn) })
	return out, nil
}
