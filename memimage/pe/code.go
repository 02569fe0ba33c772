package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Kinds of code that an image may have besides, or in place of, its machine type's.
const (
	CodeARM64EC = "ARM64EC" // code for ARM64 processors that works together with emulated x64 code (_IMAGE_ARM64EC_METADATA)
	CodeARM64X  = "ARM64X"  // ARM64 and ARM64EC code in one image, which is loaded as either
	CodeCHPE    = "CHPE"    // code for ARM64 processors that works together with emulated x86 code (_IMAGE_CHPE_METADATA_X86)
	CodeKASAN   = "KASAN"   // code that checks its memory accesses with the kernel's address sanitizer
)

// Machine types, of images and of object files (IMAGE_FILE_MACHINE_*).
const (
	machineX86     = 0x14c
	machineX64     = 0x8664
	machineARM64   = 0xaa64
	machineCHPE    = 0x3a64 // IMAGE_FILE_MACHINE_CHPE_X86
	machineARM64EC = 0xa641
	machineARM64X  = 0xa64e
)

// MachineName names a machine type, in lower case; an unknown type by its number.
func MachineName(machine uint16) string {
	name, ok := map[uint16]string{
		machineX86: "x86", machineX64: "x64", machineARM64: "arm64",
		machineCHPE: "chpe", machineARM64EC: "arm64ec", machineARM64X: "arm64x",
	}[machine]
	if !ok {
		return fmt.Sprintf("%#x", machine)
	}
	return name
}

// Code describes the code of an image, from its headers and load configuration.
type Code struct {
	Kinds    []string  // kinds from above that the machine type does not show, each once
	HotPatch *HotPatch // not nil: it has a table of hot patches
}

// HotPatch is the head of the table by which an image patches others that are loaded (_IMAGE_HOT_PATCH_INFO).
type HotPatch struct {
	Table      uint32 // RVA
	Version    uint32
	Sequence   uint32
	BaseImages uint32 // how many images it is for
}

// sectionKASAN is a section in images that were compiled with /fsanitize=kernel-address.
const sectionKASAN = "KASAN"

// Code reads the description of the code from the headers and the load configuration. The error says why a part could
// not be read; the rest is returned with it.
func (f *File) Code() (Code, error) {
	kinds := map[uint16]string{machineCHPE: CodeCHPE, machineARM64EC: CodeARM64EC, machineARM64X: CodeARM64X}
	var c Code
	if kind := kinds[f.Machine]; kind != "" {
		c.Kinds = append(c.Kinds, kind)
	}
	if slices.ContainsFunc(f.Sections, func(s Section) bool { return s.Name == sectionKASAN }) {
		c.add(CodeKASAN)
	}
	l, err := f.loadConfig()
	if err != nil || l == nil {
		return c, err
	}
	err1 := f.hybrid(&c, l)
	c.HotPatch, err = f.hotPatch(l)
	return c, errors.Join(err1, err)
}

// hybrid adds the kinds that the metadata of hybrid images shows (CHPEMetadataPointer), and the relocations that turn
// one kind of image into the other when it is loaded.
func (f *File) hybrid(c *Code, l *loadConfig) error {
	metadata := l.pointer(l.form.chpe)
	if metadata == 0 {
		return nil
	}
	if metadata-f.ImageBase >= uint64(f.SizeOfImage) {
		return fmt.Errorf("pe: the load configuration has the metadata of hybrid code at %#x, which is not in the image", metadata)
	}
	if !f.Plus {
		c.add(CodeCHPE)
		return nil
	}
	c.add(CodeARM64EC)
	both, err := f.isARM64X(l)
	if both || f.Machine == machineARM64 {
		c.add(CodeARM64X)
	}
	return err
}

// add adds a kind once.
func (c *Code) add(kind string) {
	if !slices.Contains(c.Kinds, kind) {
		c.Kinds = append(c.Kinds, kind)
	}
}

// maxDynamicRelocations bounds the groups of dynamic relocations that are looked at.
const maxDynamicRelocations = 1 << 10

// isARM64X reports whether the dynamic relocations include ARM64X images' (IMAGE_DYNAMIC_RELOCATION_ARM64X). Their
// table lies at an offset in a section. In version 1 it has groups with a symbol, which is as long as an address, and a
// size.
func (f *File) isARM64X(l *loadConfig) (bool, error) {
	const symbolARM64X, head = 6, 8
	section := l.u(l.form.relocSection, 2)
	if section == 0 {
		return false, nil
	}
	if section > uint64(len(f.Sections)) {
		return false, fmt.Errorf("pe: the dynamic relocations would be in section %d of %d", section, len(f.Sections))
	}
	at := int64(f.Sections[section-1].VirtualAddress) + int64(l.u(l.form.relocOffset, 4))
	var b [head]byte
	if err := f.readRVA(b[:], at); err != nil {
		return false, fmt.Errorf("pe: the dynamic relocations cannot be read: %w", err)
	}
	if version := binary.LittleEndian.Uint32(b[:]); version != 1 {
		return false, fmt.Errorf("pe: the dynamic relocations are of version %d, which is not known", version)
	}
	at += head
	end := at + int64(binary.LittleEndian.Uint32(b[4:]))
	for range maxDynamicRelocations {
		group := make([]byte, l.form.pointer+4)
		if at+int64(len(group)) > end {
			break
		}
		if err := f.readRVA(group, at); err != nil {
			return false, fmt.Errorf("pe: the dynamic relocations cannot be read: %w", err)
		}
		var symbol [8]byte
		copy(symbol[:], group[:l.form.pointer])
		if binary.LittleEndian.Uint64(symbol[:]) == symbolARM64X {
			return true, nil
		}
		at += int64(len(group)) + int64(binary.LittleEndian.Uint32(group[l.form.pointer:]))
	}
	return false, nil
}
