package compress

import "math/rand/v2"

// Way is how a page is divided into literals and matches, and how the lengths of the matches are written.
type Way uint8

// Ways of compressing.
const (
	Greedy   Way = iota // the longest match at each place
	Lazy                // a match waits where the next place has a longer one
	Literals            // no matches
	Half                // no matches in the first half
	Mixed               // each match is cut to a random length
	Short3              // matches of 9 bytes at most: a length of 3 bits
	Nibble              // of 24 at most: a length of 3 or 7 bits
	Byte                // of 279 at most: 15 bits or fewer
	Wide16              // lengths from 25 on are written with 16 bits
	Wide32              // and with 32 bits
)

// longest is the longest match of a way.
func (w Way) longest() int {
	switch w {
	case Short3:
		return 9
	case Nibble:
		return 24
	case Byte:
		return 279
	}
	return 1 << 16
}

// item is a literal (length 0) or a match.
type item struct {
	literal          byte
	length, distance int
}

// divide divides a page into items that the two formats have: matches of at least shortest bytes, at most window back,
// and tail literals at the end.
func (w Way) divide(page []byte, shortest, window, tail int) []item {
	f := finder{page: page, window: window, shortest: shortest, end: len(page) - tail, before: make([]int, len(page))}
	rng := rand.New(rand.NewPCG(uint64(len(page)), uint64(w)))
	var items []item
	for at := 0; at < len(page); {
		length, distance := w.match(&f, at)
		if length > shortest && w == Mixed {
			length = shortest + rng.IntN(length-shortest+1)
		}
		if length == 0 {
			items = append(items, item{literal: page[at]})
			length = 1
		} else {
			items = append(items, item{length: length, distance: distance})
		}
		f.pass(at, at+length)
		at += length
	}
	return items
}

// match is the match that a way takes at a place; its length is 0 if it takes none.
func (w Way) match(f *finder, at int) (length, distance int) {
	if w == Literals || w == Half && at < len(f.page)/2 {
		return 0, 0
	}
	length, distance = f.longest(at, w.longest())
	if w == Lazy && length > 0 {
		f.pass(at, at+1)
		next, _ := f.longest(at+1, w.longest())
		f.forget(at)
		if next > length {
			return 0, 0
		}
	}
	return length, distance
}

// finder finds matches by a hash of the three bytes that they begin with.
type finder struct {
	page                  []byte
	window, shortest, end int

	last   [1 << 12]int // by hash: the last place, plus 1; 0: none
	before []int        // by place: the place before it of the same hash, plus 1
}

// hash is the hash of the three bytes at a place.
func (f *finder) hash(at int) int {
	p := f.page[at : at+3]
	return (int(p[0])*0x9e5 ^ int(p[1])*0x3b1 ^ int(p[2])) & (len(f.last) - 1)
}

// pass notes the places from at to end as beginnings of matches.
func (f *finder) pass(at, end int) {
	for ; at < end && at+3 <= len(f.page); at++ {
		h := f.hash(at)
		f.before[at], f.last[h] = f.last[h], at+1
	}
}

// forget undoes the last note of pass, of one place.
func (f *finder) forget(at int) {
	if at+3 <= len(f.page) {
		f.last[f.hash(at)] = f.before[at]
	}
}

// longest is the longest match at a place; of equal ones, the nearest. It may overlap the bytes that it makes itself.
func (f *finder) longest(at, most int) (length, distance int) {
	most = min(most, f.end-at)
	if most < 3 {
		return 0, 0
	}
	for place := f.last[f.hash(at)] - 1; place >= 0 && at-place <= f.window && length < most; place = f.before[place] - 1 {
		if n := f.same(place, at, most); n > length {
			length, distance = n, at-place
		}
	}
	if length < f.shortest {
		return 0, 0
	}
	return length, distance
}

// same is the number of bytes, at most most, that are the same from two places on.
func (f *finder) same(a, b, most int) (n int) {
	for n < most && f.page[a+n] == f.page[b+n] {
		n++
	}
	return n
}
