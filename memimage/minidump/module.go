package minidump

import "fmt"

// Module is a MINIDUMP_MODULE: an executable as the writer of the dump listed it. Names come from the process's own lists.
type Module struct {
	Base       uint64
	Size       uint32 // SizeOfImage
	CheckSum   uint32
	TimeStamp  uint32
	Path       string // may be empty
	Version    [4]uint16
	HasVersion bool
}

// VersionText is the file's version; empty when it is not known.
func (m *Module) VersionText() string {
	if !m.HasVersion {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d", m.Version[0], m.Version[1], m.Version[2], m.Version[3])
}

const (
	moduleSize       = 108
	maxModules       = 1 << 16
	versionSignature = 0xfeef04bd // of VS_FIXEDFILEINFO
)

func (r *reader) modules(d *Dump, s Stream) {
	r.counted(s, moduleSize, maxModules, func(b fields) {
		m := Module{Base: b.u64(0), Size: b.u32(8), CheckSum: b.u32(12), TimeStamp: b.u32(16), Path: r.string(uint64(b.u32(20)))}
		if b.u32(24) == versionSignature {
			ms, ls := b.u32(32), b.u32(36)
			m.Version, m.HasVersion = [4]uint16{uint16(ms >> 16), uint16(ms), uint16(ls >> 16), uint16(ls)}, true
		}
		d.Modules = append(d.Modules, m)
	})
}

// counted reads a list that begins with the number of its entries. Some writers put 4 bytes between the number and
// the first entry, to align it.
func (r *reader) counted(s Stream, size int, most uint64, f func(fields)) {
	n := r.at(s.Off, 4)
	if len(n) < 4 || s.Size < 4 {
		r.note("The %s is cut off.", s.Name())
		return
	}
	count, at := uint64(n.u32(0)), uint64(4)
	if s.Size == 8+count*uint64(size) {
		at = 8
	}
	r.list(s, at, count, size, most, f)
}

// Unloaded is a MINIDUMP_UNLOADED_MODULE: a module that the process had unloaded. Its memory is gone.
type Unloaded struct {
	Base      uint64
	Size      uint32
	CheckSum  uint32
	TimeStamp uint32
	Name      string // may be empty
}

func (r *reader) unloaded(d *Dump, s Stream) {
	const header, size = 12, 24
	r.sized(s, header, size, maxModules, func(b fields) {
		d.Unloaded = append(d.Unloaded, Unloaded{b.u64(0), b.u32(8), b.u32(12), b.u32(16), r.string(uint64(b.u32(20)))})
	})
}

// maxEntry bounds the size of an entry that a list states.
const maxEntry = 1 << 12

// sized reads a list that begins with the sizes of its header and its entries, and the number of entries. That number
// has 8 bytes in a MemoryInfoListStream, whose header has 16 bytes, and else 4.
func (r *reader) sized(s Stream, header, size int, most uint64, f func(fields)) {
	h := r.at(s.Off, 16)
	at, each, count := uint64(h.u32(0)), int(h.u32(4)), uint64(h.u32(8))
	if header == infoHeader && s.Type == MemoryInfoListStream {
		count = h.u64(8)
	}
	switch {
	case len(h) < 12 || s.Size < uint64(header):
		r.note("The %s is cut off.", s.Name())
	case at < uint64(header) || each < size || each > maxEntry:
		r.note("The %s is damaged: it states a header of %d and entries of %d bytes.", s.Name(), at, each)
	default:
		r.list(s, at, count, each, most, f)
	}
}
