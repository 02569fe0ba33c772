package sparsetest

import (
	"os"
	"testing"
)

// Program returns n bytes of an executable, for benchmarks: the bytes of the running program, repeated.
func Program(b testing.TB, n int) []byte {
	b.Helper()
	path, err := os.Executable()
	if err != nil {
		b.Skip(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.Skip(err)
	}
	for len(data) < n {
		data = append(data, data...)
	}
	return data[:n]
}
