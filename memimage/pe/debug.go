package pe

import (
	"encoding/binary"
	"fmt"
)

// Bounds on the debug directory.
const (
	maxDebugEntries = 32
	maxCodeView     = 24 + 1<<10 // bytes of a record, which ends with the path of the symbol file
)

// CodeView returns the record that names the file with the executable's symbols, as it is: "RSDS" or "NB10", the identity,
// and the path. It is nil where there is none. The error is of bytes that cannot be read.
func (f *File) CodeView() ([]byte, error) {
	const entry, isCodeView = 28, 2 // sizeof(_IMAGE_DEBUG_DIRECTORY), IMAGE_DEBUG_TYPE_CODEVIEW
	d := f.Directory(dirDebug)
	rows := make([]byte, min(d.Size/entry, maxDebugEntries)*entry)
	if err := f.readRVA(rows, int64(d.Address)); err != nil {
		return nil, fmt.Errorf("pe: the debug directory cannot be read: %w", err)
	}
	for ; len(rows) > 0; rows = rows[entry:] {
		size, at := binary.LittleEndian.Uint32(rows[16:]), binary.LittleEndian.Uint32(rows[20:])
		if binary.LittleEndian.Uint32(rows[12:]) != isCodeView || at == 0 {
			continue
		}
		return f.codeView(at, size)
	}
	return nil, nil
}

// codeView reads a record of size bytes at an RVA; nil when it has another form or is too long.
func (f *File) codeView(at, size uint32) ([]byte, error) {
	if size < 16 || size > maxCodeView {
		return nil, nil
	}
	record := make([]byte, size)
	if err := f.readRVA(record, int64(at)); err != nil {
		return nil, fmt.Errorf("pe: the debug record cannot be read: %w", err)
	}
	if form := string(record[:4]); form != "RSDS" && form != "NB10" {
		return nil, nil
	}
	return record, nil
}
