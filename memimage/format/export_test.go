package format

import "testing"

// Written is a file in a format, with its siblings by their names.
type Written struct {
	Format   string
	Name     string
	Data     []byte
	Siblings map[string][]byte
}

// WriteEverything writes the memory of some runs, data by physical address, in the format with that number; false when
// there are not so many.
func WriteEverything(t testing.TB, number int, addrs []uint64, data [][]byte) (Written, bool) {
	all := everyWrapping()
	if number >= len(all) {
		return Written{}, false
	}
	var runs []run
	for i, addr := range addrs {
		runs = append(runs, run{addr, data[i]})
	}
	return written(t, all[number].name, all[number].write(t, runs)), true
}

// WrittenByOthers returns the files of testdata/writers.
func WrittenByOthers(t *testing.T) (out []Written) {
	for _, w := range writtenFiles(t) {
		out = append(out, written(t, w["file"], w.source(t)))
	}
	return out
}

func written(t testing.TB, format string, src *memSource) Written {
	b := make([]byte, src.Size())
	if n, err := src.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	siblings := map[string][]byte{}
	for key, data := range src.siblings {
		siblings[siblingName(src.name, key)] = data
	}
	return Written{format, src.name, b, siblings}
}
