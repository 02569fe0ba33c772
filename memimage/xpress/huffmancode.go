package xpress

// The code of MS-XCA 2.1.4.3: 512 symbols with codes of 1 to 15 bits.
const (
	huffmanSymbols = 512
	huffmanTable   = huffmanSymbols / 2 // bytes: two lengths each, the length of the even symbol in the low half
	huffmanLongest = 15
	huffmanFast    = 11 // longest codes, in bits, that are found by one look into a table
)

// huffmanCode is a canonical Huffman code: the shortest codes come first, and among codes of one length the lowest
// symbols.
type huffmanCode struct {
	fast   [1 << huffmanFast]uint16   // symbol<<4 | length for all bits that begin with a short code; 0: the code is longer
	limit  [huffmanLongest + 1]uint32 // of each length: the first value of 15 bits that is above its codes
	first  [huffmanLongest + 1]uint32 // of each length: the first value of 15 bits that begins with one of its codes
	place  [huffmanLongest + 1]uint32 // of each length: where its symbols begin in order
	order  [huffmanSymbols]uint16     // the symbols in the order of their codes
	length [huffmanSymbols]uint8      // of each symbol; 0: it does not occur
	counts [huffmanLongest + 1]uint32 // of each length: how many codes it has
}

// read makes the code from the lengths in a table. It reports false when the lengths do not make a code that uses up
// all values of 15 bits exactly, as MS-XCA 2.2.4 demands.
func (c *huffmanCode) read(table []byte) bool {
	clear(c.counts[:])
	for i, b := range table[:huffmanTable] {
		c.length[2*i], c.length[2*i+1] = b&15, b>>4
		c.counts[b&15]++
		c.counts[b>>4]++
	}
	var value, place uint32
	for n := 1; n <= huffmanLongest; n++ {
		c.first[n], c.place[n] = value, place
		value += c.counts[n] << (huffmanLongest - n)
		place += c.counts[n]
		c.limit[n] = value
	}
	if value != 1<<huffmanLongest {
		return false
	}
	c.sort()
	c.fill()
	return true
}

// sort puts the symbols in the order of their codes.
func (c *huffmanCode) sort() {
	next := c.place
	for s, n := range c.length {
		if n > 0 {
			c.order[next[n]] = uint16(s)
			next[n]++
		}
	}
}

// fill makes the table of the short codes.
func (c *huffmanCode) fill() {
	at := 0
	for _, s := range c.order[:c.place[huffmanFast]+c.counts[huffmanFast]] {
		n := c.length[s]
		end := at + 1<<(huffmanFast-n)
		for ; at < end; at++ {
			c.fast[at] = s<<4 | uint16(n)
		}
	}
	clear(c.fast[at:])
}

// find returns the symbol whose code is at the beginning of the 15 bits, and the length of that code.
func (c *huffmanCode) find(bits uint32) (symbol, length int) {
	if f := c.fast[bits>>(huffmanLongest-huffmanFast)]; f != 0 {
		return int(f >> 4), int(f & 15)
	}
	n := huffmanFast + 1
	for n < huffmanLongest && bits >= c.limit[n] {
		n++
	}
	return int(c.order[c.place[n]+(bits-c.first[n])>>(huffmanLongest-n)]), n
}
