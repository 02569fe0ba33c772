package report

import (
	"encoding/hex"

	"memlens/memimage"
	"memlens/memimage/integrity"
)

// Owner is an executable image with its process or driver, for records about a part of the image.
type Owner struct {
	role    Role
	module  *memimage.Module
	image   *memimage.Image
	pid     *uint64
	process string
}

// OwnerOf returns the owner of an executable of a process.
func OwnerOf(p *memimage.Process, m *memimage.Module) Owner {
	return Owner{RoleModule, m, p.Image(), &p.PID, p.LongName()}
}

// ownerOf returns the owner of an executable of a process or of a driver.
func ownerOf(m *memimage.Module) Owner {
	if m.Owner != nil {
		return OwnerOf(m.Owner, m)
	}
	return Owner{role: RoleDriver, module: m, image: m.Image()}
}

// ChangeOf makes the record of a piece of an image that differs from its file.
func ChangeOf(o Owner, r *integrity.Run) *Change {
	out := &Change{
		Header: headerOf(o.image, KindChange), Role: o.role, PID: o.pid, Process: o.process,
		Module: o.module.Name(), Path: o.module.Path(), Base: Address(o.module.ImageBase()),
		RVA: Offset(r.RVA), Length: r.Len, Changed: r.Changed, Section: r.Section, Cause: r.Cause.String(), Certainty: r.Certainty.String(),
		Was: hex.EncodeToString(r.Was), Is: hex.EncodeToString(r.Is), Target: Address(r.Target), TargetModule: r.TargetModule, Note: r.Note,
	}
	if r.TargetModule != "" {
		rva := Offset(r.TargetRVA)
		out.TargetRVA = &rva
	}
	return out
}
