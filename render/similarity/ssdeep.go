package similarity

import (
	"fmt"
	"io"
)

// Sizes of ssdeep's digests.
const (
	minBlock     = 3  // the smallest block size; the others are doubles of it
	maxLength    = 64 // letters of the first part of a digest
	halfLength   = maxLength / 2
	rollWindow   = 7
	ssdeepLevels = 31 // block sizes
)

// maxSsdeepSize is the largest file that ssdeep takes: with the largest block
// size, maxLength blocks.
const maxSsdeepSize = minBlock << (ssdeepLevels - 1) * maxLength

// base64Letters are the letters of a digest.
const base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// Ssdeep returns the context triggered piecewise hash of size bytes of data,
// as ssdeep prints it: "blocksize:hash:hash". ssdeep warns that below 4096
// bytes the result means little. Errors of the data pass through.
func Ssdeep(data io.ReaderAt, size int64) (string, error) {
	if size < 0 || size > maxSsdeepSize {
		return "", fmt.Errorf("similarity: ssdeep of %d bytes: from 0 to %d can be digested", size, int64(maxSsdeepSize))
	}
	s := newSsdeep(size)
	if err := feed(s, data, size); err != nil {
		return "", err
	}
	return s.digest(), nil
}

// ssdeepState digests with several block sizes at once: levels first … last.
// It begins with the smallest. A level's double is begun when the level ends
// its first block, for until then they agree; the lowest is given up once it
// can no longer be chosen.
type ssdeepState struct {
	size        int64
	roll        roll
	level       [ssdeepLevels]ssdeepLevel
	hash        lanes // of the block at hand, by level
	half        lanes // the same, but never ended from letter 32 on
	first, last int
}

// ssdeepLevel is the digest with one block size.
type ssdeepLevel struct {
	length   int // letters of ended blocks, less than maxLength
	letters  [maxLength]byte
	tail     byte // the letter of the blocks beyond maxLength, or 0
	halfTail byte // the letter of the blocks beyond halfLength, or 0
}

// largest is the lane that stands for the double of the largest block size: a
// level that never ends a block.
const largest = ssdeepLevels

// hashStart is the initial value of a block's hash, of which only the lowest
// 6 bits are ever seen.
const hashStart = 0x28021967 & 63

// lanes are 32 hashes of 6 bits, eight to a word.
type lanes [4]uint64

const everyLane = 0x0101010101010101

func (l *lanes) get(i int) uint8 { return uint8(l[i>>3] >> (i & 7 * 8)) }

func (l *lanes) set(i int, h uint8) {
	shift := i & 7 * 8
	l[i>>3] = l[i>>3]&^(0xff<<shift) | uint64(h)<<shift
}

// hashLanes hashes a byte, given in every lane, in all lanes of a word: the
// Fowler–Noll–Vo step modulo 64, whose prime is then 19 = 16 + 2 + 1.
func hashLanes(h, c uint64) uint64 {
	h += h<<4&(0x30*everyLane) + h<<1&(0x3e*everyLane)
	return (h ^ c) & (0x3f * everyLane)
}

func newSsdeep(size int64) *ssdeepState {
	s := &ssdeepState{size: size}
	s.hash.set(0, hashStart)
	s.half.set(0, hashStart)
	return s
}

func (s *ssdeepState) write(p []byte) {
	r := s.roll
	for _, c := range p {
		sum := r.add(c)
		every := uint64(c&63) * everyLane
		for w := s.first >> 3; w <= (s.last+1)>>3; w++ {
			s.hash[w], s.half[w] = hashLanes(s.hash[w], every), hashLanes(s.half[w], every)
		}
		if endsBlock(sum, s.first) {
			s.endBlocks(sum)
		}
	}
	s.roll = r
}

// hashPeriod is after how many zeros the hash of a block is what it was: a zero
// multiplies it by the prime 19 modulo 64, and 19^16 is 1 there, as is the
// 16th power of every odd number.
const hashPeriod = 16

