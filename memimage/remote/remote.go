// Package remote opens memory images at the place where they are stored: on web servers that serve ranges (http,
// https) and in object stores that speak S3. The result is a [format.Source] that is read in blocks.
//
// A byte is served only if the server's answer says that it is the requested byte, and that it belongs to the object
// that was opened. The object is pinned by its ETag, or by its time and size if it has none. A fault of the network
// is a *[sparse.ReadError], never zeros, and is not kept.
//
// Below are packages sparse and format (for its Source); package memimage above opens images by their URLs.
package remote

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Options say how to reach servers. The zero value is ready to use.
type Options struct {
	// Endpoint is the URL of the S3 server; empty: the URL in the environment (AWS_ENDPOINT_URL_S3,
	// AWS_ENDPOINT_URL), else Amazon's.
	Endpoint string
	// Region is the region of the bucket; empty: the region in the environment or the profile, else the server is
	// asked.
	Region string
	// CacheDir is a folder in which blocks are kept over runs; empty: they are not kept.
	CacheDir string
	// CacheBytes bounds that folder; 8 GiB when 0.
	CacheBytes int64
	// Deadline is how long a block is tried again after faults that may pass; 30 s when 0.
	Deadline time.Duration
	// Warn is called once, with a sentence, if the folder cannot be written. May be nil.
	Warn func(string)

	stall time.Duration // the longest time in which no bytes of an answer come; stallTimeout when 0
}

// firstDeadline bounds the tries for the first block: a wrong name should be reported soon.
const firstDeadline = 10 * time.Second

// Open opens the object at a URL. When ctx ends, every wait for the network ends, also later, until the source is
// closed. The error is [fs.ErrNotExist] when there is no such object.
func Open(ctx context.Context, location string, o Options) (*Source, error) {
	if o.Deadline <= 0 {
		o.Deadline = 30 * time.Second
	}
	p, err := newPool(ctx, o)
	if err != nil {
		return nil, err
	}
	at, err := p.locate(location)
	if err == nil {
		var s *Source
		if s, err = p.open(at, spanBlocks); err == nil {
			s.owner = true
			return s, nil
		}
	}
	p.close()
	return nil, err
}

// open opens an object with its first blocks, whose answer says which object it is.
func (p *pool) open(at place, blocks int) (*Source, error) {
	o := &object{place: at, pool: p, deadline: min(p.options.Deadline, firstDeadline)}
	buf := make([]byte, blocks*blockSize)
	if p.disk.knows(at) {
		buf = buf[:1] // enough to identify the object; its blocks are most likely in the folder
	}
	n, err := o.first(p.ctx, buf)
	if err != nil {
		return nil, &openError{at.String(), err}
	}
	o.deadline = p.options.Deadline
	o.disk = p.disk.of(o)
	number := int64(0)
	for block := range slices.Chunk(buf[:n], blockSize) {
		if int64(len(block)) == o.blockLen(number) {
			p.keep(blockID{o, number}, slices.Clone(block))
		}
		number++
	}
	p.disk.note(o)
	return newSource(o), nil
}

// openError is the error of opening an object.
type openError struct {
	where string
	err   error
}

func (e *openError) Error() string { return "remote: " + e.where + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *openError) Unwrap() error { return e.err }

// Is reports whether the object is not there.
func (e *openError) Is(target error) bool { return target == fs.ErrNotExist && isAbsent(e.err) }

// isAbsent reports whether a server has said that there is no such object. Other answers, such as that there is no
// such user, do not count.
func isAbsent(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	return status.Code == http.StatusGone || status.Code == http.StatusNotFound && (status.Text == "" || strings.HasPrefix(status.Text, "NoSuch"))
}
