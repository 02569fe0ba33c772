package synth

// pool is a kernel pool: blocks with a _POOL_HEADER, as many to a page as fit.
type pool struct {
	s     *space
	l     layout
	paged bool
	va    uint64 // first address not yet handed out
	prev  uint64 // size of the block before, in units, 0 at the start of a page
	ready uint64 // end of the mapped range
}

// unit is the pool's granularity: 8 bytes on x86, 16 on x64.
func (l layout) unit() uint64 { return uint64(l.ptr) * 2 }

// poolHeader is the size of a _POOL_HEADER.
func (l layout) poolHeader() uint64 { return uint64(l.ptr) * 2 }

// alloc hands out a zeroed block of n bytes; a block that does not fit into a page gets pages of its own and no
// header.
func (p *pool) alloc(tag string, n int) uint64 {
	size := alignUp(uint64(n)+p.l.poolHeader(), p.l.unit())
	if size > pageSize-p.l.unit() {
		return p.allocPages(uint64(n))
	}
	if p.va%pageSize+size > pageSize {
		p.nextPage()
	}
	p.grow(p.va + size)
	p.header(tag, size/p.l.unit())
	body := p.va + p.l.poolHeader()
	p.va += size
	return body
}

func (p *pool) nextPage() { p.va, p.prev = alignUp(p.va, pageSize), 0 }

func (p *pool) allocPages(n uint64) uint64 {
	p.nextPage()
	va := p.va
	p.va += alignUp(n, pageSize)
	p.grow(p.va)
	return va
}

// grow maps pages up to end.
func (p *pool) grow(end uint64) {
	for ; p.ready < end; p.ready += pageSize {
		if _, ok := p.s.resolve(p.ready); !ok {
			p.s.mapPage(p.ready, p.s.m.alloc(), pteKernelPage)
		}
	}
}

// header writes the _POOL_HEADER of the block that starts at p.va.
func (p *pool) header(tag string, units uint64) {
	r := record{p.s, p.l, "_POOL_HEADER", p.va}
	r.set("PreviousSize", p.prev)
	r.set("BlockSize", units)
	r.set("PoolType", p.kind())
	r.bytes("PoolTag", []byte(tag)[:4])
	p.prev = units
	if p.va%pageSize+units*p.l.unit() >= pageSize {
		p.prev = 0
	}
}

// kind is the PoolType of a used block: the type plus one up to Server 2003,
// the type and the in-use bit from Vista on.
func (p *pool) kind() uint64 {
	kind, vista := uint64(0), p.l.build >= 6000
	if p.paged {
		kind = 1
	}
	if vista {
		return kind | 2
	}
	return kind + 1
}

// tag is a pool tag; up to Windows 7 the tags of objects have the protected
// bit set in the last byte.
func (l layout) tag(t string) string {
	if l.build >= 9200 {
		return t
	}
	return t[:3] + string([]byte{t[3] | 0x80})
}
