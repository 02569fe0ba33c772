package format

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Truncation says that a container ends before it should.
type Truncation struct {
	What     string // what ends, with its article: "the file", "the memory file a.vmem"
	Have     uint64 // bytes of it that are present
	Promised uint64 // bytes that it should have; 0: not known
	By       string // the source of that number, such as "its headers promise"; empty: "its headers promise"
	AtLeast  bool   // it should have Promised bytes or more: the part with the exact number is missing, too
	Where    string // where it ends, such as "within its page bitmap"; may be empty
}

// String returns a clause: the name of the container, how many bytes it has, and how many it should have.
func (t Truncation) String() string {
	if t.Promised == 0 {
		return strings.TrimSuffix(fmt.Sprintf("%s is truncated: it ends after %s, %s", t.What, sizeText(t.Have), t.Where), ", ")
	}
	most := "the "
	if t.AtLeast {
		most = "at least "
	}
	s := fmt.Sprintf("%s is truncated: it holds %s of %s%s that %s", t.What, sizeText(t.Have), most, sizeText(t.Promised), cmp.Or(t.By, "its headers promise"))
	if t.Where != "" {
		s += ", and ends " + t.Where
	}
	return s
}

// Note returns the sentence on it for the notes of an image.
func (t Truncation) Note() string {
	s := t.String()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// sentences are the notes on truncated containers.
func sentences(truncated []Truncation) []string {
	var out []string
	for _, t := range truncated {
		out = append(out, t.Note())
	}
	return out
}

// cut remembers that the input is truncated. The same truncation counts once.
func (in *input) cut(t Truncation) {
	if !slices.Contains(in.truncated, t) {
		in.truncated = append(in.truncated, t)
	}
}

// cutWithin remembers that the file of in ends where more should come.
func (in *input) cutWithin(format string, args ...any) {
	in.cut(Truncation{What: in.whole(), Have: uint64(in.Size()), Where: fmt.Sprintf(format, args...)})
}

// cutBefore remembers that the file of in ends before the offset end, which it must reach at least. If the file
// reaches that offset, it is not truncated: then a part of the container around it is damaged, and the bytes before
// the offset cannot be read.
func (in *input) cutBefore(end uint64, format string, args ...any) {
	where := fmt.Sprintf(format, args...)
	if end <= uint64(in.Size()) {
		in.note("The bytes before offset %#x of %s cannot be read, %s: the rest is missing.", end, in.whole(), where)
		return
	}
	in.cut(Truncation{What: in.whole(), Have: uint64(in.Size()), Promised: end, AtLeast: true, Where: where})
}

// whole returns the name of the input: the file, or the content that was found in it.
func (in *input) whole() string {
	if in.depth == 0 {
		return "the file"
	}
	return fmt.Sprintf("the content %q", in.Name())
}

// ended reports whether a decoder's error says that its input came to an end too early, and not that it is damaged.
func ended(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) && !sparse.Failed(err) }

// endError says that a file ends too early. It is [io.ErrUnexpectedEOF] to [errors.Is].
type endError string

func (e endError) Error() string   { return string(e) }
func (e endError) Is(t error) bool { return t == io.ErrUnexpectedEOF }

// ends returns an error that says in a sentence how a file ends too early.
func ends(format string, args ...any) error { return endError(fmt.Sprintf(format, args...)) }

// shortHeader is the error for a file that is of a format, and ends within its header.
func (in *input) shortHeader(what string) error {
	return ends("format: %s is %s that is truncated: it ends after %s, within its header", in.Name(), what, count(int(in.Size()), "byte", "bytes"))
}

// sentence returns the text of an error for a sentence: without the names of packages, also without the names in the
// errors that it wraps.
func sentence(err error) string {
	return strings.NewReplacer("format: zlib: zlib: ", "zlib: ", "format: ", "", "sparse: ", "").Replace(err.Error())
}

// told adds to the error of an opener the facts that were found before it: that the file is truncated, and the notes.
func (in *input) told(err error) error {
	var before []string
	for _, t := range in.truncated {
		before = append(before, t.String())
	}
	if len(before) > 0 {
		err = fmt.Errorf("format: %s: %w", strings.Join(before, "; "), err)
	}
	if len(in.notes) > 0 {
		err = fmt.Errorf("%w (%s)", err, strings.Join(in.notes, " "))
	}
	return err
}

// coded gives the error of an opener its code, where it has none yet.
func (in *input) coded(err error) error {
	switch _, has := errors.AsType[reason.Coded](err); {
	case len(in.truncated) > 0 || ended(err):
		return reason.With(reason.Truncated, err)
	case has:
		return err
	}
	return reason.With(reason.BadContainer, err)
}
