// Package remote opens memory images where they are kept: on web servers that serve ranges (http, https) and in object
// stores that speak S3. What comes out is a [format.Source], read in blocks.
//
// A byte is served only when the server has said that it is the one that was asked for, and of the object that was opened:
// the object is pinned by its ETag, or by its time and size where there is none. What a fault of the network leaves unknown
// is a *[sparse.ReadError], never zeros, and is not kept.
//
// Below are packages sparse and format (for its Source); package memimage above opens what is named by a URL.
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

// Options say how to reach what is remote. The zero value is ready to use.
type Options struct {
	// Endpoint is the URL of the S3 server; empty: that of the environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL), else
	// Amazon's.
	Endpoint string
	// Region is that of the bucket; empty: that of the environment or the profile, else the server is asked.
	Region string
	// CacheDir is a folder in which blocks are kept over runs; empty: they are not.
	CacheDir string
	// CacheBytes bounds that folder; 8 GiB when 0.
	CacheBytes int64
	// Deadline is how long a block is tried for that cannot be had because of a fault that may pass; 30 s when 0.
	Deadline time.Duration
	// Warn is told, once, in a sentence, that the folder cannot be written. May be nil.
	Warn func(string)

	stall time.Duration // in which none of the bytes of an answer come; stallTimeout when 0
}

// firstDeadline bounds the tries of the first block: a name that is wrong should be told soon.
const firstDeadline = 10 * time.Second

// Open opens the object at a URL. Whatever waits for the network, at any time until the source is closed, ends when ctx
// does. The error is [fs.ErrNotExist] when there is no such object.
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
		buf = buf[:1] // which object it is, and most likely all that is needed of it is here
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

// isAbsent reports whether a server has said that there is no such object: not that there is no such user, for instance.
func isAbsent(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	return status.Code == http.StatusGone || status.Code == http.StatusNotFound && (status.Text == "" || strings.HasPrefix(status.Text, "NoSuch"))
}
