package format

import (
	"encoding/binary"
	"math/bits"
)

// Forms in which the length of a match is written.
const (
	formShortest = iota
	formSymbol
	formByte
	form16
	form32
	forms
)

// lzItem is a byte, or a match when length is not 0.
type lzItem struct {
	literal          byte
	distance, length int
	form             int
}

// symbol returns the symbol of an item, and the form of its length.
func (it lzItem) symbol() (symbol, form int) {
	if it.length == 0 {
		return int(it.literal), formShortest
	}
	n := it.length - 3
	if form = it.form; form == formShortest {
		switch {
		case n < 15:
			form = formSymbol
		case n < 15+255:
			form = formByte
		case n < 1<<16:
			form = form16
		default:
			form = form32
		}
	}
	return 256 + (bits.Len(uint(it.distance))-1)<<4 + min(n, 15), form
}

// unpackItems returns the bytes that items stand for.
func unpackItems(items []lzItem) []byte {
	var out []byte
	for _, it := range items {
		if it.length == 0 {
			out = append(out, it.literal)
		}
		for range it.length {
			out = append(out, out[len(out)-it.distance])
		}
	}
	return out
}

// lzItems finds matches of up to so many bytes.
func lzItems(data []byte, most int) []lzItem {
	var out []lzItem
	matches := lzMatcher{}
	for at := 0; at < len(data); {
		distance, length := matches.find(data, at, 65535, most)
		if length < 3 {
			out = append(out, lzItem{literal: data[at]})
			at++
			continue
		}
		out = append(out, lzItem{distance: distance, length: length})
		at += length
	}
	return out
}

// packHuffman is an LZ77 and Huffman encoder (MS-XCA 2.1).
func packHuffman(data []byte) []byte {
	var e huffmanEncoder
	return e.pack(lzItems(data, 1<<20))
}

// huffmanEncoder writes items as MS-XCA 2.1.4.3 does, and remembers which lengths of codes and which forms it has
// used.
type huffmanEncoder struct {
	noEnd   bool         // leave out the last symbol
	lengths map[int]bool // of codes that were written
	places  map[[2]int]bool
	bitWriter
}

func (e *huffmanEncoder) pack(items []lzItem) []byte {
	e.lengths, e.places = map[int]bool{}, map[[2]int]bool{}
	for first := true; first || len(items) > 0; first = false {
		n, size := 0, 0
		for n < len(items) && size < huffmanBlock {
			size += max(items[n].length, 1)
			n++
		}
		e.block(items[:n], n == len(items) && !e.noEnd)
		items = items[n:]
	}
	return e.out
}

// block writes a block; the last one ends in the end symbol.
func (e *huffmanEncoder) block(items []lzItem, last bool) {
	var counts [512]int
	for _, it := range items {
		s, _ := it.symbol()
		counts[s]++
	}
	if last {
		counts[256]++
	}
	lengths := codeLengths(counts)
	codes := canonicalCodes(lengths)
	for i := 0; i < 512; i += 2 {
		e.out = append(e.out, byte(lengths[i]|lengths[i+1]<<4))
	}
	e.begin()
	for _, it := range items {
		s, form := it.symbol()
		e.write(codes[s], lengths[s])
		e.lengths[lengths[s]] = true
		if it.length > 0 {
			e.places[[2]int{form, e.free}] = true
			e.length(it.length-3, form)
			n := bits.Len(uint(it.distance)) - 1
			e.write(uint32(it.distance-1<<n), n)
		}
	}
	if last {
		e.write(codes[256], lengths[256])
	}
	e.flush()
}

// length writes the bytes of a length.
func (e *huffmanEncoder) length(n, form int) {
	switch form {
	case formByte:
		e.out = append(e.out, byte(n-15))
	case form16:
		e.out = binary.LittleEndian.AppendUint16(append(e.out, 255), uint16(n))
	case form32:
		e.out = binary.LittleEndian.AppendUint32(append(e.out, 255, 0, 0), uint32(n))
	}
}

// bitWriter writes words of 16 bits. It always keeps room for two words.
type bitWriter struct {
	out           []byte
	first, second int // where the next words go
	word          uint32
	free          int
}

func (w *bitWriter) begin() {
	w.first, w.second = len(w.out), len(w.out)+2
	w.out = append(w.out, 0, 0, 0, 0)
	w.word, w.free = 0, 16
}

func (w *bitWriter) write(v uint32, n int) {
	if n <= w.free {
		w.word, w.free = w.word<<n|v, w.free-n
		return
	}
	over := n - w.free
	binary.LittleEndian.PutUint16(w.out[w.first:], uint16(w.word<<w.free|v>>over))
	w.word, w.free = v&(1<<over-1), 16-over
	w.first, w.second = w.second, len(w.out)
	w.out = append(w.out, 0, 0)
}

func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint16(w.out[w.first:], uint16(w.word<<w.free))
}

// codeLengths returns the lengths of a Huffman code, of at most 15 bits. A single symbol gets a second one beside it.
func codeLengths(counts [512]int) (lengths [512]int) {
	used := 0
	for _, n := range counts {
		used += min(n, 1)
	}
	for s := 0; used < 2; s++ {
		if counts[s] == 0 {
			counts[s] = 1
			used++
		}
	}
	for {
		if lengths = huffmanLengths(counts); maxOf(lengths) <= 15 {
			return lengths
		}
		for s, n := range counts {
			counts[s] = (n + 1) / 2
		}
	}
}

func maxOf(v [512]int) (most int) {
	for _, n := range v {
		most = max(most, n)
	}
	return most
}

// huffmanLengths joins the two rarest groups of symbols again and again.
func huffmanLengths(counts [512]int) (lengths [512]int) {
	type group struct {
		count   int
		symbols []int
	}
	var groups []group
	for s, n := range counts {
		if n > 0 {
			groups = append(groups, group{n, []int{s}})
		}
	}
	rarest := func() group {
		at := 0
		for i, g := range groups {
			if g.count < groups[at].count {
				at = i
			}
		}
		g := groups[at]
		groups = append(groups[:at], groups[at+1:]...)
		return g
	}
	for len(groups) > 1 {
		a, b := rarest(), rarest()
		g := group{a.count + b.count, append(append([]int{}, a.symbols...), b.symbols...)}
		for _, s := range g.symbols {
			lengths[s]++
		}
		groups = append(groups, g)
	}
	return lengths
}

// canonicalCodes returns the codes that go with lengths.
func canonicalCodes(lengths [512]int) (codes [512]uint32) {
	code := uint32(0)
	for n := 1; n <= 15; n++ {
		for s, l := range lengths {
			if l == n {
				codes[s] = code
				code++
			}
		}
		code <<= 1
	}
	return codes
}
