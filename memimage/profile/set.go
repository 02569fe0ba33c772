package profile

import (
	"cmp"
	_ "embed"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"memlens/memimage/profile/internal/layout"
)

//go:generate go run ./internal/gen data

// builtinData is the archive that internal/gen writes.
//
//go:embed data/builtin.ntl
var builtinData []byte

// Set is a collection of profiles, oldest version first. It is immutable and safe for concurrent use.
type Set struct{ profiles []*Profile }

// Builtin is the set of profiles inside the program, from Windows XP to Windows 11.
func Builtin() *Set { return builtin() }

var builtin = sync.OnceValue(func() *Set {
	s, err := decodeSet(builtinData)
	if err != nil {
		panic(err) // the program itself is damaged
	}
	return s
})

// decodeSet reads the headers of an archive. The structures of a profile are decoded when first asked for.
func decodeSet(archive []byte) (*Set, error) {
	a, err := layout.Open(archive)
	if err != nil {
		return nil, err
	}
	var s Set
	for i := range a.Len() {
		h, err := a.Header(i)
		if err != nil {
			return nil, err
		}
		s.profiles = append(s.profiles, &Profile{header: h, structs: sync.OnceValue(func() []layout.Struct {
			structs, err := a.Structs(i)
			if err != nil {
				panic(err) // as above
			}
			return structs
		})})
	}
	return &s, nil
}

// All yields the profiles, oldest version first.
func (s *Set) All() iter.Seq[*Profile] { return slices.Values(s.profiles) }

// With is the set with more profiles in it, which are preferred to equally good profiles of the set.
func (s *Set) With(more ...*Profile) *Set {
	all := slices.Concat(more, s.profiles)
	slices.SortStableFunc(all, func(a, b *Profile) int { return a.Version().Compare(b.Version()) })
	return &Set{all}
}

// Without is the set without the profiles for which drop returns true.
func (s *Set) Without(drop func(*Profile) bool) *Set {
	return &Set{slices.DeleteFunc(slices.Clone(s.profiles), drop)}
}

// ByIdentity finds the profile of exactly this kernel, which then knows its symbols too.
func (s *Set) ByIdentity(id Identity) (*Profile, bool) {
	guid, ok := parseGUID(id.GUID)
	if !ok {
		return nil, false
	}
	for _, p := range s.profiles {
		if one, ok := p.of(guid, id.Age); ok {
			return one, true
		}
	}
	return nil, false
}

// Candidates are the profiles of an architecture in the order in which they are likely to fit a kernel of version v:
// the same build, then older builds from the nearest down, then newer builds from the nearest up. Within a build the
// order is the same by revision, and newest first if v has no revision. A build that has the kernel of another build
// counts as that other build.
func (s *Set) Candidates(arch Arch, v Version) []*Profile {
	v = v.ofFile()
	if v.Revision == 0 {
		v.Revision = ^uint32(0)
	}
	var out []*Profile
	for _, p := range s.profiles {
		if p.Arch() == arch {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b *Profile) int { return cmpNearness(v, a.Version(), b.Version()) })
	return out
}

// cmpNearness orders a and b by how near they are to v.
func cmpNearness(v, a, b Version) int {
	rank := func(x Version) int {
		switch {
		case x.Build == v.Build && x.Revision <= v.Revision:
			return 0
		case x.Build == v.Build:
			return 1
		case x.Build < v.Build:
			return 2
		}
		return 3
	}
	if r := cmp.Compare(rank(a), rank(b)); r != 0 {
		return r
	}
	if a.Compare(v) <= 0 {
		return b.Compare(a) // both are older: the newer one first
	}
	return a.Compare(b)
}

// ByName finds a profile by its name or an alias, in upper or lower case. The error has the most similar names.
func (s *Set) ByName(name string) (*Profile, error) {
	for _, p := range s.profiles {
		for _, n := range append([]string{p.Name()}, p.header.Aliases...) {
			if strings.EqualFold(n, name) {
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("profile: no profile %q; the nearest names are %s", name, strings.Join(s.near(name), ", "))
}

// near are the names that share the longest beginning with name.
func (s *Set) near(name string) []string {
	var names []string
	for _, p := range s.profiles {
		names = append(append(names, p.Name()), p.header.Aliases...)
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int { return common(b, name) - common(a, name) })
	return names[:min(8, len(names))]
}

func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && strings.EqualFold(a[:n+1], b[:n+1]) {
		n++
	}
	return n
}
