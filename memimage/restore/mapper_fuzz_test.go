package restore_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"memlens/memimage/restore"
)

// fuzzFiles returns small files: crafted files, and the programs in testdata.
func fuzzFiles(t testing.TB) []*peFile {
	files := craftedFiles()
	paths, _ := filepath.Glob(filepath.Join("testdata", "*.exe"))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = raw
	}
	var out []*peFile
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if f, err := parsePE(name, files[name]); err == nil && len(f.raw) <= 1<<17 {
			out = append(out, f)
		}
	}
	return out
}

// tamperings are changes that malware makes, in any combination.
var tamperings = []func(*image, *rand.Rand){hookCode, hookImport, zeroPage, eraseHeader, keepBase, lieBase, lieSections, lieFlags, lieRelocations,
	lieLookup, tamperPointers}

// randomView is a look at an image by chance: each source has a share of its pages.
func randomView(rng *rand.Rand) *view {
	share := func() func(*image, int64) bool {
		percent, header, seed := rng.Uint64N(130), rng.IntN(4) > 0, rng.Uint64()
		return func(m *image, at int64) bool {
			if at == 0 {
				return header
			}
			return some(seed, percent)(m, at)
		}
	}
	// lie: the evidence for the size may be missing, or tampered with
	v := &view{name: "random", lie: true, section: share(), own: share(), asOwn: rng.IntN(4) == 0, noBase: rng.IntN(4) == 0, demand: rng.IntN(2) == 0}
	if rng.IntN(2) == 0 {
		v.kind = restore.PageFile
	}
	if rng.IntN(3) == 0 {
		v.file, v.fileSize = share(), rng.IntN(2) == 0
	}
	if rng.IntN(4) == 0 {
		v.damaged = share()
	}
	return v
}

// FuzzMapper lays a file out in a way that the seed chooses, lets malware tamper with it, and judges the file that is
// restored from a view of it.
func FuzzMapper(f *testing.F) {
	files := fuzzFiles(f)
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		b := &boots[rng.IntN(len(boots))]
		m := b.start(files[rng.IntN(len(files))], rng)
		if m == nil {
			return
		}
		v := randomView(rng)
		for range rng.IntN(3) {
			tamperings[rng.IntN(len(tamperings))](m, rng)
		}
		for _, fault := range judge(m, v).faults {
			t.Errorf("%s | %s: %s", m.name, b.name, fault)
		}
	})
}
