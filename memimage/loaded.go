package memimage

import (
	"encoding/binary"
	"path"
	"strings"
	"sync"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/restore"
)

// loadedModules finds the DLLs that a process has loaded, by the names of their files. It reads the loader's list at
// the first call, and the header of a DLL when that DLL is asked for.
type loadedModules struct {
	process *nt.Process
	list    func() map[string]nt.Module
}

func newLoadedModules(p *nt.Process, k *nt.Kernel) *loadedModules {
	m := &loadedModules{process: p}
	m.list = sync.OnceValue(func() map[string]nt.Module { return m.read(k) })
	return m
}

// read reads the loader's list as far as possible. Of two DLLs with one name it keeps neither: it is not known which of
// the two imports are bound to.
func (m *loadedModules) read(k *nt.Kernel) map[string]nt.Module {
	out := map[string]nt.Module{}
	env, err := m.process.Environment(m.process.Space())
	if err != nil {
		return out
	}
	twice := map[string]bool{}
	for module, err := range env.Modules(k) {
		if err != nil {
			break
		}
		name := moduleName(module.Path)
		if _, known := out[name]; known {
			twice[name] = true
		}
		out[name] = module
	}
	for name := range twice {
		delete(out, name)
	}
	return out
}

// moduleName returns the name of a module's file in the form for comparisons.
func moduleName(p string) string {
	return strings.ToLower(path.Base(strings.ReplaceAll(p, `\`, "/")))
}

// module is restore.Input.Module.
func (m *loadedModules) module(name string) (restore.Module, bool) {
	found, ok := m.list()[moduleName(name)]
	if !ok {
		return restore.Module{}, false
	}
	return moduleHeader(m.process.Space(), found.Base)
}

// moduleHeader reads the header of the module at base. It reads a few bytes and no tables.
func moduleHeader(space *paging.Space, base paging.Virt) (restore.Module, bool) {
	const maxLfanew = 1 << 20
	window := space.Window(base, space.Mode().UserSpace())
	var dos, nt [0x58]byte // up to SizeOfImage
	if n, _ := window.ReadAt(dos[:0x40], 0); n < 0x40 || binary.LittleEndian.Uint16(dos[:]) != 0x5a4d {
		return restore.Module{}, false
	}
	at := int64(binary.LittleEndian.Uint32(dos[0x3c:]))
	if at > maxLfanew {
		return restore.Module{}, false
	}
	if n, _ := window.ReadAt(nt[:], at); n < len(nt) || binary.LittleEndian.Uint32(nt[:]) != 0x4550 {
		return restore.Module{}, false
	}
	m := restore.Module{Base: uint64(base), TimeDateStamp: binary.LittleEndian.Uint32(nt[8:]), Size: uint64(binary.LittleEndian.Uint32(nt[0x50:]))}
	switch binary.LittleEndian.Uint16(nt[0x18:]) {
	case 0x10b:
		m.ImageBase = uint64(binary.LittleEndian.Uint32(nt[0x34:]))
	case 0x20b:
		m.ImageBase = binary.LittleEndian.Uint64(nt[0x30:])
	}
	return m, m.ImageBase != 0
}
