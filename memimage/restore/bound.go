package restore

import (
	"encoding/binary"
	"strings"
)

const (
	boundSize      = 8 // sizeof(IMAGE_BOUND_IMPORT_DESCRIPTOR), and of an IMAGE_BOUND_FORWARDER_REF
	maxBound       = 1 << 12
	maxModuleName  = 256
	newStyleBound  = 0xffffffff // TimeDateStamp where the bound import directory has the real one
	noForwardChain = 0xffffffff
)

// Module is a DLL that the process has loaded.
type Module struct {
	Base          uint64 // address in the process
	Size          uint64 // of its image
	ImageBase     uint64 // by its header in memory
	TimeDateStamp uint32 // by its header in memory
}

// module returns a DLL at the address that it was linked for. Since Windows Vista the header does not show that.
func (w *work) module(name string) (Module, bool) {
	if w.in.Module == nil || w.in.KernelRelocates || name == "" {
		return Module{}, false
	}
	m, ok := w.in.Module(name)
	return m, ok && m.Base == m.ImageBase
}

// boundTo returns the DLLs that the thunks of an import descriptor may point into, if the loader left the thunks as
// they were bound: each DLL is loaded, has the time stamp that was noted when the imports were bound, and was not
// moved. It returns nil otherwise.
func (w *work) boundTo(d []byte) []Module {
	name, ok := w.name(int64(binary.LittleEndian.Uint32(d[12:])))
	stamp := binary.LittleEndian.Uint32(d[4:])
	if !ok {
		return nil
	}
	if stamp == newStyleBound {
		return w.boundDirectory(name)
	}
	if binary.LittleEndian.Uint32(d[8:]) != noForwardChain { // the loader follows the chain, and writes
		return nil
	}
	return w.ifCurrent(nil, name, stamp)
}

// ifCurrent adds a DLL to the list of DLLs that a bound import depends on; nil when its time stamp is another.
func (w *work) ifCurrent(list []Module, name string, stamp uint32) []Module {
	m, ok := w.module(name)
	if !ok || stamp == 0 || m.TimeDateStamp != stamp {
		return nil
	}
	return append(list, m)
}

// boundDLL is the entry of a DLL in the bound import directory: the DLLs that imports from it lead to, itself the
// first, with their time stamps.
type boundDLL []boundEntry

type boundEntry struct {
	name  string
	stamp uint32
}

// boundDirectory looks a DLL up in the bound import directory, once for all import descriptors that name it. It
// returns the DLLs that imports from it lead to, or nil when one of these is not the loaded DLL.
func (w *work) boundDirectory(dll string) []Module {
	if w.bound == nil {
		w.readBoundDirectory()
	}
	name := strings.ToLower(dll)
	list, known := w.boundModules[name]
	if !known {
		list = w.current(w.bound[name])
		w.boundModules[name] = list
	}
	return list
}

// current returns the DLLs of entries, or nil when one of these is not the loaded DLL.
func (w *work) current(entries boundDLL) []Module {
	var list []Module
	for _, e := range entries {
		if list = w.ifCurrent(list, e.name, e.stamp); list == nil {
			return nil
		}
	}
	return list
}

// readBoundDirectory reads the bound import directory. Of two entries of a DLL the first counts, as in the loader.
func (w *work) readBoundDirectory() {
	w.bound, w.boundModules = map[string]boundDLL{}, map[string][]Module{}
	dir := int64(w.h.directories[dirBound].rva)
	for at, n := dir, 0; dir != 0 && n < maxBound; n++ {
		first, refs, ok := w.boundEntry(dir, at)
		if !ok {
			return
		}
		list := boundDLL{first}
		for at += boundSize; refs > 0 && n < maxBound; refs, n, at = refs-1, n+1, at+boundSize {
			e, _, ok := w.boundEntry(dir, at)
			if !ok {
				return
			}
			list = append(list, e)
		}
		if name := strings.ToLower(first.name); refs == 0 && w.bound[name] == nil {
			w.bound[name] = list
		}
	}
}

// boundEntry reads an IMAGE_BOUND_IMPORT_DESCRIPTOR with the number of its forwarder references, or one of these
// (IMAGE_BOUND_FORWARDER_REF), of the directory at dir. It reports false at the end of the directory, and where a process
// may have written.
func (w *work) boundEntry(dir, at int64) (e boundEntry, refs int, ok bool) {
	var b [boundSize]byte
	if !w.read(b[:], at) || w.touched(at, boundSize) {
		return e, 0, false
	}
	offset := int64(binary.LittleEndian.Uint16(b[4:]))
	if offset == 0 {
		return e, 0, false
	}
	e.stamp = binary.LittleEndian.Uint32(b[:])
	e.name, ok = w.name(dir + offset)
	return e, int(binary.LittleEndian.Uint16(b[6:])), ok
}

// name reads a name that ends with a zero.
func (w *work) name(rva int64) (string, bool) {
	var b [maxModuleName]byte
	for i := range b {
		if !w.read(b[i:i+1], rva+int64(i)) {
			return "", false
		}
		if b[i] == 0 {
			return string(b[:i]), i > 0
		}
	}
	return "", false
}

// keepThunk notes that the thunk at rva is as in the file, if it points into a DLL that it was bound to.
func (w *work) keepThunk(rva uint32, to []Module) bool {
	var b [8]byte
	if len(to) == 0 || !w.read(b[:w.h.pointerSize()], int64(rva)) {
		return false
	}
	v := binary.LittleEndian.Uint64(b[:])
	for _, m := range to {
		if v-m.Base < m.Size {
			w.placed[rva] = true
			w.editsAt(rva).kept = true
			return true
		}
	}
	return false
}
