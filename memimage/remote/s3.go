package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"github.com/minio/minio-go/v7"
)

// maxListed bounds the names of a folder of a bucket: in a larger folder, names are tried one by one.
const maxListed = 10_000

// amazon is the endpoint of Amazon's own servers; the library finds the bucket's region.
const amazon = "https://s3.amazonaws.com"

// s3Place is an object in a bucket.
type s3Place struct {
	core        minio.Core
	tried       *atomic.Pointer[string] // see pool
	endpoint    string                  // empty: Amazon's
	bucket, key string
}

// newS3 connects to the server of the options or the environment.
func (p *pool) newS3() (*minio.Client, error) {
	u, err := url.Parse(cmp.Or(p.endpoint(), amazon))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, errors.New("remote: the S3 endpoint must be a URL of a server alone, such as https://minio.example:9000")
	}
	lookup := minio.BucketLookupPath
	if p.endpoint() == "" {
		lookup = minio.BucketLookupAuto
	}
	return minio.New(u.Host, &minio.Options{
		Creds: p.credentials(), Secure: u.Scheme == "https", Transport: p.client.Transport,
		Region: cmp.Or(p.options.Region, environmentRegion()), BucketLookup: lookup,
		MaxRetries: 2, // one more, for when it has learnt the region; this package makes all other retries
	})
}

// endpoint returns the URL of the S3 server; empty: Amazon's.
func (p *pool) endpoint() string {
	return cmp.Or(p.options.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
}

func (p *pool) locateS3(bucket, key string) (place, error) {
	client, err := p.s3()
	if err != nil {
		return nil, err
	}
	return &s3Place{minio.Core{Client: client}, &p.tried, p.endpoint(), bucket, key}, nil
}

func (s *s3Place) String() string { return "s3://" + s.bucket + "/" + s.key }
func (s *s3Place) name() string   { return path.Base(s.key) }
func (s *s3Place) alone() string  { return "" }

// folder returns the prefix of the keys of the same folder.
func (s *s3Place) folder() string { return s.key[:strings.LastIndex(s.key, "/")+1] }

func (s *s3Place) beside(name string) place {
	other := *s
	other.key = s.folder() + name
	return &other
}

func (s *s3Place) names(ctx context.Context) ([]string, error) {
	var names []string
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.folder()}) {
		if o.Err != nil {
			return nil, s.error(o.Err)
		}
		if name := strings.TrimPrefix(o.Key, s.folder()); name != "" && !strings.HasSuffix(name, "/") {
			names = append(names, name)
		}
		if len(names) > maxListed {
			return nil, fmt.Errorf("the folder has more than %d files: %w", maxListed, errors.ErrUnsupported)
		}
	}
	return names, ctx.Err()
}

func (s *s3Place) get(ctx context.Context, off, n int64, pinned *pin) (http.Header, io.ReadCloser, error) {
	var o minio.GetObjectOptions
	o.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	if pinned != nil {
		h := http.Header{}
		pinned.demand(h)
		for name := range h {
			o.Set(name, h.Get(name))
		}
	}
	body, _, header, err := s.core.GetObject(ctx, s.bucket, s.key, o)
	if err != nil {
		err = s.error(err)
		if status := (*StatusError)(nil); off == 0 && errors.As(err, &status) && status.Code == http.StatusRequestedRangeNotSatisfiable {
			err = errEmpty
		}
		return nil, nil, err
	}
	if header.Get("Content-Range") == "" && header.Get("Content-Length") == "0" && off == 0 {
		body.Close()
		return nil, nil, errEmpty
	}
	return header, body, nil
}

// error translates an error of the library. If a request without a signature was refused, it says where credentials
// were looked for.
func (s *s3Place) error(err error) error {
	err = s3Error(err)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.refused() {
		if tried := s.tried.Load(); tried != nil {
			status.Unsigned = *tried
		}
	}
	return err
}

// s3Error translates an error of the library.
func s3Error(err error) error {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return withoutURL(err)
	}
	switch {
	case answer.StatusCode == http.StatusPreconditionFailed:
		return &ChangedError{"the server says so"}
	case answer.StatusCode == 0:
		return &AnswerError{cmp.Or(answer.Code, "an error of the S3 library") + ": " + answer.Message}
	}
	return &StatusError{Code: answer.StatusCode, Text: fmt.Sprintf("%.100s", answer.Code)}
}
