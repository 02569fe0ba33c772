package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 15 * time.Second
)

// newClient returns a client that counts its requests, and leaves content as it is sent.
func newClient(requests *atomic.Int64) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = inFlight
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	t.ResponseHeaderTimeout = headerTimeout
	return &http.Client{Transport: &counted{t, requests}, CheckRedirect: checkRedirect}
}

// counted counts requests.
type counted struct {
	*http.Transport
	requests *atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.Transport.RoundTrip(r)
}

// checkRedirect refuses to go on without encryption, and in circles.
func checkRedirect(next *http.Request, before []*http.Request) error {
	if len(before) >= 10 {
		return answerError("the server sends from one URL to another, without an end")
	}
	if before[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return answerError("the server sends from https to %s, where nothing shows that the bytes come from the server", next.URL.Scheme)
	}
	return nil
}

// webPlace is a file on a web server.
type webPlace struct {
	client *http.Client
	url    *url.URL
}

func (w *webPlace) String() string { return shownURL(w.url) }
func (w *webPlace) name() string   { return path.Base(w.url.Path) }

// signatures are the parameters that sign a URL for one object.
var signatures = []string{"X-Amz-Signature", "X-Goog-Signature", "Signature"}

func (w *webPlace) alone() string {
	query := w.url.Query()
	for _, s := range signatures {
		if query.Has(s) {
			return "The URL is signed for this file alone: files that belong to it are not looked for beside it."
		}
	}
	return ""
}

// beside keeps the user and the query, which may give access to the whole folder.
func (w *webPlace) beside(name string) place {
	u := *w.url
	u.Path, u.RawPath = path.Join(path.Dir(u.Path), name), ""
	return &webPlace{w.client, &u}
}

func (w *webPlace) names(context.Context) ([]string, error) {
	return nil, fmt.Errorf("a web server does not list its folders: %w", errors.ErrUnsupported)
}

func (w *webPlace) get(ctx context.Context, off, n int64, pinned *pin) (http.Header, io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url.String(), nil)
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "memlens")
	if pinned != nil {
		pinned.demand(r.Header)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	if err := checkStatus(answer, off); err != nil {
		answer.Body.Close()
		return nil, nil, err
	}
	return answer.Header, answer.Body, nil
}

// demand makes a server refuse the request when the object has changed. It does not do so by the time, which is
// checked in the answer: servers compare it with a time with fractions of seconds, which they do not send.
func (p *pin) demand(h http.Header) {
	if p.strong() {
		h.Set("If-Match", p.etag)
	}
}

// checkStatus returns errEmpty if a range of an empty file was requested.
func checkStatus(answer *http.Response, off int64) error {
	switch code := answer.StatusCode; {
	case code == http.StatusPartialContent:
		return nil
	case code == http.StatusOK && answer.ContentLength == 0 && off == 0,
		code == http.StatusRequestedRangeNotSatisfiable && off == 0 && strings.TrimSpace(answer.Header.Get("Content-Range")) == "bytes */0":
		return errEmpty
	case code == http.StatusOK:
		return errNoRanges
	case code == http.StatusPreconditionFailed:
		return &ChangedError{"the server says so"}
	default:
		return &StatusError{Code: code, After: retryAfter(answer.Header.Get("Retry-After"))}
	}
}

// retryAfter returns how long a server asks the client to wait; the header has seconds or a time. It is 0 if the
// server does not say.
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// errEmpty says that an object has no bytes.
var errEmpty = &AnswerError{"the object is empty"}
