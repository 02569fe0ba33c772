// Package format opens the containers that memory images come in: raw files, Microsoft crash dumps, ELF core files,
// LiME and AVML, virtual machine snapshots, hibernation files, and the compressed and evidence containers they travel
// in. Every container gives the same result: one sparse range of physical memory, hints about the system that was
// imaged, and notes about assumptions and missing bytes. A minidump gives the memory of one process in place of
// physical memory.
//
// Each format is one file and one row of the table formats. Nothing here knows Windows' structures beyond the headers
// of the containers; package memimage above verifies the hints. Below is package sparse.
package format

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"memlens/memimage/minidump"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// ErrFormat is returned by the opener of a format for a file that is of another format. Every other error of an
// opener means that the file is of its format and cannot be read.
var ErrFormat = errors.New("format: not this format")

// NotMemoryError says that a file was recognised and holds no memory image that can be opened.
type NotMemoryError struct {
	Name string // of the file
	What string // the kind of the file, such as "a Windows user minidump"
	Do   string // the advice, a sentence without its full stop; may be empty
}

func (e *NotMemoryError) Error() string {
	s := fmt.Sprintf("format: %s is %s, not a memory image that can be opened", e.Name, e.What)
	if e.Do != "" {
		s += "; " + e.Do
	}
	return s
}

// ReasonCode implements [reason.Coded].
func (e *NotMemoryError) ReasonCode() reason.Code { return reason.NotMemory }

// Source is a file that may hold a memory image: a [sparse.Source] with a name.
type Source interface {
	sparse.Source
	// Name returns the base name, such as "host.vmem".
	Name() string
	// Beside opens the file of that name in the same folder or, when there is none, a file whose name differs only in
	// upper and lower case. The error is [io/fs.ErrNotExist] when there is no such file either.
	Beside(name string) (Source, error)
	// Names returns the names of the files in the same folder, its own among them, in order.
	Names() ([]string, error)
}

// Image is the physical memory in a container, or the memory of one process.
type Image struct {
	// Format names the container, such as "raw" or "Microsoft crash dump, 64-bit, full". Containers inside each other
	// are named from the outside in: "gzip: LiME".
	Format string
	// Size is the size of the file that was opened, in bytes.
	Size int64
	// Memory is the physical memory; offsets are physical addresses. Of the dump of a process it is that process's memory,
	// and offsets are virtual addresses.
	Memory *sparse.Reader
	// Process is the dump of a process; nil: the container holds physical memory.
	Process *minidump.Dump
	// Hints holds the facts that the container states about the system.
	Hints Hints
	// Doubts says in sentences why no byte of Memory is sure to be as it was acquired, such as a wrong checksum over
	// all bytes. Empty: there is no reason for doubt.
	Doubts []string
	// Notes says in sentences which assumptions were made and which bytes are missing.
	Notes []string
	// Truncated says which of the containers ends too early, the outermost first, as far as its headers tell.
	Truncated []Truncation
	// Digests are the digests that the containers carry of their content.
	Digests []Digest
	// BlockDigests are the digests that the containers carry of single blocks of their content.
	BlockDigests []BlockDigests
	// Faults counts the reads of the image's files that have failed.
	Faults *sparse.Faults

	closers []io.Closer
	watched []watched
	raw     Source // of a raw file: the file; else nil
	disk    bool
}

// IsRaw reports whether the memory is a raw file, whose length says how much memory there is.
func (im *Image) IsRaw() bool { return im.raw != nil }

// IsDisk reports whether the content is no memory but a disk or a volume, see [Options.Disks]: Memory has its bytes.
func (im *Image) IsDisk() bool { return im.disk }

// Close closes the files that were opened for the image, siblings and spool files too. Memory cannot be read then.
func (im *Image) Close() error {
	if im == nil {
		return nil
	}
	var errs []error
	for _, c := range slices.Backward(im.closers) {
		errs = append(errs, c.Close())
	}
	im.closers = nil
	return errors.Join(errs...)
}

// Hints holds the facts that a container states about the system in it. Every field is a claim of the file, to be
// verified, and zero if the container does not say. Addresses are virtual unless said otherwise.
type Hints struct {
	DTB                 uint64 // physical address of the kernel's top page table, as CR3 has it
	CPUs                []CPU  // processors in the container's order
	KDBG                uint64 // KDDEBUGGER_DATA64
	PsActiveProcessHead uint64
	PsLoadedModuleList  uint64
	PfnDatabase         uint64 // MmPfnDatabase
	Machine             uint16 // IMAGE_FILE_MACHINE_*
	PAE                 *bool  // nil: not said
	SystemTime          time.Time
	BuildNumber         uint32
	Processors          uint32
}

