package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"memlens/memimage/sparse"
)

// kindNTFS is the kind of a volume that is read.
const kindNTFS = "NTFS"

// signatures are the first bytes of volumes, by kind.
var signatures = []struct {
	off   int64
	magic string
	kind  string
}{
	{3, "NTFS    ", kindNTFS},
	{3, "-FVE-FS-", "BitLocker: unlock it (dislocker, cryptsetup bitlkOpen, or manage-bde -off), and give the unlocked volume or an image of it"},
	{424, "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01", "BitLocker To Go: unlock it (dislocker, cryptsetup bitlkOpen), and give the unlocked volume"},
	{3, "ReFS\x00\x00\x00\x00", "ReFS, which is not read: mount it with a tool that does, and give the folder"},
	{3, "EXFAT   ", "exFAT, which is not read"},
	{82, "FAT32   ", "FAT32, which is not read"},
	{54, "FAT16   ", "FAT16, which is not read"},
	{54, "FAT12   ", "FAT12, which is not read"},
	{1080, "\x53\xef", "ext2, ext3 or ext4, of Linux"},
	{0, "XFSB", "XFS, of Linux"},
	{0, "LUKS\xba\xbe", "LUKS, of Linux: unlock it"},
}

// kindOf returns the kind of the volume at off of the disk; empty: not known.
func kindOf(disk sparse.Source, off int64) (string, error) {
	const size = 2048
	if off < 0 || off >= disk.Size() {
		return "", nil
	}
	b, err := read(disk, off, min(size, disk.Size()-off))
	if err != nil {
		return "", err
	}
	for _, s := range signatures {
		if int64(len(b)) >= s.off && bytes.HasPrefix(b[s.off:], []byte(s.magic)) {
			if s.kind == kindNTFS && !isBoot(b) {
				return "NTFS with a damaged boot sector", nil
			}
			return s.kind, nil
		}
	}
	return "", nil
}

// isBoot reports whether a boot sector ends as all do.
func isBoot(b []byte) bool {
	return len(b) >= 512 && binary.LittleEndian.Uint16(b[510:]) == 0xaa55
}

// containers are files that hold a disk in another form.
var containers = []struct{ magic, name, convert string }{
	{"vhdxfile", "a VHDX file", "vhdx"},
	{"conectix", "a VHD file", "vpc"},
	{"KDMV", "a VMDK file", "vmdk"},
	{"# Disk DescriptorFile", "the description of a VMDK file", "vmdk"},
	{"QFI\xfb", "a QCOW file", "qcow2"},
	{"<<< Oracle VM VirtualBox Disk Image >>>", "a VDI file", "vdi"},
}

// containerOf returns the kind of a file that holds a disk in another form, and the advice for it.
func containerOf(b []byte) string {
	for _, c := range containers {
		if bytes.HasPrefix(b, []byte(c.magic)) {
			return fmt.Sprintf("it is %s: make it plain with qemu-img convert -f %s -O raw", c.name, c.convert)
		}
	}
	return ""
}
