package synth

// object allocates the body of a kernel object of a type, with its
// _OBJECT_HEADER and, from Windows 7 on, quota information before it.
func (b *builder) object(p *pool, tag string, index uint64, n int) uint64 {
	header := b.record("_OBJECT_HEADER", 0)
	before, _ := header.at("Body")
	quota := uint64(0)
	if header.has("InfoMask") {
		quota = uint64(4 * b.l.ptr)
	}
	va := p.alloc(b.l.tag(tag), int(quota+before)+n)
	header.va = va + quota
	header.set("PointerCount", 5)
	header.set("HandleCount", 2)
	header.set("Type", b.objectType(tag))
	header.set("TypeIndex", b.typeIndex(index, header.va))
	header.set("InfoMask", 8)
	header.set("Flags", 0x20)
	return header.va + before
}

// Type indices of Windows 7; they differ by version, but here it matters only that equal types have equal indices.
const (
	typeProcess = 7
	typeFile    = 28
	typeSection = 33
)

// objectType is the address of the _OBJECT_TYPE of a tag: only an address, the
// same for all objects of the type.
func (b *builder) objectType(tag string) uint64 {
	return b.regions.nonpaged + 0x40*(hash(tag)%0x20)
}

// obHeaderCookie is ObHeaderCookie.
const obHeaderCookie = 0xbf

// typeIndex is the type index as the header holds it: from Windows 10 on, XORed with a cookie and the second byte of
// the header's address.
func (b *builder) typeIndex(index, header uint64) uint64 {
	if b.l.build < 9841 {
		return index
	}
	return index ^ obHeaderCookie ^ header>>8&0xff
}
