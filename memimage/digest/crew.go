package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"

	"memlens/memimage/pe"
	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
	"memlens/render/similarity"
)

// crew are takers of the same data. The slow takers take about as long as all others together, and work at the same
// time.
type crew struct {
	slow, others []similarity.Taker
	err          error // set when a taker panicked
}

var _ similarity.Taker = (*crew)(nil)

// Take implements [similarity.Taker].
func (c *crew) Take(p []byte) { c.each(func(t similarity.Taker) { t.Take(p) }) }

// TakeZeros implements [similarity.Taker].
func (c *crew) TakeZeros(n int64) { c.each(func(t similarity.Taker) { t.TakeZeros(n) }) }

func (c *crew) each(give func(similarity.Taker)) {
	if c.err != nil {
		return
	}
	all := func(takers []similarity.Taker) error {
		return rescue.Call(func() error {
			for _, t := range takers {
				give(t)
			}
			return nil
		})
	}
	var slow error
	var wg sync.WaitGroup
	if len(c.slow) > 0 {
		wg.Go(func() { slow = all(c.slow) })
	}
	others := all(c.others)
	wg.Wait()
	c.err = errors.Join(slow, others)
}

// takeZeros gives n zeros to a taker that has no quicker way for them.
func takeZeros(to similarity.Taker, n int64) {
	zeros := make([]byte, min(n, 4<<10))
	for ; n > 0; n -= int64(len(zeros)) {
		to.Take(zeros[:min(n, int64(len(zeros)))])
	}
}

// summer makes the digests that name a file.
type summer struct{ md5, sha256 hash.Hash }

func newSummer() *summer { return &summer{md5: md5.New(), sha256: sha256.New()} }

// Take implements [similarity.Taker].
func (s *summer) Take(p []byte) {
	s.md5.Write(p)
	s.sha256.Write(p)
}

// TakeZeros implements [similarity.Taker].
func (s *summer) TakeZeros(n int64) { takeZeros(s, n) }

func (s *summer) texts() (short, long string) {
	return fmt.Sprintf("%x", s.md5.Sum(nil)), fmt.Sprintf("%x", s.sha256.Sum(nil))
}

// signedHasher makes Authenticode's digest of a file as it is.
type signedHasher struct {
	signed []pe.Range // ranges that are not taken yet
	at     int64
	sum    hash.Hash
}

// signedHasherOf returns a signedHasher for a file; nil if it is no executable, or if signed bytes are missing. The
// error is about a failed read.
func signedHasherOf(src sparse.Source, missing []pe.Range) (*signedHasher, error) {
	f, err := pe.Open(src)
	if Unreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &signedHasher{signed: f.Signed(), sum: sha256.New()}
	for _, r := range s.signed {
		for len(missing) > 0 && missing[0].Off+missing[0].Len <= r.Off {
			missing = missing[1:]
		}
		if len(missing) > 0 && missing[0].Off < r.End() {
			return nil, nil
		}
	}
	return s, nil
}

// Take implements [similarity.Taker].
func (s *signedHasher) Take(p []byte) {
	end := s.at + int64(len(p))
	for len(s.signed) > 0 && s.signed[0].Off < end {
		r := s.signed[0]
		s.sum.Write(p[max(r.Off-s.at, 0) : min(r.End(), end)-s.at])
		if r.End() > end {
			break
		}
		s.signed = s.signed[1:]
	}
	s.at = end
}

// TakeZeros implements [similarity.Taker].
func (s *signedHasher) TakeZeros(n int64) { takeZeros(s, n) }

func (s *signedHasher) text() string { return fmt.Sprintf("%x", s.sum.Sum(nil)) }
