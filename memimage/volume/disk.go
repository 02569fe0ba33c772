package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

// keptPages is how many pages of a disk are kept, of 4 KiB each, for structures are read in small pieces.
const keptPages = 4096

// ErrNoDisk says that a file is no disk: it has no partition table, and no volume begins with it. It is wrapped in errors
// that say more.
var ErrNoDisk = errors.New("volume: it is no disk image")

// OpenDisk opens the bytes of a whole disk, or of one volume, and the NTFS volumes on it. A disk without a Windows
// volume is an error that wraps [ErrNoWindows] and lists the volumes of the disk; if r is no disk at all, the error
// wraps [ErrNoDisk]. name must be the same whenever the same disk is opened: it tells the files of this disk from the
// files of others. If r is a [sparse.Source], its holes are damage of the volume, not faults.
func OpenDisk(ctx context.Context, r io.ReaderAt, size int64, name string) (*Volumes, error) {
	src, ok := r.(sparse.Source)
	if !ok {
		src = sparse.Whole(r, size)
	}
	disk := sparse.NewCache(sparse.Section(src, 0, size), keptPages)
	var v *Volumes
	err := rescue.Call(func() (err error) {
		v, err = openDisk(ctx, disk, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func openDisk(ctx context.Context, disk sparse.Source, name string) (*Volumes, error) {
	parts, v, err := partitions(disk)
	if err != nil {
		return nil, err
	}
	if len(parts) > maxPartitions {
		v.note(fmt.Sprintf("the disk has %d partitions, of which %d are looked at", len(parts), maxPartitions))
		parts = parts[:maxPartitions]
	}
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := v.open(ctx, disk, p, name); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(v.trees, func(a, b tree) int { return first(a) - first(b) })
	if len(v.trees) == 0 || v.trees[0].windows() == "" {
		return nil, fmt.Errorf("%w: %s", ErrNoWindows, v.describe())
	}
	return v, nil
}

// first returns the order of a volume: volumes with Windows come before the others.
func first(t tree) int {
	if t.windows() != "" {
		return 0
	}
	return 1
}

// describe lists the volumes on the disk.
func (v *Volumes) describe() string {
	var all []string
	for _, t := range v.trees {
		all = append(all, volumeName(t)+" is NTFS without Windows\\System32")
	}
	s := notes(append(all, v.Notes...)...)
	if s == "" {
		s = "the disk has no partitions"
	}
	return s
}

func volumeName(t tree) string {
	if t.name() == "" {
		return "the volume"
	}
	return t.name()
}

// partitions returns the partitions of a disk. A volume without a partition table is one partition, with the number
// 0.
func partitions(disk sparse.Source) ([]partition, *Volumes, error) {
	v := &Volumes{}
	begin, err := read(disk, 0, min(512, disk.Size()))
	if err != nil {
		return nil, nil, err
	}
	if other := containerOf(begin); other != "" {
		return nil, nil, fmt.Errorf("%w: %s", ErrNoDisk, other)
	}
	kind, err := kindOf(disk, 0)
	if err != nil {
		return nil, nil, err
	}
	if kind != "" {
		return []partition{{off: 0, size: disk.Size()}}, v, nil
	}
	for _, sector := range []int64{512, 4096} {
		parts, note, err := readGPT(disk, sector)
		if err != nil {
			return nil, nil, err
		}
		if parts != nil {
			v.note(note)
			return parts, v, nil
		}
	}
	parts, err := readMBRs(disk)
	if err != nil {
		return nil, nil, err
	}
	if parts == nil {
		return nil, nil, fmt.Errorf("%w: it has no partition table, and begins with no file system that is known", ErrNoDisk)
	}
	return parts, v, nil
}

func (v *Volumes) note(s string) {
	if s != "" {
		v.Notes = append(v.Notes, s)
	}
}

// readMBRs returns the partitions of an MBR, which does not say how large a sector is: the right size is the one with
// which a partition begins with a known file system.
func readMBRs(disk sparse.Source) ([]partition, error) {
	sectors, err := readMBR(disk)
	if err != nil {
		return nil, err
	}
	for _, sector := range []int64{512, 4096} {
		logical, err := readExtended(disk, sector)
		if err != nil && sparse.Failed(err) {
			return nil, err
		}
		if sectors == nil && logical == nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		parts := make([]partition, len(sectors))
		for i, p := range sectors {
			parts[i] = partition{p.number, p.off * sector, p.size * sector, p.kind}
		}
		parts = append(parts, logical...)
		known, kindErr := anyKnown(disk, parts)
		if kindErr != nil {
			return nil, kindErr
		}
		if known {
			return parts, err
		}
	}
	return nil, nil
}

// anyKnown reports whether a partition begins with a known file system.
func anyKnown(disk sparse.Source, parts []partition) (bool, error) {
	for _, p := range parts {
		kind, err := kindOf(disk, p.off)
		if sparse.Failed(err) {
			return false, err
		}
		if kind != "" || p.kind != "" && p.off < disk.Size() {
			return true, nil
		}
	}
	return false, nil
}

// open opens the volume in a partition, or notes the kind of the partition.
func (v *Volumes) open(ctx context.Context, disk sparse.Source, p partition, name string) error {
	label := ""
	if p.number > 0 {
		label = fmt.Sprintf("partition %d", p.number)
	}
	kind := p.kind
	if kind == "" {
		var err error
		if kind, err = kindOf(disk, p.off); sparse.Failed(err) {
			return err
		} else if err != nil {
			v.say(label, err.Error())
			return nil
		}
	}
	switch {
	case p.off >= disk.Size():
		v.say(label, "is behind the end of the image, which is truncated")
		return nil
	case kind == "":
		v.say(label, "holds nothing that is known")
		return nil
	case kind != kindNTFS:
		v.say(label, "is "+kind)
		return nil
	}
	return v.openNTFS(ctx, sparse.Section(disk, p.off, p.size), label, fmt.Sprintf("%s\x00%d", name, p.off))
}

// maxVolumes is how many NTFS volumes of a disk are opened.
const maxVolumes = 32

// openNTFS opens an NTFS volume. A damaged volume is noted, for others may be whole; a failed read is an error.
func (v *Volumes) openNTFS(ctx context.Context, src sparse.Source, label, key string) error {
	if len(v.trees) == maxVolumes {
		v.say(label, fmt.Sprintf("is not read: the disk has more than %d volumes", maxVolumes))
		return nil
	}
	var t *ntfs
	err := rescue.Call(func() (err error) {
		t, err = openNTFS(ctx, src, label, key)
		return err
	})
	switch {
	case err == nil:
		for _, n := range t.notes {
			v.say(label, n)
		}
		v.trees = append(v.trees, t)
	case sparse.Failed(err) || ctx.Err() != nil:
		return err
	default:
		v.say(label, "is NTFS, and is not read: "+err.Error())
	}
	return nil
}

// say notes a sentence about a volume.
func (v *Volumes) say(label, what string) {
	if label == "" {
		label = "the volume"
	}
	v.note(label + ": " + what)
}
