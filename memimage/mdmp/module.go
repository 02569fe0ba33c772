package mdmp

import "encoding/binary"

// Module is an executable that is mapped.
type Module struct {
	Base                    uint64
	Size                    uint32
	CheckSum, TimeDateStamp uint32
	Name                    string // path
	Version                 FixedFileInfo
	CodeView                []byte // the record that names the symbol file, from the executable
}

// FixedFileInfo is a VS_FIXEDFILEINFO, from the executable.
type FixedFileInfo [fixedFileInfoSize]byte

const (
	fixedFileInfoSize = 52
	moduleSize        = 108 // MINIDUMP_MODULE
)

// modules writes MINIDUMP_MODULE_LIST.
func (w *writer) modules(d *Dump) (at, size int) {
	size = 4 + len(d.Modules)*moduleSize
	at = w.room(size)
	w.u32(at, uint32(len(d.Modules)))
	for i := range d.Modules {
		w.module(at+4+i*moduleSize, &d.Modules[i])
	}
	return at, size
}

func (w *writer) module(at int, m *Module) {
	w.u64(at, m.Base)
	w.u32s(at+8, m.Size, m.CheckSum, m.TimeDateStamp, w.text(m.Name))
	copy(w.b[at+24:], m.Version[:])
	w.bytes(at+76, m.CodeView)
}

// IsKnown reports whether there is a version.
func (v *FixedFileInfo) IsKnown() bool {
	const signature = 0xfeef04bd // VS_FFI_SIGNATURE
	return binary.LittleEndian.Uint32(v[:]) == signature
}
