// Package reason gives a code to each reason for something missing, refused or odd, beside the sentence for people.
// Programs compare codes; sentences may change.
package reason

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

// Reason is a code and its sentence. The zero value stands for none.
type Reason struct {
	Code Code
	Text string
}

// String returns the sentence.
func (r Reason) String() string { return r.Text }

// New returns a reason with a formatted sentence.
func New(c Code, format string, args ...any) Reason { return Reason{c, fmt.Sprintf(format, args...)} }

// Coded is an error that knows its code.
type Coded interface {
	error
	ReasonCode() Code
}

// Of returns the reason that an error gives, with the sentence of the error: the code of the outermost error that has
// one. A failed read, or a cancelled context, is always the reason, whatever the work was. It is the zero value for
// nil.
func Of(err error) Reason {
	if err == nil {
		return Reason{}
	}
	return Reason{codeOf(err), Sentence(err)}
}

// packagePrefix matches the beginning of the packages' errors, which is for programmers.
var packagePrefix = regexp.MustCompile(`(^|[:;.] |\(|\n)(memimage|nt|format|paging|profile|sparse|pedump|restore|remote|volume|minidump|mdmp|store|pe|pdb|isf|integrity|digest|reference|report|render|similarity|figure|fs|known|fusefs|synth): `)

// Sentence is the text of an error for people: without the names of packages.
func Sentence(err error) string {
	s := packagePrefix.ReplaceAllString(err.Error(), "$1")
	return packagePrefix.ReplaceAllString(s, "$1") // neighbours overlap
}

func codeOf(err error) Code {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	case errors.Is(err, context.Canceled):
		return Cancelled
	case sparse.Failed(err):
		return ReadFailed
	}
	if coded, ok := errors.AsType[Coded](err); ok {
		return coded.ReasonCode()
	}
	if _, ok := errors.AsType[*rescue.PanicError](err); ok {
		return Crashed
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return NoSuchFile
	case errors.Is(err, fs.ErrPermission):
		return NoPermission
	case sparse.IsHole(err):
		return Missing
	}
	return Other
}

// Errorf returns an error with a code, made as by [fmt.Errorf].
func Errorf(c Code, format string, args ...any) error { return With(c, fmt.Errorf(format, args...)) }

// With returns err with a code; nil for nil. Its text and the errors that it wraps stay the same.
func With(c Code, err error) error {
	if err == nil {
		return nil
	}
	return &withCode{err, c}
}

type withCode struct {
	error
	code Code
}

// Unwrap returns the error without the code.
func (e *withCode) Unwrap() error { return e.error }

// ReasonCode implements [Coded].
func (e *withCode) ReasonCode() Code { return e.code }

// Texts returns the sentences of reasons.
func Texts(all []Reason) []string {
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.Text
	}
	return out
}

// Codes returns the codes of reasons.
func Codes(all []Reason) []Code {
	out := make([]Code, len(all))
	for i, r := range all {
		out[i] = r.Code
	}
	return out
}
