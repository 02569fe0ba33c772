// Package pdb reads the data for a profile from Microsoft's program databases: the identity of the file, the layout
// of structures, and the addresses of public symbols.
//
// Package profile above says which structures and symbols. The format is described by Microsoft's published
// microsoft-pdb sources and by LLVM's documentation: streams in a container (MSF 7.0), CodeView type records in the
// TPI stream, symbol records and section headers found through the DBI stream.
package pdb

import (
	"fmt"
	"io"
)

// The fixed streams.
const (
	streamInfo = 1
	streamTPI  = 2
	streamDBI  = 3
)

// The machines of IMAGE_FILE_HEADER that File.Machine can name.
const (
	MachineX86   = 0x14c
	MachineX64   = 0x8664
	MachineARM64 = 0xaa64
)

// File is an open PDB file. Its methods may be used concurrently if the reader's may.
type File struct {
	GUID    [16]byte // as in the file, and in the image's RSDS record
	Age     uint32   // as in the image's RSDS record
	Machine uint16

	msf *msf
	dbi dbi
}

// dbi is the header of the DBI stream as far as it is needed.
type dbi struct {
	symbols  uint16 // number of the stream of symbol records
	sections uint16 // number of the stream of section headers
	original uint16 // the same before the linker's output was rearranged
	fromOrig uint16 // map of addresses from before to after
}

const noStream = 0xffff

// Open reads the headers of a PDB file of size bytes. For other files the error wraps ErrFormat.
func Open(r io.ReaderAt, size int64) (*File, error) {
	m, err := openMSF(r, size)
	if err != nil {
		return nil, err
	}
	f := &File{msf: m}
	info, err := m.stream(streamInfo)
	if err != nil {
		return nil, err
	}
	c := cursor{b: info}
	c.take(8) // version, time stamp
	f.Age = c.u32()
	copy(f.GUID[:], c.take(16))
	if c.bad {
		return nil, fmt.Errorf("pdb: information stream of %#x bytes", len(info))
	}
	return f, f.readDBI()
}

// readDBI reads the header of the DBI stream, if there is one. Its age is the age that the image has, too.
func (f *File) readDBI() error {
	b, err := f.msf.stream(streamDBI)
	if err != nil {
		return err
	}
	f.dbi = dbi{symbols: noStream, sections: noStream, original: noStream, fromOrig: noStream}
	if len(b) == 0 {
		return nil
	}
	c := cursor{b: b}
	c.take(8) // signature, version
	f.Age = c.u32()
	c.take(8) // global symbols, toolchain, public symbols, its version
	f.dbi.symbols = c.u16()
	c.take(2)
	debug := uint64(0) // where the numbers of further streams begin, behind six parts
	for range 5 {
		debug += uint64(c.u32())
	}
	c.take(4)
	debugSize := c.u32()
	debug += uint64(c.u32())
	c.take(2)
	f.Machine = c.u16()
	c.take(4)
	if c.bad {
		return fmt.Errorf("pdb: DBI stream of %#x bytes", len(b))
	}
	if debug+uint64(debugSize) > uint64(len(c.b)) {
		return fmt.Errorf("pdb: debug header at %#x of a DBI stream of %#x bytes", debug, len(b))
	}
	f.dbi.readDebug(cursor{b: c.b[debug : debug+uint64(debugSize)]})
	return nil
}

// readDebug reads the optional debug header: numbers of streams, which older files have fewer of.
func (d *dbi) readDebug(c cursor) {
	for i := 0; len(c.b) >= 2; i++ {
		n := c.u16()
		switch i {
		case 4:
			d.fromOrig = n
		case 5:
			d.sections = n
		case 10:
			d.original = n
		}
	}
}
