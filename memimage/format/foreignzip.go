package format

import (
	"path/filepath"
	"strings"
)

const (
	splitZip = "a part of a split zip archive"
	joinZip  = "join the parts first: zip -s 0 FILE.zip --out JOINED.zip"
)

// refuseSplitZip fails for the last part of a split zip archive, FILE.zip: it has the directory, and the files in it
// begin in other parts. The parts before it are named .z01, .z02 and so on; the first has a magic number.
func refuseSplitZip(in *input) (*Image, error) {
	if !strings.EqualFold(filepath.Ext(in.Name()), ".zip") {
		return nil, ErrFormat
	}
	from := max(in.Size()-zipEnd-1<<16, 0)
	tail, err := readUpTo(in, from, int(in.Size()-from))
	if err != nil {
		return nil, err
	}
	for at := len(tail) - zipEnd; at >= 0; at-- {
		if tail.has(at, "PK\x05\x06") && at+zipEnd+int(tail.u16(at+20)) == len(tail) {
			if disk, first := tail.u16(at+4), tail.u16(at+6); disk > 0 && disk != 0xffff && first <= disk {
				return nil, &NotMemoryError{Name: in.Name(), What: splitZip, Do: joinZip}
			}
			break
		}
	}
	return nil, ErrFormat
}
