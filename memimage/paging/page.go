package paging

import (
	"cmp"
	"fmt"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Via is the way to a page.
type Via uint8

const (
	ViaTable     Via = iota // the process's own page tables
	ViaPrototype            // a prototype entry that the page table names
	ViaLookup               // the page table says "see the VAD"; the VAD's prototype entry was taken
	ViaVAD                  // the page table is empty there; the VAD's prototype entry was taken
)

func (v Via) String() string {
	return [...]string{"page table", "prototype", "lookup", "VAD"}[v]
}

// State says where the bytes of a page are, or why they are missing.
type State uint8

const (
	Valid        State = iota // in physical memory, mapped
	Transition                // in physical memory, on its way out
	PageFile                  // in a page file
	DemandZero                // nowhere: the page is zeros by definition
	FileOnly                  // in the mapped file on disk only
	Compressed                // in the compressed store
	NotPresent                // no memory is at the address
	NotFollowed               // the page table does not hold it, and other sources were not asked
	Unreadable                // the frame, prototype entry or table lies where nothing can be read
	NotCanonical              // no such address
	Dumped                    // in the dump of a process
	NotDumped                 // not in that dump
	stateCount   = iota
)

func (s State) String() string {
	return [stateCount]string{"valid", "transition", "page file", "demand zero", "file only", "compressed", "not present",
		"not followed", "unreadable", "not canonical", "in the dump", "not in the dump"}[s]
}

// Page is a readable page of an address space. Src is nil for a page of zeros. VA is the page's first address, Size its
// length in bytes, and its bytes are Src's from Off on; in physical memory, Off is the address. A page that is [Dumped]
// may lack some bytes, but not the byte at the requested address.
type Page struct {
	VA    Virt
	Size  int64
	State State
	Via   Via
	Src   sparse.Source
	Off   int64
	File  int    // State PageFile or Compressed: the number of the page file
	Entry uint64 // the entry that decided: of the process's table, or the prototype
}

// Physical returns the physical address of the page's first byte, if it lies in physical memory.
func (p Page) Physical() (Phys, bool) {
	return Phys(p.Off), p.State == Valid || p.State == Transition
}

// FaultError says that Size bytes from VA on cannot be read, and why. It is a [sparse.Gap].
type FaultError struct {
	VA    Virt
	Size  int64 // bytes from VA to the end of the addresses that the entry covers
	State State
	Via   Via
	Entry uint64 // the entry that decided
	File  int    // State PageFile or Compressed: the number of the page file, -1 when that is not known
	Off   int64  // State PageFile or Compressed: the offset in it in bytes, -1 when that is not known; State Unreadable: the address that could not be read
	Err   error  // State Unreadable, Compressed or NotDumped: why not, if more is known than that it is missing
}

// Gap returns Size.
func (e *FaultError) Gap() int64 { return e.Size }

// faultCodes are the codes for the states of missing pages.
var faultCodes = [stateCount]reason.Code{
	PageFile: reason.PageInPageFile, FileOnly: reason.PageFileOnly, Compressed: reason.PageInStore, NotPresent: reason.PageNotPresent,
	NotFollowed: reason.PageNotInTable, Unreadable: reason.PageNotInImage, NotCanonical: reason.NoSuchAddress, NotDumped: reason.PageNotDumped,
}

// ReasonCode implements [reason.Coded].
func (e *FaultError) ReasonCode() reason.Code { return cmp.Or(faultCodes[e.State], reason.Missing) }

func (e *FaultError) Error() string {
	return fmt.Sprintf("address %#x: %s", uint64(e.VA), e.Reason())
}

// Reason says why the page is missing, without the address.
func (e *FaultError) Reason() string {
	switch {
	case e.State == PageFile && e.File < 0:
		return "in a page file; this kernel's entries do not say for certain where"
	case e.State == PageFile && e.Off < 0:
		return fmt.Sprintf("in page file %d, at an offset that the kernel hides (InvalidPteMask)", e.File)
	}
	switch e.State {
	case PageFile:
		return fmt.Sprintf("in page file %d at %#x", e.File, e.Off)
	case Compressed:
		where := fmt.Sprintf("in the compressed store, page %#x of page file %d", e.Off>>12, e.File)
		if e.Err != nil {
			return fmt.Sprintf("%s: %v", where, e.Err)
		}
		return where
	case NotDumped:
		if e.Err != nil {
			return fmt.Sprintf("%v: %v", e.State, e.Err)
		}
		return e.State.String()
	case FileOnly:
		return "only in the mapped file"
	case NotFollowed:
		return "not in the page table"
	case Unreadable:
		if e.Err != nil {
			return fmt.Sprintf("leads to %#x, which the image has and which cannot be read: %v", e.Off, e.Err)
		}
		return fmt.Sprintf("leads to %#x, which the image does not hold", e.Off)
	default:
		return e.State.String()
	}
}
