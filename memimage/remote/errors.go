package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"memlens/memimage/reason"
)

// StatusError is an answer that refuses what was asked for.
type StatusError struct {
	Code int    // of HTTP
	Text string // what the server calls it; may be empty
	// After is how long the server asks to be left alone; 0 where it does not say.
	After time.Duration
	// Unsigned is where credentials were looked for, where a request was refused that was not signed since there are none.
	Unsigned string
}

// refused reports whether the server knows us not, or does not let us.
func (e *StatusError) refused() bool {
	return e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the server answers %d %s", e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		s += " (" + e.Text + ")"
	}
	switch {
	case e.Unsigned != "":
		s += ": no credentials were found in " + e.Unsigned
	case e.refused():
		s += ": the credentials are missing, wrong or expired, or do not allow it"
	}
	return s
}

// ReasonCode implements [reason.Coded].
func (e *StatusError) ReasonCode() reason.Code {
	switch e.Code {
	case http.StatusNotFound, http.StatusGone:
		return reason.NoSuchFile
	}
	return reason.Refused
}

// AnswerError is an answer that is not what was asked for.
type AnswerError struct{ What string }

func (e *AnswerError) Error() string { return e.What }

// ReasonCode implements [reason.Coded].
func (e *AnswerError) ReasonCode() reason.Code { return reason.BadAnswer }

// ChangedError says that an object is no longer the one that was opened: none of its bytes can be believed to be of the
// same image as those that were read before.
type ChangedError struct{ What string }

func (e *ChangedError) Error() string {
	return "the object has changed since it was opened (" + e.What + "): its bytes are of another image now. Open it again"
}

// ReasonCode implements [reason.Coded].
func (e *ChangedError) ReasonCode() reason.Code { return reason.Changed }

func answerError(format string, args ...any) error {
	return &AnswerError{fmt.Sprintf(format, args...)}
}

// errNoRanges is the answer of a server that serves whole files only.
var errNoRanges = &AnswerError{"the server sends the whole file where a range of it was asked for: it does not serve ranges. Download the file and open the copy, or have it served by a server that does, such as nginx, Apache httpd or an object store"}

// mayPass reports whether an error is of a fault that may be over at the next attempt.
func mayPass(err error) bool {
	var status *StatusError
	var answer *AnswerError
	var changed *ChangedError
	switch {
	case errors.As(err, &status):
		return status.Code >= 500 && status.Code != http.StatusNotImplemented ||
			slices.Contains([]int{http.StatusTooManyRequests, http.StatusRequestTimeout}, status.Code)
	case errors.As(err, &answer), errors.As(err, &changed):
		return false
	}
	return !isCertificate(err) && !isUnknownName(err)
}

// isUnknownName reports whether there is no such server.
func isUnknownName(err error) bool {
	name, ok := errors.AsType[*net.DNSError](err)
	return ok && name.IsNotFound
}

// isCertificate reports whether the other side is not who it should be.
func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &authority)
}

// withoutURL takes the URL off an error of package http, for its query may be secret.
func withoutURL(err error) error {
	var of *url.Error
	for errors.As(err, &of) {
		err = of.Err
	}
	return err
}