// CPU is the state of a processor as a container recorded it.
type CPU struct {
	RIP, RSP           uint64
	CR0, CR2, CR3, CR4 uint64
	EFER               uint64
	IDTBase, GDTBase   uint64
	FSBase, GSBase     uint64 // the KPCR in kernel mode: FSBase on x86, GSBase on x64
	KernelGSBase       uint64 // the other GS base, IA32_KERNEL_GS_BASE
	CodeSelector       uint16 // CS; its low two bits are the privilege level
}

// Range places bytes of a file in physical memory.
type Range struct {
	Addr uint64 // physical address
	Len  uint64 // bytes
	Off  uint64 // offset in the file
}

// Options says how to open an image. Its zero value is ready to use.
type Options struct {
	// Memmap places the bytes of a raw file in physical memory; see [ParseMemmap]. With it every file is taken for a
	// raw file.
	Memmap []Range
	// Disks says that images of disks and volumes are opened, too, which are refused otherwise.
	Disks bool
	// Progress is called during long work, such as spooling, with the bytes done and their total (0: not known).
	Progress func(done, total int64)
	// Spool is asked before a compressed image without random access is unpacked to a file: where, and how many bytes
	// it may take (0: not known). An error from it ends Open with that error. Nil means yes.
	Spool func(path string, size int64) error
	// SpoolDir is where spool files are made; [os.TempDir] when empty.
	SpoolDir string
	// CacheBytes is how much of a container that is compressed in blocks is kept unpacked; 24 MiB when 0.
	CacheBytes int64
}

// opener opens a file of one format, or fails with [ErrFormat] for a file of another.
type opener func(in *input) (*Image, error)

// formats returns the table of formats in the order in which they are tried. Raw takes every file that no other
// format takes.
func formats() []opener {
	return []opener{
		openMapped,
		openSplit,
		openCrashDump,
		openMinidump,
		openELF,
		openLiME,
		openHibernation,
		openVMware,
		openKdump,
		openFlattened,
		openSaveVM,
		openLibvirt,
		openZdmp,
		openEWF,
		openHPAK,
		openAFF,
		refuseXZFilter,
		openPacked,
		openAFF4,
		refuseSplitZip,
		openZip,
		refuseForeign,
		openRaw,
	}
}

// maxNesting bounds containers inside containers, such as a zip of a gzip of a LiME file.
const maxNesting = 4

// Open finds out which format src has and opens it. The error is a *[NotMemoryError] for a file that is recognised as
// something else. The caller keeps src, and must not close it before the image is closed.
func Open(src Source, o Options) (*Image, error) {
	in := newInput(src, o)
	im, err := in.open()
	if err != nil {
		return nil, errors.Join(err, in.closeAll())
	}
	im.Faults = &in.medium.faults
	if len(im.watched) > 0 {
		im.Notes = append(im.Notes, "The container holds memory in blocks, which are checked when they are read: how much is present is as its headers say.")
	}
	return im, nil
}

// open tries the table of formats on in.
func (in *input) open() (*Image, error) {
	if in.Size() <= 0 {
		return nil, reason.Errorf(reason.Empty, "format: %s is empty: nothing was acquired, or the copy failed", in.Name())
	}
	for _, open := range formats() {
		before := in.medium.failures()
		im, err := open(in)
		if failed := in.medium.since(before); failed != nil {
			return nil, errors.Join(&FaultError{in.Name(), failed}, im.Close())
		}
		if errors.Is(err, ErrFormat) {
			continue
		}
		if err != nil {
			return nil, in.coded(in.told(err))
		}
		im.Notes = slices.Concat(sentences(in.truncated), im.Notes, in.notes, im.unproved())
		im.Doubts = slices.Concat(in.doubts, im.Doubts)
		im.Size = in.Size()
		im.Truncated = append(in.truncated, im.Truncated...)
		im.closers = append(im.closers, in.closers...)
		im.watched = append(im.watched, in.watched...)
		in.notes, in.doubts, in.truncated, in.watched, in.closers = nil, nil, nil, nil, nil
		return im, nil
	}
	return nil, reason.Errorf(reason.NotMemory, "format: %s is of no known format", in.Name())
}
