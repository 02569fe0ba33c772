package format

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ulikunitz/xz"

	"memlens/memimage/sparse"
)

// maxSeed is how many bytes of a file are a seed: large seeds are slow to change, and most changes in them have no
// effect.
const maxSeed = 64 << 10

// addWritten adds as seeds the files of other writers that the opener takes, and the beginnings of longer files if it
// takes these.
func addWritten(f *testing.F, open opener) {
	f.Helper()
	added := 0
	for _, data := range writtenSeeds() {
		in := newInput(&memSource{Source: sparse.Bytes(data), name: "fuzz.bin"}, Options{SpoolDir: f.TempDir()})
		im, err := open(in)
		if err == nil {
			f.Add(data)
			added++
			_ = im.Close()
		}
		_ = in.closeAll()
	}
	f.Logf("%d files of other writers are seeds", added)
}

// writtenSeeds returns the beginnings of the files of testdata/writers.
var writtenSeeds = sync.OnceValue(func() [][]byte {
	names, err := filepath.Glob(filepath.Join(writersDir, "*"))
	if err != nil || len(names) < 10 {
		panic("there are no files of other writers")
	}
	var out [][]byte
	for _, name := range names {
		if filepath.Ext(name) == ".csv" {
			continue
		}
		data, err := beginning(name, maxSeed)
		if err != nil {
			panic(name + ": " + err.Error())
		}
		out = append(out, data)
	}
	return out
})

// beginning returns the first bytes of a file. If the file is packed with xz, it returns the first unpacked bytes.
func beginning(name string, n int64) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil || filepath.Ext(name) != ".xz" {
		return data[:min(n, int64(len(data)))], err
	}
	r, err := xz.NewReader(bytes.NewReader(withSmallDictionary(data)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, n))
}

// withSmallDictionary changes the header of an xz file's first block so that it asks for a dictionary of 1 MiB, which
// is enough for the beginning. Unchanged, these files ask for 64 MiB each, and every worker of a fuzz target unpacks
// all of the files.
func withSmallDictionary(file []byte) []byte {
	const block, lzma2, oneMiB = 12, 0x21, 16
	file = bytes.Clone(file)
	end := block + (int(file[block])+1)*4 - 4
	if at := bytes.Index(file[block+2:end], []byte{lzma2, 1}); at >= 0 {
		file[block+2+at+2] = min(file[block+2+at+2], oneMiB)
		binary.LittleEndian.PutUint32(file[end:], crc32.ChecksumIEEE(file[block:end]))
	}
	return file
}
