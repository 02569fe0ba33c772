package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// place is where an object is.
type place interface {
	// get asks for n bytes from off on of the object that is pinned; of any object when pin is nil.
	get(ctx context.Context, off, n int64, pinned *pin) (http.Header, io.ReadCloser, error)
	// beside returns the place of another object in the same folder.
	beside(name string) place
	// names lists the folder; [errors.ErrUnsupported] if that cannot be done.
	names(ctx context.Context) ([]string, error)
	// alone says why no other object can be reached from this place; empty: others can.
	alone() string
	// name returns the base name.
	name() string
	// String returns the URL without anything that is secret.
	String() string
}

var scheme = regexp.MustCompile(`(?i)^(https?|s3)://`)

// IsURL reports whether a path is the URL of an object that [Open] may open.
func IsURL(path string) bool { return scheme.MatchString(path) }

// Shown returns a URL without its parts that may be secret: user, password, and the query, which holds the signature
// of a presigned URL. Any other path is returned as it is.
func Shown(location string) string {
	if !IsURL(location) {
		return location
	}
	if bucket, key, ok := cutS3(location); ok {
		return "s3://" + bucket[strings.LastIndex(bucket, "@")+1:] + "/" + key
	}
	u, err := url.Parse(location)
	if err != nil {
		return scheme.FindString(location) + "…"
	}
	return shownURL(u)
}

func shownURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// cutS3 splits s3://bucket/key. A key is taken as it stands: it may hold any letter.
func cutS3(location string) (bucket, key string, ok bool) {
	if len(location) < 5 || !strings.EqualFold(location[:5], "s3://") {
		return "", "", false
	}
	bucket, key, _ = strings.Cut(location[5:], "/")
	return bucket, key, true
}

// locate returns the place that a URL leads to.
func (p *pool) locate(location string) (place, error) {
	if bucket, key, ok := cutS3(location); ok {
		if bucket == "" || key == "" || strings.HasSuffix(key, "/") || strings.Contains(bucket, "@") {
			return nil, fmt.Errorf("remote: %s names no object: it is s3://BUCKET/KEY, and the credentials come from the environment or a profile", Shown(location))
		}
		return p.locateS3(bucket, key)
	}
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return nil, errors.New("remote: this URL cannot be read: " + Shown(location))
	}
	if path.Base(u.Path) == "." || path.Base(u.Path) == "/" || strings.HasSuffix(u.Path, "/") {
		return nil, fmt.Errorf("remote: %s names no file", Shown(location))
	}
	u.Fragment, u.RawFragment = "", ""
	return &webPlace{client: p.client, url: u}, nil
}
