package remote

// density is where an object is read here and there. A request takes as long for a span of blocks as for one: what lies
// near a place that was read before is asked for with the next one there. In a large image whose pages lie anywhere that
// would be much for little, so the more spans were filled, the more often a span must have been read before it is.
type density struct {
	reads  map[int64]int // by span: requests that were made there
	filled int           // spans, or parts of them, that were asked for as a whole
}

const (
	// fewBlocks is the most that is asked for by who reads here and there. More is read in order, and asked for ahead.
	fewBlocks = 4
	// fillsPerRead is after how many filled spans one more read is wanted before the next is filled.
	fillsPerRead = 64
)

// dense notes a request at a block, and reports whether its span is to be filled.
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

// neighbours returns which blocks to ask for in place of those from first to before end, where some of these are neither here nor
// on their way: the ones around them in their spans, too, as far as these are not here either. p.mu is held.
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
