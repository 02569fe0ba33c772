package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/sparse"
)

// DigestSet are the requested digests, by name; none: no file is read for them.
type DigestSet []string

// DigestNames are the names of all digests.
var DigestNames = []string{"md5", "sha256", "imphash", "authentihash", "ssdeep", "tlsh"}

// ParseDigests reads names separated by commas; "all" stands for all digests.
func ParseDigests(names []string) (DigestSet, error) {
	var out DigestSet
	for _, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "all":
			return slices.Clone(DigestNames), nil
		case !slices.Contains(DigestNames, name):
			return nil, fmt.Errorf("there is no digest %q, but %s, and all", name, strings.Join(DigestNames, ", "))
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out, nil
}

func (s DigestSet) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(s, n) })
}

// Of makes the digests of an executable: the digests of the restored file in one pass over it, and from the dump in the
// disk layout the digests named for it. Missing bytes of a file read as zeros. The error is of a source that fails, or
// of ctx.
func (s DigestSet) Of(ctx context.Context, m *memimage.Module) (out Digests, err error) {
	if len(s) == 0 {
		return out, nil
	}
	if err := s.ofRestored(ctx, m, &out); err != nil {
		return Digests{}, err
	}
	if !s.has("md5", "sha256") {
		return out, nil
	}
	exe, err := m.FileDump()
	if err != nil {
		return out, sparse.OnlyFailed(err)
	}
	d, err := digestsOf(ctx, m, exe.Reader, digest.Kinds{Sums: true})
	if err != nil {
		return Digests{}, err
	}
	out.DumpMD5, out.DumpSHA256 = s.only("md5", d.MD5), s.only("sha256", d.SHA256)
	return out, nil
}

func (s DigestSet) ofRestored(ctx context.Context, m *memimage.Module, out *Digests) error {
	r, err := m.Restored()
	if err != nil {
		return sparse.OnlyFailed(err)
	}
	d, err := digestsOf(ctx, m, r.Reader, digest.Kinds{Sums: s.has("md5", "sha256"), Alike: s.has("ssdeep", "tlsh"), Imphash: s.has("imphash")})
	if err != nil {
		return err
	}
	out.MD5, out.SHA256, out.Ssdeep, out.TLSH, out.Imphash = s.only("md5", d.MD5), s.only("sha256", d.SHA256), s.only("ssdeep", d.Ssdeep), s.only("tlsh", d.TLSH), d.Imphash
	if !s.has("authentihash") {
		return nil
	}
	out.Authentihash, out.AuthentihashCertainty, err = authentihash(r)
	return err
}

// only returns a digest that comes with others if it was requested.
func (s DigestSet) only(name, value string) string {
	if !s.has(name) {
		return ""
	}
	return value
}

func digestsOf(ctx context.Context, m *memimage.Module, file *sparse.Reader, kinds digest.Kinds) (*digest.Digests, error) {
	missing, err := digest.Missing(file)
	if err != nil {
		return nil, err
	}
	return digest.Some(kinds, m.Name(), sparse.Within(ctx, sparse.ZeroFill(file, nil)), file.Size(), missing)
}
