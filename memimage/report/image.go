package report

import (
	"slices"

	"memlens/memimage"
	"memlens/memimage/reason"
)

// ImageOf makes the record of an image. The list of processes is followed for it.
func ImageOf(im *memimage.Image) *Image {
	k := im.Kernel
	listed, damage := im.Processes()
	out := &Image{
		Header: headerOf(im, KindImage),
		Name:   validText(im.Name()), Format: im.Container.Format, Size: im.Size, Modified: timeOf(im.ModTime),
		MemorySize: im.Container.Memory.Size(), MemoryPresent: im.Container.Memory.Covered(),
		System: k.OS(), Version: k.Version.String(), Build: k.Version.Build, BuildLab: k.Lab, SystemRoot: k.Root,
		Architecture: k.Profile.Arch().String(), Paging: k.Mode.Name, Profile: k.Profile.Name(), ProfileExact: k.Exact,
		Kernel: k.Name, KernelBase: Address(k.Base), DTB: Address(k.DTB()), KDBG: Address(k.KDBG), ProcessHead: Address(k.PsActiveProcessHead),
		PDB: k.Identity.PDB, PDBGUID: k.Identity.GUID, PDBAge: k.Identity.Age, SystemTime: timeOf(k.SystemTime),
		Processes: int64(len(listed)), Dump: im.IsDump(), Found: append([]string{}, k.Found...),
		Assumed: append([]string{}, slices.Concat(im.Container.Notes, im.Assumed())...),
		Damage:  append([]string{}, slices.Concat(im.Container.Doubts, im.Container.Damage())...), // as far as it was found, also in listing the processes
	}
	for _, err := range damage {
		out.Damage = append(out.Damage, reason.Sentence(err))
	}
	return out
}

// headerOf makes the beginning of a record of an image.
func headerOf(im *memimage.Image, k Kind) Header {
	return Header{Record: k, Schema: Schema, Image: validText(im.Path)}
}
