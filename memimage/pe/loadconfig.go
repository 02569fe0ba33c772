package pe

import (
	"encoding/binary"
	"fmt"
)

// loadConfigForm holds the offsets of members of _IMAGE_LOAD_CONFIG_DIRECTORY32 or …64 (winnt.h).
type loadConfigForm struct {
	pointer                                     int
	chpe, relocOffset, relocSection, hotPatches int
	size                                        int // as far as it is read
}

func (f *File) loadConfigForm() loadConfigForm {
	if f.Plus {
		return loadConfigForm{pointer: 8, chpe: 0xc8, relocOffset: 0xe0, relocSection: 0xe4, hotPatches: 0xf0, size: 0xf4}
	}
	return loadConfigForm{pointer: 4, chpe: 0x7c, relocOffset: 0x88, relocSection: 0x8c, hotPatches: 0x94, size: 0x98}
}

// loadConfig is a load configuration, up to its own size.
type loadConfig struct {
	form loadConfigForm
	b    []byte
}

// loadConfig reads the load configuration; nil when there is none.
func (f *File) loadConfig() (*loadConfig, error) {
	dir := f.Directory(dirConfig)
	if dir.Address == 0 || dir.Size == 0 {
		return nil, nil
	}
	var size [4]byte
	if err := f.readRVA(size[:], int64(dir.Address)); err != nil {
		return nil, fmt.Errorf("pe: the load configuration cannot be read: %w", err)
	}
	l := &loadConfig{form: f.loadConfigForm()}
	l.b = make([]byte, min(binary.LittleEndian.Uint32(size[:]), uint32(l.form.size)))
	if err := f.readRVA(l.b, int64(dir.Address)); err != nil {
		return nil, fmt.Errorf("pe: the load configuration cannot be read: %w", err)
	}
	return l, nil
}

// u reads a member of n bytes; 0 for a member behind the end of the image's load configuration.
func (l *loadConfig) u(off, n int) uint64 {
	if off+n > len(l.b) {
		return 0
	}
	var b [8]byte
	copy(b[:], l.b[off:off+n])
	return binary.LittleEndian.Uint64(b[:])
}

func (l *loadConfig) pointer(off int) uint64 { return l.u(off, l.form.pointer) }

// hotPatch reads the head of the table of hot patches at HotPatchTableOffset, an RVA; nil when there is none.
func (f *File) hotPatch(l *loadConfig) (*HotPatch, error) {
	const known, least, most = 16, 20, 1 << 12 // versions, and bytes of the head
	at := uint32(l.u(l.form.hotPatches, 4))
	if at == 0 {
		return nil, nil
	}
	var b [20]byte
	if err := f.readRVA(b[:], int64(at)); err != nil {
		return nil, fmt.Errorf("pe: the table of hot patches cannot be read: %w", err)
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	if version, size := u32(0), u32(4); version < 1 || version > known || size < least || size > most {
		return nil, fmt.Errorf("pe: at RVA %#x there is no table of hot patches: it would be of version %d and have %d bytes", at, version, size)
	}
	return &HotPatch{Table: at, Version: u32(0), Sequence: u32(8), BaseImages: u32(16)}, nil
}

// readRVA fills p from the image.
func (f *File) readRVA(p []byte, rva int64) error {
	if n, err := f.image.ReadAt(p, rva); n < len(p) {
		return fmt.Errorf("RVA %#x: %w", rva, err)
	}
	return nil
}
