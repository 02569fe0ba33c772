package nt

import (
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Driver is an executable image that the kernel has loaded for itself: the kernel, a driver, a library of drivers. Its
// members come from its entry in the list of loaded modules, or where it has none from its headers.
type Driver struct {
	Kind       DriverKind
	Listed     bool        // in PsLoadedModuleList
	Index      int         // its place in that list, from 0; -1: it is not in it, or the list is damaged and its place not known
	Entry      paging.Virt // of the _KLDR_DATA_TABLE_ENTRY; 0 when there is none, or only its physical address is known
	EntryPA    paging.Phys // of the _KLDR_DATA_TABLE_ENTRY; 0 when there is none
	Base       paging.Virt // DllBase
	Size       uint32      // SizeOfImage
	EntryPoint paging.Virt // may be 0
	Path       string      // FullDllName; empty when it cannot be read
	Name       string      // BaseDllName, or else the end of Path, or the name that the image exports under; may be empty
	PDB        string      // of the debug record of an image without an entry; may be empty
	LoadCount  uint16
	Flags      uint32
	Space      DriverSpace // through which its image is read; zero where no page of it is mapped or in memory

	// Damage says which members of the entry cannot be read; nil where all can.
	Damage error
}

// DriverKind says which parts of a driver are in memory.
type DriverKind uint8

const (
	DriverLoaded      DriverKind = iota // in the list, and its image in memory
	DriverInSession                     // in the list, and its image in memory; the image is mapped only for the processes of a session
	DriverNoHeader                      // in the list, and part of its image in memory, but not the page of its header
	DriverOverwritten                   // in the list, and something at its address, but no header of an executable
	DriverNoImage                       // in the list, but nothing of its image in memory
	DriverUnlinked                      // not in the list, or by halves; its entry is found, and its image in memory
	DriverNoEntry                       // not in the list; only its image is found, loaded and relocated as a driver's
	DriverCopy                          // not in the list; another image in memory of a driver in the list, such as where the boot loader had put it
	DriverUnloaded                      // unloaded: its entry is a remnant
)

func (d DriverKind) String() string {
	return [...]string{"loaded", "loaded, session space", "loaded, header page not in memory", "loaded, header overwritten",
		"listed only, no image in memory", "unlinked", "image without an entry", "copy of a listed driver", "unloaded"}[d]
}

// driverEntry is where a _KLDR_DATA_TABLE_ENTRY has its members.
type driverEntry struct {
	base, entryPoint, size, path, name, flags, loadCount profile.Offset
	end                                                  int
}

// driverEntryLayout returns the layout for kernels with pointers of so many bytes. It is the same in all versions since
// Windows 2000. Up to the names it is the layout of _LDR_DATA_TABLE_ENTRY; LoadCount is its own
// (_KLDR_DATA_TABLE_ENTRY: the kernel's _LDR_DATA_TABLE_ENTRY of Windows 8 and later calls it obsolete).
func driverEntryLayout(pointer int) driverEntry {
	if pointer == 8 {
		return driverEntry{base: 0x30, entryPoint: 0x38, size: 0x40, path: 0x48, name: 0x58, flags: 0x68, loadCount: 0x6c, end: 0x70}
	}
	return driverEntry{base: 0x18, entryPoint: 0x1c, size: 0x20, path: 0x24, name: 0x2c, flags: 0x34, loadCount: 0x38, end: 0x3c}
}

// maxDriver bounds the size of an image in the kernel's half of the address space, in bytes.
const maxDriver = 1 << 30

// driver reads the entry at va.
func (k *Kernel) driver(va paging.Virt) (*Driver, error) {
	page, err := k.kernel.space.Translate(va)
	if err != nil {
		return nil, fmt.Errorf("the entry at %#x cannot be read: %w", uint64(va), err)
	}
	r, err := k.kernel.record(va, driverEntryLayout(k.kernel.pointer).end)
	if err != nil {
		return nil, fmt.Errorf("the entry at %#x cannot be read: %w", uint64(va), err)
	}
	d := k.decodeDriver(r)
	d.Entry, d.EntryPA = va, paging.Phys(page.Off)+paging.Phys(va-page.VA)
	if !k.plausibleDriver(d) {
		return nil, fmt.Errorf("at %#x there is no entry of a driver: it would be at %#x, %#x bytes long", uint64(va), uint64(d.Base), d.Size)
	}
	return d, nil
}

// decodeDriver makes a driver of its entry, and reads its names.
func (k *Kernel) decodeDriver(r record) *Driver {
	l := driverEntryLayout(k.kernel.pointer)
	d := &Driver{Index: -1, Base: r.ptr(l.base), Size: uint32(r.u32(l.size)), EntryPoint: r.ptr(l.entryPoint),
		LoadCount: uint16(r.u16(l.loadCount)), Flags: uint32(r.u32(l.flags))}
	path, err1 := k.kernel.counted(r, l.path)
	name, err2 := k.kernel.counted(r, l.name)
	if err1 != nil {
		err1 = fmt.Errorf("its path cannot be read: %w", err1)
	}
	if err2 != nil {
		err2 = fmt.Errorf("its name cannot be read: %w", err2)
	}
	d.Path, d.Name, d.Damage = path, name, errors.Join(err1, err2)
	if d.Name == "" {
		d.Name = path[strings.LastIndexAny(path, `\/`)+1:]
	}
	return d
}

// maxDriverPath bounds a path or name of a driver, in bytes.
const maxDriverPath = 4096

// counted reads the text of the _UNICODE_STRING at an offset of a record.
func (m memory) counted(r record, off profile.Offset) (string, error) {
	n := int(r.u16(off)) &^ 1
	if n == 0 {
		return "", nil
	}
	if n > maxDriverPath {
		return "", fmt.Errorf("it would have %d bytes", n)
	}
	return m.utf16(r.ptr(off+profile.Offset(m.pointer)), n)
}

// plausibleDriver reports whether an image can lie where an entry says.
func (k *Kernel) plausibleDriver(d *Driver) bool {
	return d.Base%pageSize == 0 && k.inKernelSpace(d.Base) && d.Size > 0 && d.Size <= maxDriver && d.Base+paging.Virt(d.Size) > d.Base
}
