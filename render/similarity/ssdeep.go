package similarity

import (
	"fmt"
	"io"
)

// Sizes of ssdeep's digests.
const (
	minBlock     = 3  // the smallest block size; sizes double from level to level
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
	if !canSsdeep(size) {
		return "", fmt.Errorf("similarity: ssdeep of %d bytes: from 0 to %d can be digested", size, int64(maxSsdeepSize))
	}
	s := newSsdeep(size)
	if err := Feed(s, data, size); err != nil {
		return "", err
	}
	return s.digest(), nil
}

func canSsdeep(size int64) bool { return size >= 0 && size <= maxSsdeepSize }

// ssdeepState digests with several block sizes at once: levels first … last. It begins with the smallest. The level
// above a level begins when that level ends its first block, for until then the two agree. The lowest level is given
// up when it can no longer be chosen. The size of the file determines the highest level that can be chosen.
type ssdeepState struct {
	size        int64
	roll        roll
	level       [ssdeepLevels]ssdeepLevel
	hash        lanes // of the current block, by level from first on; above the last, see fork
	first, last int
	most        int // no level above this is needed
}

// ssdeepLevel is the digest with one block size.
type ssdeepLevel struct {
	length   int // letters of ended blocks, less than maxLength
	letters  [maxLength]byte
	tail     byte // the letter of the blocks beyond maxLength, or 0
	halfTail byte // on the highest level, the letter of the blocks beyond halfLength, or 0
}

// hashStart is the initial value of a block's hash, only its lowest 6 bits matter.
const hashStart = 0x28021967 & 63

func newSsdeep(size int64) *ssdeepState {
	s := &ssdeepState{size: size}
	s.most = min(s.highest()+1, ssdeepLevels-1)
	s.hash.set(0, hashStart)
	return s
}

// highest returns the level with the smallest block size that suits the size of the file: this level or a lower one
// is chosen.
func (s *ssdeepState) highest() int {
	i := 0
	for int64(minBlock)<<i*maxLength < s.size {
		i++
	}
	return i
}

// Take implements [Taker].
func (s *ssdeepState) Take(p []byte) {
	for len(p) > 0 {
		n := 0
		if s.inOneWord() && len(p) > rollWindow {
			n = s.writeWord(p)
		} else {
			n = s.writeWords(p)
		}
		p = p[n:]
	}
}

// inOneWord reports whether all hashes are in the first word.
func (s *ssdeepState) inOneWord() bool { return s.last+1-s.first < lanesInWord }

// writeWords takes bytes until a block ends, and returns how many.
func (s *ssdeepState) writeWords(p []byte) int {
	words := s.hash[:(s.last+1-s.first)/lanesInWord+1]
	for i, c := range p {
		sum := s.roll.add(c)
		for w := range words {
			words[w] = hashLanes(words[w], uint32(c))
		}
		if endsBlock(sum, s.first) {
			s.endBlocks(sum)
			return i + 1
		}
	}
	return len(p)
}

// writeWord is writeWords for more bytes than the rolling hash covers, when all hashes are in one word.
func (s *ssdeepState) writeWord(p []byte) int {
	if n := s.writeWords(p[:rollWindow]); n < rollWindow || !s.inOneWord() {
		return n
	}
	h1, h2, h3, hash, mask := s.roll.h1, s.roll.h2, s.roll.h3, s.hash[0], s.endMask()
	q := p[rollWindow:]
	left := p[:len(q)]
	n := len(left)
	for i := range q {
		c := uint32(q[i])
		h2 += rollWindow*c - h1
		h1 += c - uint32(left[i])
		h3 = h3<<5 ^ c
		hash = hashLanes(hash, c)
		if sum := h1 + h2 + h3; (sum+1)&mask == 0 && endsBlock(sum, s.first) {
			n = i + 1
			break
		}
	}
	s.roll.set(h1, h2, h3, p[n:][:rollWindow])
	if s.hash[0] = hash; endsBlock(s.roll.sum(), s.first) {
		s.endBlocks(s.roll.sum())
	}
	return n + rollWindow
}

// hashPeriod is the number of zeros after which the hash of a block has its old value again: a zero multiplies it by
// the prime 19 modulo 64, and 19^16 is 1 modulo 64, like the 16th power of every odd number.
const hashPeriod = 16

// TakeZeros takes n zeros. From the seventh on the rolling hash is 0, so no block ends, and the hashes of the current
// blocks repeat.
func (s *ssdeepState) TakeZeros(n int64) {
	if n > rollWindow {
		n = rollWindow + (n-rollWindow)%hashPeriod
	}
	s.Take(noughts[:n])
}

// endMask has the bits that are zero in the rolling hash plus one at every end of a block.
func (s *ssdeepState) endMask() uint32 { return 1<<s.first - 1 }