// zeros takes n zeros. From the seventh on the rolling hash is 0, so no block
// ends, and the hashes of the blocks at hand go round.
func (s *ssdeepState) zeros(n int64) {
	if n > rollWindow {
		n = rollWindow + (n-rollWindow)%hashPeriod
	}
	s.write(noughts[:n])
}

// endsBlock reports whether the rolling hash is −1 modulo the block size of a
// level: that of the level below doubled, so that where one level does not end
// a block, none above does.
func endsBlock(sum uint32, level int) bool {
	sum++
	return sum&(1<<level-1) == 0 && sum%minBlock == 0 && sum != 0
}

// endBlocks ends the block at hand on all levels on which this is a place to.
func (s *ssdeepState) endBlocks(sum uint32) {
	for i := s.first; i <= s.last; i++ {
		if !endsBlock(sum, i) {
			return
		}
		if s.level[i].length == 0 {
			s.hash.set(i+1, s.hash.get(i))
			s.half.set(i+1, s.half.get(i))
			s.last = min(i+1, ssdeepLevels-1)
		}
		if s.endBlock(i) && i == s.first {
			s.giveUpLowest()
		}
	}
}

// endBlock turns the block at hand of level i into a letter. It reports
// whether there is no room for more: then the last letter stands for all
// blocks that follow.
func (s *ssdeepState) endBlock(i int) (isFull bool) {
	l, letter := &s.level[i], base64Letters[s.hash.get(i)]
	l.halfTail = base64Letters[s.half.get(i)]
	if l.length == maxLength-1 {
		l.tail = letter
		return true
	}
	l.letters[l.length] = letter
	l.length++
	s.hash.set(i, hashStart)
	if l.length < halfLength {
		s.half.set(i, hashStart)
		l.halfTail = 0
	}
	return false
}

// giveUpLowest drops the lowest level if a higher one is sure to be chosen.
func (s *ssdeepState) giveUpLowest() {
	if s.last > s.first && s.size > minBlock<<s.first*maxLength && s.level[s.first+1].length >= halfLength {
		s.first++
	}
}

// digest returns the digest with the smallest block size that suits the size
// of the file, or a smaller one where that gives too few letters.
func (s *ssdeepState) digest() string {
	i := s.first
	for int64(minBlock)<<i*maxLength < s.size {
		i++
	}
	i = min(i, s.last)
	for i > s.first && s.level[i].length < halfLength {
		i--
	}
	rest := s.roll.sum() != 0 // there is a block at hand
	return fmt.Sprintf("%d:%s:%s", minBlock<<i, s.part(i, maxLength, s.hash, s.level[i].tail, rest), s.second(i, rest))
}

// part returns at most limit letters of a level: of its blocks and, if there
// is a rest, of the hash of the one at hand, else of those beyond the limit.
func (s *ssdeepState) part(i, limit int, hash lanes, tail byte, rest bool) []byte {
	l := &s.level[i]
	out := append([]byte(nil), l.letters[:min(l.length, limit-1)]...)
	if rest {
		tail = base64Letters[hash.get(i)]
	}
	if tail != 0 {
		out = append(out, tail)
	}
	return out
}

// second returns the second part of the digest: half as many letters, with
// twice the block size.
func (s *ssdeepState) second(i int, rest bool) []byte {
	switch {
	case i < s.last:
		return s.part(i+1, halfLength, s.half, s.level[i+1].halfTail, rest)
	case !rest:
		return nil
	case i == 0:
		return []byte{base64Letters[s.hash.get(0)]}
	}
	return []byte{base64Letters[s.hash.get(largest)]}
}

// roll is ssdeep's rolling hash of the last rollWindow bytes.
type roll struct {
	window     uint64 // the bytes, the latest lowest
	h1, h2, h3 uint32
}

func (r *roll) add(c byte) uint32 {
	r.h2 += rollWindow*uint32(c) - r.h1
	r.h1 += uint32(c) - uint32(r.window>>(8*rollWindow-8)&0xff)
	r.window = r.window<<8 | uint64(c)
	r.h3 = r.h3<<5 ^ uint32(c)
	return r.sum()
}

func (r *roll) sum() uint32 { return r.h1 + r.h2 + r.h3 }
