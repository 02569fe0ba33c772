package integrity

import (
	"fmt"
	"strings"

	"memlens/memimage/reason"
	"memlens/memimage/restore"
)

// VerdictCode is the kind of a [Verdict].
type VerdictCode uint8

const (
	Equal        VerdictCode = iota // all differences are explained
	CodeDiffers                     // code was changed
	OtherDiffers                    // something other than code was changed that Windows does not change
	NotItsFile                      // the memory is not of the file that it claims to be
	NoFile                          // there is no file behind it
	Unknown                         // no page could be compared
)

// Verdict is the outcome for a whole module.
type Verdict struct {
	Code  VerdictCode
	Bytes int64  // that differ, in code or else in parts that Windows does not change
	Pages int    // that could be compared
	Why   string // for NotItsFile the reason; for OtherDiffers the parts that differ
	// Assumed counts the differences of Equal that are taken for the loader's or the program's own work without a proof.
	Assumed int
}

// String returns the verdict in words.
func (v Verdict) String() string {
	switch v.Code {
	case Equal:
		text := fmt.Sprintf("equal to its file in all %d comparable pages", v.Pages)
		if v.Assumed > 0 {
			text += fmt.Sprintf(", where %d differences are assumed to be the loader's", v.Assumed)
		}
		return text
	case CodeDiffers:
		return fmt.Sprintf("%d bytes of code changed", v.Bytes)
	case OtherDiffers:
		return fmt.Sprintf("no code changed, but %d bytes otherwise: %s", v.Bytes, v.Why)
	case NotItsFile:
		return "not the file that it claims to be: " + v.Why
	case NoFile:
		return "no file behind it"
	}
	return "not known: no page could be compared"
}

// Reason returns the verdict with its code.
func (v Verdict) Reason() reason.Reason {
	code := [...]reason.Code{reason.Equal, reason.CodeDiffers, reason.OtherDiffers, reason.NotItsFile, reason.NoFile, reason.NothingCompared}[v.Code]
	return reason.Reason{Code: code, Text: v.String()}
}

var backingReasons = map[Backing]string{
	OtherFile:  "another file is mapped there",
	Replaced:   "the memory belongs to no file",
	Deleted:    "the file was deleted",
	Transacted: "the file was opened in a transaction, and may never have been on disk so",
	AsData:     "a file is mapped there as data, not as an image",
}

// verdict sums the comparison up.
func (c *comparison) verdict() Verdict {
	r := c.result
	v := Verdict{Pages: r.Comparable(), Assumed: r.assumed()}
	switch why := backingReasons[c.in.Backing]; {
	case c.in.Backing == Unbacked:
		v.Code = NoFile
	case why != "":
		v.Code, v.Why = NotItsFile, why
	case c.otherHead != "":
		v.Code, v.Why = NotItsFile, c.otherHead
	case r.Bytes[CodeChanged] > 0:
		v.Code, v.Bytes = CodeDiffers, r.Bytes[CodeChanged]
	case r.suspicious() > 0:
		v.Code, v.Bytes, v.Why = OtherDiffers, r.suspicious(), r.suspects()
	case v.Pages == 0:
		v.Code = Unknown
	}
	return v
}

// suspicious returns the bytes that differ for a cause that is not innocent.
func (r *Result) suspicious() int64 {
	n := int64(0)
	for cause, bytes := range r.Bytes {
		if !Cause(cause).Innocent() {
			n += bytes
		}
	}
	return n
}

// suspects names the causes that are not innocent.
func (r *Result) suspects() string {
	var names []string
	for cause, bytes := range r.Bytes {
		if bytes > 0 && !Cause(cause).Innocent() {
			names = append(names, Cause(cause).String())
		}
	}
	return strings.Join(names, ", ")
}

// assumed counts the runs with a cause that is not proved.
func (r *Result) assumed() int {
	n := 0
	for i := range r.Runs {
		if r.Runs[i].Certainty == restore.Assumed {
			n++
		}
	}
	return n
}
