package fs

import (
	"context"

	"memlens/memimage/digest"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// authentihash returns the Authentihash of the restored file.
func (m *module) authentihash() (*digest.Authentihash, error) {
	return m.authentihashBy(digest.AuthentihashOf)
}

// plannedAuthentihash returns a value as long as authentihash's, and takes no time: the digests in it are not made.
func (m *module) plannedAuthentihash() (*digest.Authentihash, error) {
	return m.authentihashBy(digest.PlannedAuthentihash)
}

func (m *module) authentihashBy(make func(*restore.Result) (*digest.Authentihash, error)) (*digest.Authentihash, error) {
	r, err := m.Restored()
	if err != nil {
		return digest.NoAuthentihash("there is no restored file: %v", err), sparse.OnlyFailed(err)
	}
	return make(r)
}

// authentihashXattr is the SHA-256 digest as an extended attribute of the restored file, or why there is none.
func (m *module) authentihashXattr() (string, bool) {
	raw, err := m.fs.texts.get(context.Background(), m.at.name+"\x00authentihash", func() ([]byte, error) {
		hash, err := m.authentihash()
		if err != nil {
			return nil, err
		}
		if hash.SHA256 == "" {
			return []byte(hash.Note), nil
		}
		return []byte(hash.SHA256), nil
	})
	return string(raw), err == nil
}
