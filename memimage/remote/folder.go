package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Folder is a folder of a bucket.
type Folder struct {
	first *Source // stands for the folder; no file is opened yet
}

// OpenFolder opens the folder at a URL that ends in a slash. The folder must have files, and the server must allow to
// list it.
func OpenFolder(ctx context.Context, location string, o Options) (*Folder, error) {
	if o.Deadline <= 0 {
		o.Deadline = firstDeadline
	}
	bucket, key, ok := cutS3(location)
	if !ok || bucket == "" || strings.Contains(bucket, "@") {
		return nil, fmt.Errorf("remote: %s: a web server does not list its folders: give each file by its URL", Shown(location))
	}
	p, err := newPool(ctx, o)
	if err != nil {
		return nil, err
	}
	at, err := p.locateS3(bucket, key)
	if err != nil {
		p.close()
		return nil, err
	}
	obj := &object{place: at, pool: p, pin: new(pin), deadline: o.Deadline}
	f := &Folder{newSource(obj)}
	f.first.owner = true
	if names, err := f.Names(); err != nil || len(names) == 0 {
		if err == nil {
			err = fmt.Errorf("remote: %s: there are no files there", Shown(location))
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// URL returns the URL of the folder, which ends in a slash.
func (f *Folder) URL() string { return f.first.URL() }

// Names lists the files in order.
func (f *Folder) Names() ([]string, error) {
	names, err := f.first.Names()
	return slices.Sorted(slices.Values(names)), err
}

// File opens the file of that name, once. It is open as long as the folder is.
func (f *Folder) File(name string) (*Source, error) { return f.first.sibling(name) }

// Close closes all files.
func (f *Folder) Close() error { return f.first.Close() }
