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

// StatusError is an answer that refuses the request.
type StatusError struct {
	Code int    // of HTTP
	Text string // the server's text for it; may be empty
	// After is how long the server asks the client to wait; 0 if it does not say.
	After time.Duration
	// Unsigned names the places where credentials were looked for, if a request was refused that was not signed
	// because there are none.
	Unsigned string
}

// refused reports whether the server does not know the user, or denies access.
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

// AnswerError is an answer that does not fit the request.
type AnswerError struct{ What string }

func (e *AnswerError) Error() string { return e.What }

// ReasonCode implements [reason.Coded].
func (e *AnswerError) ReasonCode() reason.Code { return reason.BadAnswer }

// ChangedError says that an object is no longer the object that was opened: its bytes and the bytes that were read
// before may be of different images.
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

// mayPass reports whether an error comes from a fault that may be over at the next attempt.
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

// isUnknownName reports whether an error says that there is no such server.
func isUnknownName(err error) bool {
	name, ok := errors.AsType[*net.DNSError](err)
	return ok && name.IsNotFound
}

// isCertificate reports whether an error says that the server's certificate is not valid, or that the server does not
// speak TLS.
func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &authority)
}

// withoutURL removes the URL from an error of package http, for its query may be secret.
func withoutURL(err error) error {
	var of *url.Error
	for errors.As(err, &of) {
		err = of.Err
	}
	return err
}
