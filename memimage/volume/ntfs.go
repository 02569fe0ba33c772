package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"
	"www.velocidex.com/golang/go-ntfs/parser"

	"memlens/memimage/sparse"
	"memlens/memimage/xpress"
)

// The records of files that NTFS keeps for itself.
const (
	recordMFT    = 0
	recordVolume = 3
	recordRoot   = 5
	recordUpcase = 10
)

const (
	// keptRecords is the size in bytes of all records of $MFT that are kept.
	keptRecords = 4 << 20
	// keptNodes is how many nodes of folders' indexes are kept, of some 30 names each.
	keptNodes = 256
	// maxCluster is the largest cluster that NTFS has, in bytes.
	maxCluster = 2 << 20
	// maxRecord is the largest record of $MFT and block of an index, in bytes. Windows makes them 1 or 4 KiB large.
	maxRecord = 64 << 10
)

// damagedError says that a structure of the volume contradicts itself.
type damagedError struct{ what string }

func (e *damagedError) Error() string { return "volume: the file system is damaged: " + e.what }

// Damaged reports whether an error says that the volume or a file of it is damaged, or that a part of the disk is not
// in the image: reading again gives the same error.
func Damaged(err error) bool {
	_, ok := errors.AsType[*damagedError](err)
	return ok || errors.Is(err, xpress.ErrDamaged)
}

func damaged(format string, args ...any) error { return &damagedError{fmt.Sprintf(format, args...)} }

// ntfs is an NTFS volume.
type ntfs struct {
	label    string
	system   string
	src      sparse.Source // the volume's bytes, with a cache for small reads
	key      string        // names the volume among the volumes of the disk
	cluster  int64         // bytes
	clusters int64         // of the volume
	record   int64         // bytes of a record of $MFT
	mft      *stream
	upcase   []uint16
	profile  *parser.NTFSProfile
	records  *lru.Cache[uint64, *record]
	nodes    *lru.Cache[nodeKey, []indexEntry]
	notes    []string
}

// openNTFS opens the volume in src, which begins with the volume's first sector.
func openNTFS(ctx context.Context, src sparse.Source, label, key string) (*ntfs, error) {
	v := &ntfs{label: label, key: key, src: src, profile: parser.NewNTFSProfile()}
	mft, mirror, err := v.readBoot()
	if err != nil {
		return nil, err
	}
	v.records, _ = lru.New[uint64, *record](int(keptRecords / v.record)) // fails only for a size of 0
	v.nodes, _ = lru.New[nodeKey, []indexEntry](keptNodes)
	if err := v.openMFT(ctx, mft, mirror); err != nil {
		return nil, err
	}
	if err := v.readUpcase(ctx); err != nil {
		return nil, err
	}
	if err := v.readState(ctx); err != nil {
		return nil, err
	}
	v.system, err = systemRoot(ctx, v.root())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return v, nil
}

func (v *ntfs) name() string    { return v.label }
func (v *ntfs) windows() string { return v.system }
func (v *ntfs) root() node {
	return &ntfsNode{volume: v, ref: reference{number: recordRoot, any: true}, folder: true}
}

// readBoot reads the boot sector, and returns the clusters where $MFT and the copy of its first records begin.
func (v *ntfs) readBoot() (mft, mirror int64, err error) {
	sector, err := read(v.src, 0, 512)
	if err != nil {
		return 0, 0, err
	}
	boot := v.profile.NTFS_BOOT_SECTOR(bytes.NewReader(sector), 0)
	size, perCluster := int64(boot.Sector_size()), int64(sector[13])
	if perCluster > 0x80 { // 0xf4: 1 << 12
		perCluster = 1 << (256 - perCluster)
	}
	if size < 256 || size > 4096 || size&(size-1) != 0 || perCluster == 0 || perCluster&(perCluster-1) != 0 || size*perCluster > maxCluster {
		return 0, 0, damaged("its boot sector has sectors of %d bytes, and %d sectors in a cluster", size, perCluster)
	}
	v.cluster = size * perCluster
	sectors := boot.VolumeSize()
	if sectors <= 0 || sectors > 1<<62/size {
		return 0, 0, damaged("its boot sector says that it has %d sectors", sectors)
	}
	v.clusters = sectors * size / v.cluster
	if v.record, err = v.sizeOf(int8(sector[64])); err != nil {
		return 0, 0, err
	}
	return v.leU64(sector[48:]), v.leU64(sector[56:]), nil
}

func (v *ntfs) leU64(b []byte) int64 {
	return int64(parser.ParseUint64(bytes.NewReader(b), 0))
}

// sizeOf returns the bytes that a number of the boot sector stands for: clusters, or a power of two if it is
// negative.
func (v *ntfs) sizeOf(n int8) (int64, error) {
	size := int64(n) * v.cluster
	if n < 0 {
		size = 1 << min(-int(n), 30)
	}
	if size < 512 || size > maxRecord || size%512 != 0 {
		return 0, damaged("its boot sector has records of %d bytes", size)
	}
	return size, nil
}

