package report

import (
	"context"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// Layout is one of the files in which an executable is recovered.
type Layout int

// The layouts.
const (
	InMemory      Layout = iota // the dump in its memory layout
	OnDisk                      // the dump realigned to its layout on disk
	RestoredAgain               // the restored file
)

// FileDigests are the digests of a recovered file, with zeros for missing bytes. Only restored files have an import
// hash and an authentihash. Each is empty where it cannot be made.
type FileDigests struct {
	Size                  int64  `json:"size"`
	BytesMissing          int64  `json:"bytes_missing"`
	Complete              bool   `json:"complete"` // no byte is missing; of a restored file, its size and every byte are exact, too
	MD5                   string `json:"md5"`
	SHA256                string `json:"sha256"`
	Imphash               string `json:"imphash"`
	Authentihash          string `json:"authentihash"`
	AuthentihashCertainty string `json:"authentihash_certainty"`
	Ssdeep                string `json:"ssdeep"`
	TLSH                  string `json:"tlsh"`
}

// FileDigestsOf makes the digests of one of the files of an executable, in one pass over it; the signed part is read
// once more. The error says why there is no such file, or is of a source that fails, or of ctx.
func FileDigestsOf(ctx context.Context, m *memimage.Module, l Layout) (*FileDigests, error) {
	switch l {
	case InMemory:
		return dumpDigests(ctx, m, m.MemoryDump)
	case OnDisk:
		return dumpDigests(ctx, m, m.FileDump)
	}
	r, err := m.Restored()
	if err != nil {
		return nil, err
	}
	out, err := fileDigests(ctx, m, r.Reader, digest.Kinds{Sums: true, Alike: true, Imphash: true})
	if err != nil {
		return nil, err
	}
	out.Complete = r.Complete()
	out.Authentihash, out.AuthentihashCertainty, err = authentihash(r)
	return out, err
}

// authentihash is the authentihash of a restored file, and how sure it is; empty where there is none.
func authentihash(r *restore.Result) (hash, certainty string, err error) {
	signed, err := digest.AuthentihashOf(r)
	if err != nil || signed.SHA256 == "" {
		return "", "", err
	}
	return signed.SHA256, signed.Certainty, nil
}

func dumpDigests(ctx context.Context, m *memimage.Module, dump func() (*memimage.Executable, error)) (*FileDigests, error) {
	exe, err := dump()
	if err != nil {
		return nil, err
	}
	return fileDigests(ctx, m, exe.Reader, digest.Kinds{Sums: true, Alike: true})
}

func fileDigests(ctx context.Context, m *memimage.Module, file *sparse.Reader, kinds digest.Kinds) (*FileDigests, error) {
	d, err := digestsOf(ctx, m, file, kinds)
	if err != nil {
		return nil, err
	}
	return &FileDigests{Size: d.Size, BytesMissing: d.Missing, Complete: d.Missing == 0, MD5: d.MD5, SHA256: d.SHA256, Imphash: d.Imphash, Ssdeep: d.Ssdeep, TLSH: d.TLSH}, nil
}
