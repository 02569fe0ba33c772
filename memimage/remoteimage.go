package memimage

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"memlens/memimage/format"
	"memlens/memimage/profile"
	"memlens/memimage/remote"
)

// openRemote opens the image at a URL.
func openRemote(ctx context.Context, url string, o Options) (*Image, error) {
	src, err := remote.Open(ctx, url, o.Remote)
	if err != nil {
		return nil, err
	}
	o.tellUnpacking()
	container, err := format.Open(src, o.Container)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	container.Notes = append(container.Notes, src.Notes()...)
	return open(ctx, &Image{Path: src.URL(), Size: container.Size, ModTime: src.ModTime(), Container: container, options: o, remote: src})
}

// Traffic returns the number of requests and of bytes received for an image that is read over the network; zeros for
// any other image. Page files are not counted.
func (im *Image) Traffic() remote.Stats {
	if im.remote == nil {
		return remote.Stats{}
	}
	return im.remote.Stats()
}

// openRemotePageFile opens the page file at a URL. Where it is one of several in a container, its name there may follow, as in
// "s3://bucket/host.aff4/C:/pagefile.sys".
func (im *Image) openRemotePageFile(ctx context.Context, url string, number int) (*format.PageFile, remoteFile, error) {
	src, err := remote.Open(ctx, url, im.options.Remote)
	member := ""
	if errors.Is(err, fs.ErrNotExist) {
		if volume, rest, ok := cutMember(url); ok {
			src, err = remote.Open(ctx, volume, im.options.Remote)
			member = rest
		}
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := format.OpenPageFile(src, format.PageFileChoice{Member: member, Number: number}, im.options.Container)
	if err != nil {
		return nil, nil, errors.Join(err, src.Close())
	}
	p.Notes = append(p.Notes, src.Notes()...)
	return p, src, nil
}

// openRemoteSymbols reads the profile of a kernel from the symbol file at a URL. Only parts of the file are read.
func openRemoteSymbols(ctx context.Context, url string, o remote.Options, id profile.Identity, v profile.Version) (*profile.Profile, error) {
	src, err := remote.Open(ctx, url, o)
	if err != nil {
		return nil, err
	}
	p, err := profile.OpenSymbolsFrom(src, src.Size(), src.Name(), src.URL(), id, profile.SymbolOptions{Version: v})
	return p, errors.Join(err, src.Close())
}

// remoteFile is closed with its page file.
type remoteFile interface{ Close() error }

// cutMember splits the URL of an AFF4 volume from the name of a file in it.
func cutMember(url string) (volume, member string, ok bool) {
	i := strings.Index(strings.ToLower(url), ".aff4/")
	if i < 0 {
		return "", "", false
	}
	i += len(".aff4")
	return url[:i], url[i+1:], url[i+1:] != ""
}
