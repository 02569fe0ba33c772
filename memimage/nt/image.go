package nt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// kernelImage is the kernel's own executable in memory: the contents of its headers, its exports and its debug record.
type kernelImage struct {
	mem      memory
	Base     paging.Virt
	Size     uint32
	Machine  uint16           // IMAGE_FILE_HEADER.Machine
	Name     string           // of the export directory, or of the debug record
	Identity profile.Identity // zero when there is no debug record that can be read
	exports  directory
}

// directory is an entry of a PE header's data directory.
type directory struct{ RVA, Size uint32 }

// Limits on the values in an image's headers.
const (
	maxKernelImage = 128 << 20
	maxExports     = 16384
	maxDebug       = 16
)

// kernelNames begin the names of the kernel's executables and PDB files on all editions: uniprocessor, multiprocessor,
// both with PAE, and the edition for five levels of page tables.
var kernelNames = []string{"ntoskrnl", "ntkrnlmp", "ntkrnlpa", "ntkrpamp", "ntkrla57"}

// openKernelImage reads the headers at base; false when there is no kernel.
func openKernelImage(m memory, base paging.Virt) (*kernelImage, bool) {
	head, err := m.record(base, pageSize)
	if err != nil || head.u16(0) != 0x5a4d {
		return nil, false
	}
	nt := profile.Offset(head.u32(0x3c))
	if nt > pageSize-0x108 || head.u32(nt) != 0x4550 {
		return nil, false
	}
	optional := nt + 0x18
	dirs := optional + 0x60
	if head.u16(optional) == 0x20b {
		dirs = optional + 0x70
	}
	k := &kernelImage{mem: m, Base: base, Size: uint32(head.u32(optional + 0x38)), Machine: uint16(head.u16(nt + 4))}
	if k.Size < 0x10000 || k.Size > maxKernelImage {
		return nil, false
	}
	k.exports = directory{uint32(head.u32(dirs)), uint32(head.u32(dirs + 4))}
	debug := directory{uint32(head.u32(dirs + 6*8)), uint32(head.u32(dirs + 6*8 + 4))}
	k.Name = k.cString(k.exportName(), 64)
	k.Identity, _ = k.identity(debug)
	return k, k.isKernel()
}

func (k *kernelImage) isKernel() bool {
	for _, name := range kernelNames {
		if strings.HasPrefix(strings.ToLower(k.Name), name) || strings.HasPrefix(strings.ToLower(k.Identity.PDB), name) {
			return true
		}
	}
	return false
}

// work is the cost of looking at the image: for its debugger data block, plain or encoded, all its pages are searched.
func (k *kernelImage) work() int64 { return kernelWork + int64(k.Size/pageSize)<<5 }

// exportName returns the RVA of the name in the export directory; 0 when that cannot be read.
func (k *kernelImage) exportName() uint32 {
	r, err := k.read(k.exports.RVA, 40)
	if err != nil || k.exports.RVA == 0 {
		return 0
	}
	return uint32(r.u32(12))
}

func (k *kernelImage) read(rva uint32, n int) (record, error) {
	if uint64(rva)+uint64(n) > uint64(k.Size) {
		return record{}, fmt.Errorf("nt: RVA %#x lies outside the kernel's %#x bytes", rva, k.Size)
	}
	return k.mem.record(k.Base+paging.Virt(rva), n)
}

// cString reads up to n bytes of a string that ends with a NUL; empty when it cannot be read or holds other than
// printable ASCII.
func (k *kernelImage) cString(rva uint32, n int) string {
	if rva == 0 || rva >= k.Size {
		return ""
	}
	r, _ := k.mem.record(k.Base+paging.Virt(rva), n)
	text, _, _ := bytes.Cut(r.b, []byte{0})
	for _, c := range text {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(text)
}

// identity reads the RSDS record that a debug directory points to (IMAGE_DEBUG_DIRECTORY, CodeView "RSDS").
func (k *kernelImage) identity(d directory) (profile.Identity, bool) {
	const entrySize = 28
	for i := range min(d.Size/entrySize, maxDebug) {
		entry, err := k.read(d.RVA+i*entrySize, entrySize)
		if err != nil || entry.u32(12) != 2 { // IMAGE_DEBUG_TYPE_CODEVIEW
			continue
		}
		if id, ok := k.rsds(uint32(entry.u32(20))); ok {
			return id, true
		}
	}
	return profile.Identity{}, false
}

func (k *kernelImage) rsds(rva uint32) (profile.Identity, bool) {
	r, err := k.read(rva, 24)
	if err != nil || string(r.b[:4]) != "RSDS" {
		return profile.Identity{}, false
	}
	g := r.b[4:20]
	// A GUID is a 32-bit, two 16-bit numbers and eight bytes; symbol servers write the numbers big-endian.
	order := []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
	id := profile.Identity{PDB: k.cString(rva+24, 64), GUID: strings.ToUpper(hex.EncodeToString(order)), Age: uint32(r.u32(20))}
	return id, id.PDB != ""
}

// Export returns the address of an exported symbol.
func (k *kernelImage) Export(name string) (paging.Virt, bool) {
	dir, err := k.read(k.exports.RVA, 40)
	if err != nil || k.exports.RVA == 0 {
		return 0, false
	}
	names := min(uint32(dir.u32(24)), maxExports)
	functions, nameTable, ordinals := uint32(dir.u32(28)), uint32(dir.u32(32)), uint32(dir.u32(36))
	for i := range names {
		at, err := k.read(nameTable+4*i, 4)
		if err != nil || k.cString(uint32(at.u32(0)), len(name)+1) != name {
			continue
		}
		ordinal, err := k.read(ordinals+2*i, 2)
		if err != nil {
			return 0, false
		}
		rva, err := k.read(functions+4*uint32(ordinal.u16(0)), 4)
		if err != nil || rva.u32(0) == 0 || rva.u32(0) >= uint64(k.Size) {
			return 0, false
		}
		return k.Base + paging.Virt(rva.u32(0)), true
	}
	return 0, false
}

// Find returns the addresses at which the image holds tag, at most limit, where alignment divides the distance from the
// base. Pages that cannot be read are skipped.
func (k *kernelImage) Find(tag []byte, alignment, limit int) []paging.Virt {
	var out []paging.Virt
	page := make([]byte, pageSize)
	for rva := 0; rva < int(k.Size) && len(out) < limit; rva += pageSize {
		if _, err := k.mem.space.ReadVirt(page, k.Base+paging.Virt(rva)); err != nil {
			continue
		}
		for off := 0; len(out) < limit; off++ {
			i := bytes.Index(page[off:], tag)
			if i < 0 {
				break
			}
			off += i
			if (rva+off)%alignment == 0 {
				out = append(out, k.Base+paging.Virt(rva+off))
			}
		}
	}
	return out
}

// findKernelImage looks for the kernel's executable on every mapped page of the range where it can be.
func findKernelImage(m memory, h *hunt) (found *kernelImage, ok bool) {
	h.in(m.space, func(va paging.Virt, page []byte) promise {
		if !bytes.HasPrefix(page, []byte("MZ")) {
			return nothing
		}
		if found, ok = openKernelImage(m, va); ok {
			return sought
		}
		h.work.spend(imageWork)
		return perhaps
	})
	return found, ok
}

// imageWork is the cost of looking at an executable that is not the kernel.
const imageWork = 1 << 6
