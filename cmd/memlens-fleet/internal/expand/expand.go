// Package expand finds the images that patterns name: files, objects of a bucket, and the entries of a list.
//
// It is below the pipeline, and above memlens's package remote.
package expand

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"memlens/memimage/remote"
)

// maxList bounds a list, in bytes.
const maxList = 64 << 20

// Found holds the files and objects that patterns name.
type Found struct {
	Images []string // each image once, in order
	Pieces []string // files that are taken to be further pieces of one of the images
}

// Options say how patterns are taken. The zero value is ready to use.
type Options struct {
	Remote      remote.Options
	WholePieces bool // each file is an image of its own, even with a name like a piece of an image
}

// Expand finds the images that patterns name. A pattern is a path, a URL s3://BUCKET/KEY, a URL of a web server, or a
// list. In paths and keys, * stands for any characters except the slash, and ** for any characters. A list is a file
// or a URL that ends in .txt, with one pattern per line. A pattern that names nothing is an error.
func Expand(ctx context.Context, patterns []string, o Options) (Found, error) {
	var all []string
	for _, p := range patterns {
		found, err := expand(ctx, p, o.Remote, true)
		if err != nil {
			return Found{}, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if o.WholePieces {
		return Found{Images: all}, nil
	}
	images, pieces := withoutPieces(all)
	return Found{images, pieces}, nil
}

// expand finds the images that one pattern names. lists says whether it may be a list.
func expand(ctx context.Context, pattern string, o remote.Options, lists bool) (found []string, err error) {
	pattern = anyDepth(pattern)
	switch {
	case lists && strings.EqualFold(path.Ext(withoutQuery(pattern)), ".txt"):
		found, err = ofList(ctx, pattern, o)
	case isS3(pattern):
		found, err = ofBucket(ctx, pattern, o)
	case remote.IsURL(pattern):
		return []string{pattern}, nil
	default:
		found, err = ofFiles(pattern)
	}
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s names no image", remote.Shown(pattern))
	}
	return found, err
}

// depth is ** with more behind it in the same part of a path.
var depth = regexp.MustCompile(`\*\*([^/*])`)

// anyDepth writes **.raw as **/*.raw, the form that the library needs.
func anyDepth(pattern string) string { return depth.ReplaceAllString(pattern, "**/*$1") }

func isS3(pattern string) bool { return len(pattern) > 5 && strings.EqualFold(pattern[:5], "s3://") }

func hasPattern(s string) bool { return strings.ContainsAny(s, "*?[{") }

// withoutQuery returns a path, or a URL without its query.
func withoutQuery(s string) string {
	if remote.IsURL(s) && !isS3(s) {
		s, _, _ = strings.Cut(s, "?")
	}
	return s
}

// ofFiles finds regular files and block devices. A name without wildcards is taken as it is, so that a problem with
// it is reported as for any other image.
func ofFiles(pattern string) (found []string, err error) {
	if _, err := os.Stat(pattern); err == nil || !hasPattern(pattern) {
		return []string{pattern}, err
	}
	names, err := doublestar.FilepathGlob(pattern, doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	for _, name := range names {
		info, err := os.Lstat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() && !leadsToFolder(name, info) {
			found = append(found, filepath.Clean(name))
		}
	}
	return found, nil
}

func leadsToFolder(name string, info fs.FileInfo) bool {
	if info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	to, err := os.Stat(name)
	return err == nil && to.IsDir()
}

// ofBucket finds objects.
func ofBucket(ctx context.Context, pattern string, o remote.Options) (found []string, err error) {
	b, keys, err := remote.OpenBucket(ctx, pattern, o)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if !hasPattern(keys) {
		return []string{pattern}, nil
	}
	if !doublestar.ValidatePattern(keys) {
		return nil, fmt.Errorf("%s: %w", pattern, doublestar.ErrBadPattern)
	}
	start := pattern[:len(pattern)-len(keys)]
	for key, err := range b.Keys(ctx, keys[:strings.IndexAny(keys, `*?[{\`)]) {
		if err != nil {
			return nil, err
		}
		if ok, _ := doublestar.Match(keys, key); ok {
			found = append(found, start+key)
		}
	}
	return found, nil
}

// ofList finds the images that the lines of a list name. Paths in it are relative to the folder that the program runs
// in, like paths on a command line.
func ofList(ctx context.Context, list string, o remote.Options) (found []string, err error) {
	text, err := readList(ctx, list, o)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxList)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		more, err := expand(ctx, line, o, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", remote.Shown(list), err)
		}
		found = append(found, more...)
	}
	return found, lines.Err()
}

func readList(ctx context.Context, list string, o remote.Options) (string, error) {
	if !remote.IsURL(list) {
		b, err := os.ReadFile(list)
		return string(b), err
	}
	src, err := remote.Open(ctx, list, o)
	if err != nil {
		return "", err
	}
	defer src.Close()
	if src.Size() > maxList {
		return "", fmt.Errorf("the list %s is larger than %d MiB", remote.Shown(list), maxList>>20)
	}
	b := make([]byte, src.Size())
	if n, err := src.ReadAt(b, 0); n < len(b) {
		return "", err
	}
	return string(b), nil
}
