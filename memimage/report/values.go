package report

import (
	"strconv"
	"time"
)

// Schema is the version of the schema of all records.
const Schema = 1

// Kind is the kind of a record.
type Kind string

// The kinds of records.
const (
	KindImage   Kind = "image"
	KindProcess Kind = "process"
	KindModule  Kind = "module"
	KindRegion  Kind = "region"
	KindChange  Kind = "change"
	KindProblem Kind = "problem"
)

// Record is a record of any kind: a pointer to an [Image], [Process], [Module], [Region], [Change] or [Problem].
type Record interface {
	header() *Header
}

func (h *Header) header() *Header { return h }

// KindOf returns the kind of a record.
func KindOf(r Record) Kind { return r.header().Record }

// ImageNameOf returns the image that a record is of.
func ImageNameOf(r Record) string { return r.header().Image }

// Role says whether an executable image is a process's or the kernel's.
type Role string

// The roles.
const (
	RoleModule Role = "module" // of a process
	RoleDriver Role = "driver" // of the kernel
)

// Status says how a process was found and whether it still ran.
type Status string

// The states.
const (
	Running        Status = "running"
	Exited         Status = "exited"
	Unlinked       Status = "unlinked"
	ExitedUnlisted Status = "exited, unlisted"
)

// Stage is the work during which a problem was found.
type Stage string

// The stages.
const (
	StageOpen      Stage = "open"      // finding the system in the image
	StageProcesses Stage = "processes" // following the list of processes
	StageProcess   Stage = "process"   // reading a process
	StageModules   Stage = "modules"   // looking for the modules of a process
	StageModule    Stage = "module"    // reading a module
	StageDrivers   Stage = "drivers"   // following the list of drivers
	StageDriver    Stage = "driver"    // reading a driver
	StageRegions   Stage = "regions"   // following the address descriptors of a process
	StageScan      Stage = "scan"      // searching for processes and drivers outside of the lists
	StageEvidence  Stage = "evidence"  // reading the container
)

// Address is a virtual or physical address. Text and JSON have it in hex, and empty for 0, which stands for none.
type Address uint64

// String is the address in hex; empty for 0.
func (a Address) String() string {
	if a == 0 {
		return ""
	}
	return Offset(a).String()
}

// MarshalText implements [encoding.TextMarshaler].
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = 0
		return nil
	}
	return (*Offset)(a).UnmarshalText(text)
}

// Offset is an offset in a file or an image. Text and JSON have it in hex.
type Offset uint64

// String is the offset in hex.
func (o Offset) String() string { return "0x" + strconv.FormatUint(uint64(o), 16) }

// MarshalText implements [encoding.TextMarshaler].
func (o Offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (o *Offset) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 0, 64)
	*o = Offset(n)
	return err
}

// TimeText writes a time as RFC 3339 in UTC, or nothing for none.
func TimeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// timeOf returns a time in UTC; nil for the zero time, which means not known.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
