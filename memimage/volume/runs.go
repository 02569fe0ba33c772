package volume

// maxExtents is how many pieces a file may have. A file of 4 GiB in single clusters has so many.
const maxExtents = 1 << 20

// hole stands for the cluster of an extent that is not on the disk: its bytes are zeros.
const hole = -1

// extent is clusters of a file that follow each other on the disk.
type extent struct {
	vcn int64 // number of the first cluster in the file
	lcn int64 // its number on the disk, or hole
	n   int64
}

// extents returns the extents of the pieces of an attribute, which must follow each other.
func (v *ntfs) extents(pieces []*attribute) ([]extent, error) {
	var out []extent
	next := int64(0)
	for _, a := range pieces {
		if a.headerDamage != "" {
			return nil, damaged("an attribute: %s", a.headerDamage)
		}
		if !a.outside || a.first != next {
			return nil, damaged("the pieces of a file do not follow each other: one begins at cluster %d, not %d", a.first, next)
		}
		var err error
		if out, err = v.decodeRuns(out, a); err != nil {
			return nil, err
		}
		next = a.last + 1
	}
	return out, nil
}

// decodeRuns appends the extents in the list of clusters of an attribute. Each entry begins with a byte that has the
// lengths of two numbers. The first number is how many clusters follow each other, the second is their distance from
// the clusters of the last entry. Without the second number, the clusters are not on the disk.
func (v *ntfs) decodeRuns(out []extent, a *attribute) ([]extent, error) {
	vcn, lcn := a.first, int64(0)
	b := a.runs
	for len(b) > 0 && b[0] != 0 {
		n, m := int(b[0]&15), int(b[0]>>4)
		if n == 0 || n > 8 || m > 8 || len(b) < 1+n+m {
			return nil, damaged("a list of clusters has an entry %#x", b[0])
		}
		e := extent{vcn, hole, signed(b[1 : 1+n])}
		if e.n <= 0 || e.n > a.last+1-vcn {
			return nil, damaged("a list of clusters has %d after cluster %d, of %d", e.n, vcn, a.last+1)
		}
		if m > 0 {
			lcn += signed(b[1+n : 1+n+m])
			if lcn < 0 || lcn > v.clusters-e.n {
				return nil, damaged("a file has %d clusters from %d on, and the volume has %d", e.n, lcn, v.clusters)
			}
			e.lcn = lcn
		}
		if out = append(out, e); len(out) > maxExtents {
			return nil, damaged("a file is in more than %d pieces", maxExtents)
		}
		vcn += e.n
		b = b[1+n+m:]
	}
	if vcn != a.last+1 {
		return nil, damaged("a list of clusters ends at %d, not at %d", vcn, a.last+1)
	}
	return out, nil
}

// signed returns a little-endian number of up to 8 bytes, the last of which has the sign.
func signed(b []byte) int64 {
	var n int64
	for i := range b {
		n |= int64(b[i]) << (8 * i)
	}
	shift := 64 - 8*len(b)
	return n << shift >> shift
}
