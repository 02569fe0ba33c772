package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Bucket is a bucket of an object store: it lists the keys below a prefix, and stores and returns objects.
type Bucket struct {
	object *object // of no key
	s3     *s3Place
}

// OpenBucket connects to the bucket of a URL s3://BUCKET/… and makes no request yet. It returns the rest of the URL,
// too.
func OpenBucket(ctx context.Context, location string, o Options) (b *Bucket, key string, err error) {
	if o.Deadline <= 0 {
		o.Deadline = firstDeadline
	}
	bucket, key, ok := cutS3(location)
	if !ok || bucket == "" || strings.Contains(bucket, "@") {
		return nil, "", fmt.Errorf("remote: %s names no bucket: it is s3://BUCKET/KEY, and the credentials come from the environment or a profile", Shown(location))
	}
	p, err := newPool(ctx, o)
	if err != nil {
		return nil, "", err
	}
	client, err := p.s3()
	if err != nil {
		p.close()
		return nil, "", err
	}
	s3 := &s3Place{minio.Core{Client: client}, &p.tried, p.endpoint(), bucket, ""}
	return &Bucket{&object{place: s3, pool: p, deadline: o.Deadline}, s3}, key, nil
}

// Keys yields the keys that begin with a prefix, in the order of the store. The first error is the last thing it yields.
func (b *Bucket) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		for o := range b.s3.core.ListObjectsIter(ctx, b.s3.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			if o.Err != nil {
				yield("", &openError{b.s3.String() + prefix, b.s3.error(o.Err)})
				return
			}
			if !strings.HasSuffix(o.Key, "/") && !yield(o.Key, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield("", err)
		}
	}
}

// Put stores a whole object: a reader sees the old object or all of the new one. It tries again after a fault of the
// network.
func (b *Bucket) Put(ctx context.Context, key string, data *io.SectionReader) error {
	err := b.object.persist(ctx, func() (bool, error) {
		all := io.NewSectionReader(data, 0, data.Size())
		_, err := b.s3.core.Client.PutObject(ctx, b.s3.bucket, key, all, all.Size(), minio.PutObjectOptions{})
		if err != nil {
			err = b.s3.error(err)
		}
		return false, err
	})
	if err != nil {
		return &openError{b.s3.String() + key, err}
	}
	return nil
}

// Get returns an object of at most so many bytes.
func (b *Bucket) Get(ctx context.Context, key string, most int64) ([]byte, error) {
	at := *b.s3
	at.key = key
	src, err := b.object.pool.open(&at, spanBlocks)
	if err != nil {
		return nil, err
	}
	if src.Size() > most {
		return nil, errors.New("remote: " + at.String() + " is larger than it may be")
	}
	data := make([]byte, src.Size())
	_, err = src.ReadAt(data, 0)
	return data, err
}

// Close ends all requests.
func (b *Bucket) Close() error {
	b.object.pool.close()
	return nil
}
