package fs

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
)

// sums are the digests that name a file, or why they are not made.
type sums struct {
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
	lacks  error
}

// texts writes the digests.
func (s *sums) texts() (short, long string) {
	if s.lacks != nil {
		return s.lacks.Error(), "not made"
	}
	return fmt.Sprintf("%x", s.md5), fmt.Sprintf("%x", s.sha256)
}

// sums returns the digests of the file at a place. They are kept with the texts. Reads of b fail when its reader goes away.
func (f *FS) sums(name string, b *body) (*sums, error) {
	gaps, err := missing(b)
	if err != nil {
		return nil, err
	}
	if err := claimed(gaps); err != nil {
		return &sums{lacks: err}, nil
	}
	raw, err := f.texts.get(context.Background(), name+"\x00sums", func() ([]byte, error) {
		short, long := md5.New(), sha256.New()
		data := whole{b}
		n, err := io.Copy(io.MultiWriter(short, long), io.NewSectionReader(data, 0, data.Size()))
		if err == nil && n < data.Size() {
			err = io.ErrUnexpectedEOF
		}
		return long.Sum(short.Sum(nil)), err
	})
	if err != nil {
		return nil, err
	}
	return &sums{md5: [md5.Size]byte(raw), sha256: [sha256.Size]byte(raw[md5.Size:])}, nil
}
