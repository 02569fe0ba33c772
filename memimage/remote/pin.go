package remote

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// pin identifies the object that was opened: all answers must be of the same object.
type pin struct {
	etag     string // as sent; empty: there is none
	modified string // Last-Modified
	encoding string // Content-Encoding: other encodings are other bytes
	size     int64
}

func newPin(h http.Header, size int64) *pin {
	return &pin{h.Get("ETag"), h.Get("Last-Modified"), h.Get("Content-Encoding"), size}
}

// strong reports whether the ETag stands for the exact bytes. A weak ETag is also the same for other bytes with the
// same meaning.
func (p *pin) strong() bool { return strings.HasPrefix(p.etag, `"`) && len(p.etag) > 2 }

// check compares an answer with the pin. size is the size of the object, from the answer.
func (p *pin) check(h http.Header, size int64) error {
	is := newPin(h, size)
	switch {
	case is.size != p.size:
		return &ChangedError{fmt.Sprintf("it had %d bytes and has %d", p.size, is.size)}
	case p.etag != "" && is.etag == "":
		return answerError("the answer does not say of which object it is: its ETag is missing")
	case is.etag != p.etag:
		return &ChangedError{fmt.Sprintf("its ETag was %s and is %s", p.etag, is.etag)}
	case !p.strong() && is.modified != p.modified:
		return &ChangedError{fmt.Sprintf("it was last modified %q and is now %q", p.modified, is.modified)}
	case is.encoding != p.encoding:
		return answerError("the answer is encoded in another way (%q) than the first one was (%q)", is.encoding, p.encoding)
	}
	return nil
}

// doubt returns a sentence on changes that the pin cannot show; empty if it shows every change.
func (p *pin) doubt() string {
	switch {
	case p.strong():
		return ""
	case p.etag != "" || p.modified != "":
		return "The server gives the file no strong ETag: that it stays the same while it is read is assumed, from its time and size."
	}
	return "The server gives the file neither an ETag nor a time: that it stays the same while it is read is assumed, from its size alone."
}

// contentRange reads "bytes 0-99/1000".
func contentRange(s string) (off, end, size int64, err error) {
	rest, ok := strings.CutPrefix(s, "bytes ")
	span, total, ok2 := strings.Cut(rest, "/")
	first, last, ok3 := strings.Cut(span, "-")
	off, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	if !ok || !ok2 || !ok3 || err1 != nil || err2 != nil || err3 != nil || off < 0 || end < off || size <= end {
		return 0, 0, 0, answerError("the answer does not say properly which bytes it holds (Content-Range: %.80q)", s)
	}
	return off, end + 1, size, nil
}
