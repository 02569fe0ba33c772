package integrity

import (
	"fmt"
	"strings"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// half holds the causes for places with one half missing.
var half = [...]Cause{importPlace: ImportBinding, delayPlace: DelayImport, strayPlace: DelayImport, guardPlace: GuardPointer, slotPlace: LoaderSlot,
	lockPlace: LoaderSlot, basePlace: HeaderChanged, functionPlace: ExportChanged, exportPlace: ExportChanged}

// judge returns the piece for the difference at a place. The error is of a source that fails.
func (c *comparison) judge(at place) (piece, error) {
	b := make([]byte, at.width)
	if n, err := c.memory.ReadAt(b, int64(at.rva)); n < len(b) {
		if sparse.Failed(err) {
			return piece{}, err
		}
		return piece{cause: half[at.kind], certainty: restore.Assumed, note: "part of it lies in a page that is missing"}, nil
	}
	switch v := number(b); at.kind {
	case importPlace, delayPlace:
		return c.judgeImport(at, v)
	case strayPlace:
		return c.judgeStray(at, v), nil
	case guardPlace:
		return c.judgeGuard(v), nil
	case slotPlace:
		return piece{cause: LoaderSlot}, nil
	case lockPlace:
		return c.judgeLock(at, v), nil
	case basePlace:
		return c.judgeBase(v), nil
	case functionPlace:
		return piece{cause: ExportChanged, target: c.wrap(c.in.LoadBase + v), note: fmt.Sprintf("the %dth function", (at.rva-c.places.addresses.Address)/4)}, nil
	}
	return piece{cause: ExportChanged, note: "in the header or the names of the exports"}, nil
}

// judgeStray judges an address in the table of import addresses that belongs to no import: GNU linkers put imports
// there that are resolved late, and no directory names them.
func (c *comparison) judgeStray(at place, v uint64) piece {
	out := piece{cause: DelayImport, certainty: restore.Assumed, target: v, note: "in the table of import addresses, and no table says for what"}
	if c.allKnown() && c.moduleAt(v) == nil && !c.inImage(v) {
		out.cause = ImportChanged
	}
	return out
}

// smallest is the lowest address that a program may have.
const smallest = 0x10000

// judgeGuard judges a pointer that the loader fills with the address of a function of ntdll.
func (c *comparison) judgeGuard(v uint64) piece {
	out := piece{cause: GuardPointer, target: v}
	switch m := c.moduleAt(v); {
	case v < smallest:
		out = piece{cause: LoaderSlot}
	case m == nil && c.allKnown() && !c.inImage(v):
		out.cause = GuardChanged
	case m == nil:
		out.certainty, out.note = restore.Assumed, "the modules are not all known"
	case !strings.EqualFold(m.Name, "ntdll.dll"):
		out.certainty, out.note = restore.Assumed, "leads to another module than ntdll.dll"
	default:
		out.certainty, out.note = restore.Assumed, "which function of ntdll.dll is right is not known"
	}
	return out
}

// judgeLock judges a lock prefix: a machine with one processor needs none.
func (c *comparison) judgeLock(at place, v uint64) piece {
	const nop = 0x90
	if v == nop {
		return piece{cause: LoaderSlot, note: "a lock prefix taken out"}
	}
	return piece{cause: c.plainCause(at.rva)}
}

// judgeBase judges the header's ImageBase.
func (c *comparison) judgeBase(v uint64) piece {
	if linked, sure, section := c.tables.Bases(); v == c.in.LoadBase || v == section || v == linked && sure != restore.Left {
		return piece{cause: Relocation}
	}
	return piece{cause: HeaderChanged}
}
