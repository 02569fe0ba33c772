package pedump

import (
	"fmt"

	"memlens/memimage/reason"
)

// HeaderError says why a module has no usable headers. Its text is one sentence.
type HeaderError struct {
	RVA    int64 // where the fault lies
	Code   reason.Code
	Reason string // a clause, without the cause
	Err    error  // why the bytes there cannot be read; nil when they can and are wrong
}

// Error returns the reason and, after a colon, the cause.
func (e *HeaderError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("no usable PE header: %s (RVA %#x): %v", e.Reason, e.RVA, e.Err)
	}
	return "no usable PE header: " + e.Reason
}

// Unwrap returns the cause, if any.
func (e *HeaderError) Unwrap() error { return e.Err }

// ReasonCode implements [reason.Coded].
func (e *HeaderError) ReasonCode() reason.Code { return e.Code }

// SectionError says at which section, and why, Volatility 2 stops or crashes when it dumps an
// image; there is no file then. Its text is one sentence.
type SectionError struct {
	Index  int    // in the section table, from 0
	Name   string // the section's name; "" when its header cannot be read
	Field  string // the field that is out of bounds; "" when it is not about one
	Value  uint32 // that field's value
	Reason string // a clause
	Err    error  // why the section's header cannot be read, or nil
}

// Error returns the section, the reason and the cause.
func (e *SectionError) Error() string {
	s := fmt.Sprintf("section %d", e.Index)
	if e.Name != "" {
		s += fmt.Sprintf(" (%q)", e.Name)
	}
	s += ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; Volatility stops there"
}

// Unwrap returns the cause, if any.
func (e *SectionError) Unwrap() error { return e.Err }

// ReasonCode implements [reason.Coded].
func (e *SectionError) ReasonCode() reason.Code {
	if e.Field == "" {
		return reason.SectionsMissing
	}
	return reason.SectionBad
}
