package format

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"memlens/memimage/sparse"
)

// foreign is a kind of file that is known by its first bytes and holds no memory that can be opened.
type foreign struct {
	off   int
	magic string
	what  string
	do    string
	disk  bool // a disk or a volume
}

// foreignFiles returns the kinds of files that are refused by their magic number alone, in the order in which they
// are tried.
func foreignFiles() []foreign {
	return []foreign{
		{0, "EVF2\r\n\x81\x00", "an EWF version 2 image (Ex01)", "convert it: ewfexport -f raw -t OUT FILE", false},
		{0, "LEF2\r\n\x81\x00", "an EWF logical evidence file (Lx01)", "extract the image from it first", false},
		{0, "LVF\x09\r\n\xff\x00", "an EWF logical evidence file (L01)", "extract the image from it first", false},
		{0, "AFF\x00\x00\x00\x00", "an AFF file that has lost its header, as AFFLIB 3.7.20 leaves one that it encrypts", "take the file as it was before", false},
		{0, "ADSEGMENTEDFILE\x00", "an AD1 image of FTK Imager", "export the memory from it with FTK Imager (memdump.mem, and pagefile.sys for --pagefile if it is there)", false},
		{0, "ADCRYPT\x00", "an encrypted image of FTK Imager (AD encryption)", "decrypt it with FTK Imager, and export the memory from it if it is an AD1 image", false},
		{0, "\x14\x20\x28\x01", "a Hyper-V saved state (.vmrs)", "convert it on Windows with vm2dmp of Sysinternals or vmsavedstatedumpprovider.dll, or open it with a tool that uses that", false},
		{0, "\x7fVirtualBox SavedState", "a VirtualBox saved state (.sav)", "start the machine from it and write an ELF core: VBoxManage debugvm NAME dumpvmcore --filename=OUT.elf", false},
		{0, "Xen saved domain, xl format", "a Xen saved domain (xl save)", "dump the memory in its place: xl dump-core DOMAIN OUT", false},
		{0, "LinuxGuestRecord", "a Xen saved domain (xm save)", "dump the memory in its place: xl dump-core DOMAIN OUT", false},
		{0, "\xff\xff\xff\xff\xff\xff\xff\xffXENF", "a Xen migration stream (xl save)", "dump the memory in its place: xl dump-core DOMAIN OUT", false},
		{0, "SQLite format 3\x00", "an SQLite database", "", false},
		{0, "%PDF-", "a PDF document", "", false},
		{0, "\xff\xd8\xff", "a JPEG picture", "", false},
		{0, "\x89PNG\r\n\x1a\n", "a PNG picture", "", false},
		{0, "GIF8", "a GIF picture", "", false},
		{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE document (old Office file or MSI)", "", false},
		{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first: 7z x FILE", false},
		{0, "Rar!\x1a\x07", "a RAR archive", "unpack it first: unrar x FILE", false},
		{0, "MSCF\x00\x00\x00\x00", "a Windows cabinet", "unpack it first: cabextract FILE", false},
		{0, "\x1f\x9d\x90", "a file packed by compress (.Z)", "unpack it first: gzip -dc FILE > OUT", false},
		{0, "\x89LZO\x00\r\n\x1a\n", "a file packed by lzop", "unpack it first: lzop -dc FILE > OUT", false},
		{0, "LZIP\x01", "a file packed by lzip", "unpack it first: lzip -dc FILE > OUT", false},
		{257, "ustar", "a tar archive", "unpack it first: tar xf FILE", false},
		{0, "PK\x07\x08PK\x03\x04", splitZip, joinZip, false},
		{0, "KDMV", "a VMware virtual disk", "give the .vmem, .vmss or .vmsn of the machine instead", false},
		{0, "# Disk DescriptorFile", "a VMware disk descriptor", "give the .vmem, .vmss or .vmsn of the machine instead", false},
		{0, "QFI\xfb", "a QEMU qcow2 disk", "a snapshot in it holds memory: load it with qemu -loadvm NAME -S and then dump-guest-memory", false},
		{0, "vhdxfile", "a Hyper-V virtual disk (VHDX)", "give the memory of the checkpoint (.vmrs, .bin) instead", false},
		{0, "conectix", "a virtual disk (VHD)", "give the memory of the checkpoint (.vsv, .bin) instead", false},
		{64, "\x7f\x10\xda\xbe", "a VirtualBox virtual disk (VDI)", "dump the memory with: VBoxManage debugvm NAME dumpvmcore --filename=OUT.elf", false},
		{3, "NTFS    ", "an NTFS file system", "give the memory image, or the hiberfil.sys in it", true},
		{3, "MSDOS5.0", "a FAT file system", "give the memory image in it", true},
		{3, "EXFAT   ", "an exFAT file system", "give the memory image in it", true},
		{3, "-FVE-FS-", "a BitLocker volume", "it is encrypted", true},
		{512, "EFI PART", "a disk image with a GPT partition table", "give the memory image, or the hiberfil.sys in it", true},
		{0, "regf", "a Windows registry hive", "", false},
		{0, "ElfFile\x00", "a Windows event log", "", false},
		{0, "\x0a\x0d\x0d\x0a", "a network capture (pcapng)", "", false},
		{0, "\xd4\xc3\xb2\xa1", "a network capture (pcap)", "", false},
	}
}

// refuseForeign fails with a *[NotMemoryError] for files that are something else for certain.
func refuseForeign(in *input) (*Image, error) {
	head, err := in.head(2 * pageSize)
	if err != nil {
		return nil, err
	}
	f, ok := recogniseForeign(head, in.Size())
	if !ok && strings.EqualFold(filepath.Ext(in.Name()), ".vsv") {
		f, ok = foreign{what: "a Hyper-V saved state (.vsv)", do: "convert it and its .bin on Windows with vm2dmp of Sysinternals"}, true
	}
	if ok && f.disk && in.opts.Disks {
		return in.openDisk(f.what)
	}
	if ok {
		return nil, &NotMemoryError{Name: in.Name(), What: f.what, Do: f.do}
	}
	return nil, ErrFormat
}

// openDisk takes the bytes of a disk or a volume as they are.
func (in *input) openDisk(what string) (*Image, error) {
	bytes, err := sparse.NewReader(in.Size(), in.extents()...)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", what, err)
	}
	return &Image{Format: what, Memory: bytes, disk: true}, nil
}

// recogniseForeign returns the kind of the file that begins with head, if that is certain.
func recogniseForeign(head fields, size int64) (foreign, bool) {
	for _, f := range foreignFiles() {
		if head.has(f.off, f.magic) {
			return f, true
		}
	}
	for _, test := range []func(fields, int64) (foreign, error){foreignELF, foreignPE, foreignMBR, foreignTar} {
		if f, err := test(head, size); err == nil {
			return f, true
		}
	}
	return foreign{}, false
}

var errNotForeign = errors.New("format: not recognised")

// foreignELF recognises ELF files that are no core files.
func foreignELF(head fields, _ int64) (foreign, error) {
	if !head.has(0, "\x7fELF") {
		return foreign{}, errNotForeign
	}
	if head.u16(16) == elfCore || head.u16(16) == elfCore<<8 {
		return foreign{}, errNotForeign // of either byte order
	}
	kinds := map[uint16]string{1: "an ELF object file", 2: "an ELF program", 3: "an ELF program or library"}
	kind, ok := kinds[head.u16(16)]
	if !ok {
		kind = "an ELF file that cannot be read"
	}
	return foreign{what: kind}, nil
}

// foreignPE recognises Windows programs: both headers must be there, for memory may begin with anything.
func foreignPE(head fields, _ int64) (foreign, error) {
	at := int(head.u32(0x3c))
	if !head.has(0, "MZ") || at > len(head) || !head.has(at, "PE\x00\x00") {
		return foreign{}, errNotForeign
	}
	return foreign{what: "a Windows program (PE)"}, nil
}

// foreignMBR recognises disk images by a partition table that is sound in itself.
func foreignMBR(head fields, size int64) (foreign, error) {
	if head.u16(510) != 0xaa55 {
		return foreign{}, errNotForeign
	}
	used := 0
	for at := 446; at < 510; at += 16 {
		status, kind := head[at], head[at+4]
		start, sectors := int64(head.u32(at+8)), int64(head.u32(at+12))
		switch {
		case kind == 0 && start == 0 && sectors == 0:
		case status&0x7f == 0 && kind != 0 && start > 0 && sectors > 0 && start*512 < size:
			used++
		default:
			return foreign{}, errNotForeign
		}
	}
	if used == 0 {
		return foreign{}, errNotForeign
	}
	return foreign{what: "a disk image with a partition table", do: "give the memory image, or the hiberfil.sys in it", disk: true}, nil
}