// openMFT opens $MFT, whose first record has its clusters. If that record is damaged, its copy is used.
func (v *ntfs) openMFT(ctx context.Context, at, mirror int64) error {
	first, err := v.readFirst(at)
	if err != nil && !sparse.Failed(err) {
		var second error
		if first, second = v.readFirst(mirror); second != nil {
			return err
		}
		v.notes = append(v.notes, "the first record of $MFT is damaged: its copy in $MFTMirr is used")
		err = nil
	}
	if err != nil {
		return err
	}
	a := first.own("", typeData)
	if len(a) == 0 {
		return damaged("$MFT has no data")
	}
	if v.mft, err = v.stream(a); err != nil && first.find(typeAttributeList) == nil {
		return err
	}
	if first.find(typeAttributeList) != nil {
		return v.extendMFT(ctx, first)
	}
	return nil
}

func (v *ntfs) readFirst(cluster int64) (*record, error) {
	if cluster <= 0 || cluster >= v.clusters {
		return nil, damaged("$MFT begins at cluster %d of %d", cluster, v.clusters)
	}
	b, err := read(v.src, cluster*v.cluster, v.record)
	if err != nil {
		return nil, err
	}
	return v.parseRecord(recordMFT, b)
}

// extendMFT opens the rest of a $MFT in so many pieces that its first record cannot hold them. The known pieces lead
// to the record with the next piece.
func (v *ntfs) extendMFT(ctx context.Context, first *record) (err error) {
	if v.mft, err = v.partial(first.own("", typeData)); err != nil {
		return err
	}
	entries, err := v.attributeList(first)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.typ != typeData || e.name != "" || e.ref.number == recordMFT {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := v.extension(first, e)
		if err != nil {
			return err
		}
		if err := v.mft.extend(more); err != nil {
			return err
		}
	}
	return v.mft.complete()
}

// readUpcase reads the table by which the volume compares names.
func (v *ntfs) readUpcase(ctx context.Context) error {
	const size = 1 << 16 * 2
	s, err := v.data(ctx, reference{number: recordUpcase, any: true})
	if err != nil {
		return fmt.Errorf("$UpCase: %w", err)
	}
	if s.size != size {
		return damaged("$UpCase has %d bytes", s.size)
	}
	b, err := read(s, 0, size)
	if err != nil {
		return err
	}
	v.upcase = units(b)
	return v.checkUpcase()
}

// checkUpcase checks the table where its content is known: with a wrong table, existing names would not be found.
func (v *ntfs) checkUpcase() error {
	for u := range uint16(0x80) {
		want := u
		if u >= 'a' && u <= 'z' {
			want -= 'a' - 'A'
		}
		if v.upcase[u] != want {
			return damaged("$UpCase has %#x for %#x", v.upcase[u], u)
		}
	}
	return nil
}

// readState reads whether the volume was in order when the disk was copied.
func (v *ntfs) readState(ctx context.Context) error {
	const typeVolumeInformation, dirty = 0x70, 1
	r, err := v.load(ctx, reference{number: recordVolume, any: true})
	if err != nil {
		return fmt.Errorf("$Volume: %w", err)
	}
	a := r.find(typeVolumeInformation)
	if a == nil || len(a.content) < 12 {
		return damaged("$Volume has no $VOLUME_INFORMATION")
	}
	if a.content[10]&dirty != 0 {
		v.notes = append(v.notes, "it was in use when it was copied (it is marked dirty, and its log is not replayed): files that were "+
			"written last may be old or half new")
	}
	return nil
}

// data returns the unnamed data of a file.
func (v *ntfs) data(ctx context.Context, ref reference) (*stream, error) {
	r, err := v.load(ctx, ref)
	if err != nil {
		return nil, err
	}
	all, err := v.attributes(ctx, r, typeData, "")
	if err != nil {
		return nil, err
	}
	return v.stream(all)
}

// read returns n bytes of a source.
func read(src io.ReaderAt, off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if k, err := src.ReadAt(b, off); k < len(b) {
		return nil, missing(err, off+int64(k))
	}
	return b, nil
}

// missing returns the error for bytes from off on, of the disk or of a file, that a reader did not give. A part that
// is known to be missing in the image is damage: the offsets of a hole of the disk do not say which bytes of the file
// are missing.
func missing(err error, off int64) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return damaged("it ends at %#x, before all of a structure or a file", off)
	case sparse.IsHole(err):
		return damaged("a part of the disk is not in the image: %v", err)
	}
	return err
}

// units returns UTF-16 text.
func units(b []byte) []uint16 {
	out := make([]uint16, len(b)/2)
	for i := range out {
		out[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return out
}