// endsBlock reports whether the rolling hash is −1 modulo the block size of a level. Block sizes double from level to
// level: where a level does not end a block, no level above it does.
func endsBlock(sum uint32, level int) bool {
	sum++
	return sum&(1<<level-1) == 0 && sum%minBlock == 0 && sum != 0
}

// endBlocks ends the current block on all levels on which a block ends here.
func (s *ssdeepState) endBlocks(sum uint32) {
	for i := s.first; i <= s.last; i++ {
		if !endsBlock(sum, i) {
			return
		}
		if s.level[i].length == 0 && i < s.most {
			s.setHash(i+1, s.hashOf(i))
			s.last = i + 1
		}
		if s.endBlock(i) && i == s.first {
			s.giveUpLowest()
		}
	}
}

// fork returns the number of letters of the highest level after which the hash above that level begins. From there
// on, this hash never ends a block: it is for the last letter of the second part of the digest. If the highest level
// has the largest block size, there is no level for the second part, and this hash is the whole of it.
func (s *ssdeepState) fork() int {
	if s.highest() == ssdeepLevels-1 {
		return 0
	}
	return halfLength - 1
}

// endBlock turns the current block of level i into a letter. It reports whether there is no room for more: then the
// last letter stands for all blocks that follow.
func (s *ssdeepState) endBlock(i int) (isFull bool) {
	l, hash := &s.level[i], s.hashOf(i)
	if fork := s.fork(); i == s.most && l.length >= fork {
		if l.length == fork {
			s.setHash(i+1, hash)
		}
		l.halfTail = base64Letters[s.hashOf(i+1)]
	}
	if l.length == maxLength-1 {
		l.tail = base64Letters[hash]
		return true
	}
	l.letters[l.length] = base64Letters[hash]
	l.length++
	s.setHash(i, hashStart)
	return false
}

// giveUpLowest drops the lowest level if a higher one is sure to be chosen.
func (s *ssdeepState) giveUpLowest() {
	if s.last > s.first && s.size > minBlock<<s.first*maxLength && s.level[s.first+1].length >= halfLength {
		s.first++
		s.hash.dropFirst()
	}
}

func (s *ssdeepState) hashOf(level int) uint8        { return s.hash.get(level - s.first) }
func (s *ssdeepState) setHash(level int, hash uint8) { s.hash.set(level-s.first, hash) }

// digest returns the digest with the smallest block size that suits the size of the file, or a smaller one if that
// gives too few letters.
func (s *ssdeepState) digest() string {
	i := min(max(s.highest(), s.first), s.last)
	for i > s.first && s.level[i].length < halfLength {
		i--
	}
	rest := s.roll.sum() != 0 // there is a current block
	return fmt.Sprintf("%d:%s:%s", minBlock<<i, s.part(i, maxLength, i, s.level[i].tail, rest), s.second(i, rest))
}

// part returns at most limit letters of a level: the letters of its blocks and, if there is a rest, a letter from the
// hash of the current block at level hash; else the letter of the blocks beyond the limit.
func (s *ssdeepState) part(i, limit, hash int, tail byte, rest bool) []byte {
	l := &s.level[i]
	out := append([]byte(nil), l.letters[:min(l.length, limit-1)]...)
	if rest {
		tail = base64Letters[s.hashOf(hash)]
	}
	if tail != 0 {
		out = append(out, tail)
	}
	return out
}

// second returns the second part of the digest: half as many letters, with
// twice the block size.
func (s *ssdeepState) second(i int, rest bool) []byte {
	above := i + 1
	switch {
	case i < s.last && s.level[above].length < halfLength:
		return s.part(above, halfLength, above, 0, rest)
	case i < s.last: // it is the highest: a lower one is chosen only if this has fewer letters
		return s.part(above, halfLength, above+1, s.level[above].halfTail, rest)
	case !rest:
		return nil
	case i == 0:
		return []byte{base64Letters[s.hashOf(0)]}
	}
	return []byte{base64Letters[s.hashOf(above)]}
}

// roll is ssdeep's rolling hash of the last rollWindow bytes.
type roll struct {
	window     uint64 // the bytes; the latest is in the lowest bits
	h1, h2, h3 uint32
}

func (r *roll) add(c byte) uint32 {
	r.h2 += rollWindow*uint32(c) - r.h1
	r.h1 += uint32(c) - uint32(r.window>>(8*rollWindow-8)&0xff)
	r.window = r.window<<8 | uint64(c)
	r.h3 = r.h3<<5 ^ uint32(c)
	return r.sum()
}

// set sets the hash, which is the hash of these bytes.
func (r *roll) set(h1, h2, h3 uint32, of []byte) {
	*r = roll{h1: h1, h2: h2, h3: h3}
	for _, c := range of {
		r.window = r.window<<8 | uint64(c)
	}
}

func (r *roll) sum() uint32 { return r.h1 + r.h2 + r.h3 }
