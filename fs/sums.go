package fs

import (
	"crypto/md5"
	"crypto/sha256"
	"io"
)

// sums are the digests that name a file.
type sums struct {
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
}

// sums returns the digests of what is at a place. They are kept with the texts.
func (f *FS) sums(name string, data Content) (*sums, error) {
	raw, err := f.texts.get(name+"\x00sums", func() ([]byte, error) {
		short, long := md5.New(), sha256.New()
		n, err := io.Copy(io.MultiWriter(short, long), io.NewSectionReader(data, 0, data.Size()))
		if err == nil && n < data.Size() {
			err = io.ErrUnexpectedEOF
		}
		return long.Sum(short.Sum(nil)), err
	})
	if err != nil {
		return nil, err
	}
	return &sums{[md5.Size]byte(raw), [sha256.Size]byte(raw[md5.Size:])}, nil
}
