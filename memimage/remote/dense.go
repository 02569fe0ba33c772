package remote

// density counts where an object is read in scattered places. A request for a span of blocks takes as long as a
// request for one block, so the second read in a span requests the whole span. In a large image whose pages lie
// anywhere, this would load many bytes for little use. So the more spans were filled, the more reads a span needs
// before it is filled.
type density struct {
	reads  map[int64]int // by span: requests that were made there
	filled int           // spans, or parts of spans, that were requested as a whole
}

const (
	// fewBlocks is the largest read that counts as scattered. A larger read is taken for reading in order, which has
	// its own reading ahead.
	fewBlocks = 4
	// fillsPerRead is the number of filled spans after which the next span needs one more read before it is filled.
	fillsPerRead = 64
)

// dense notes a request at a block, and reports whether its span should be filled.
func (d *density) dense(block int64) bool {
	if d.reads == nil {
		d.reads = map[int64]int{}
	}
	span := block / spanBlocks
	d.reads[span]++
	if d.reads[span] <= 1+d.filled/fillsPerRead {
		return false
	}
	d.filled++
	return true
}

// neighbours returns which blocks to request in place of the blocks from first to before end, if some of these are
// neither here nor on their way. It adds the blocks around them in their spans, as far as these are not here either.
// p.mu is held.
func (p *pool) neighbours(o *object, first, end int64) (from, until int64) {
	if end-first > fewBlocks {
		return first, end
	}
	for from = first; from < end && p.has(o, from); from++ {
	}
	for until = end; until > from && p.has(o, until-1); until-- {
	}
	if from == until || o.disk.has(from) || !o.density.dense(from) {
		return first, end
	}
	for from%spanBlocks > 0 && !p.has(o, from-1) {
		from--
	}
	for last := (o.pin.size + blockSize - 1) / blockSize; until%spanBlocks > 0 && until < last && !p.has(o, until); {
		until++
	}
	return min(from, first), max(until, end)
}

// has reports whether a block is here or on its way. p.mu is held.
func (p *pool) has(o *object, n int64) bool {
	id := blockID{o, n}
	return p.blocks.Contains(id) || p.flights[id] != nil
}
