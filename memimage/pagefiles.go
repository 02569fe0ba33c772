package memimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"memlens/memimage/format"
	"memlens/memimage/nt"
	"memlens/memimage/remote"
	"memlens/memimage/sparse"
)

// GivenPageFile is a page file that is given with an image, see [format.OpenPageFileAt].
type GivenPageFile struct {
	Path string
	// Number is the system's number for the file. Below 0: the number of the kernel's page file with the same name, or
	// else its place in the list of given files.
	Number int
}

// pageFile is an open page file.
type pageFile struct {
	*format.PageFile
	remote remoteFile // the source it is read from, where it is given by a URL
	beside bool       // it is in the image's own container
	note   string     // on its number, a sentence; may be empty
}

// Close closes the page file and its source.
func (f *pageFile) Close() error {
	err := f.PageFile.Close()
	if f.remote != nil {
		err = errors.Join(err, f.remote.Close())
	}
	return err
}

// openPageFiles opens the page files of the system with kernel k. The result is by number.
func (im *Image) openPageFiles(ctx context.Context, k *nt.Kernel) ([]sparse.Source, error) {
	given := im.options.PageFiles
	if len(given) == 0 {
		return nil, nil
	}
	files, _ := k.PagingFiles()
	for place, g := range given {
		number, note, err := numberPageFile(g, place, files)
		if err != nil {
			return nil, fmt.Errorf("memimage: %w", err)
		}
		f, err := im.openPageFile(ctx, number, g.Path, files)
		if err != nil {
			return nil, fmt.Errorf("memimage: page file %d: %w", number, err)
		}
		f.note = note
		if err := im.addPageFile(number, f); err != nil {
			return nil, err
		}
	}
	return im.pageFileSources()
}

// addPageFile takes a page file. Where the number is taken already, it closes the file.
func (im *Image) addPageFile(number int, f *pageFile) error {
	im.pageFiles = append(im.pageFiles, make([]*pageFile, max(0, number+1-len(im.pageFiles)))...)
	if other := im.pageFiles[number]; other != nil {
		f.Close()
		return fmt.Errorf("memimage: both %s and %s would be page file %d: say which is which by NUMBER=FILE", other.Name, f.Name, number)
	}
	im.pageFiles[number] = f
	return nil
}

// pageFileSources returns the page files by number. Bytes behind their ends are a gap, not damage.
func (im *Image) pageFileSources() ([]sparse.Source, error) {
	out := make([]sparse.Source, len(im.pageFiles))
	for i, f := range im.pageFiles {
		if f == nil {
			continue
		}
		r, err := sparse.NewReader(1<<48, sparse.Extent{Len: f.Size(), Src: im.faults.Watch(f)})
		if err != nil {
			return nil, fmt.Errorf("memimage: page file %d: %w", i, err)
		}
		out[i] = r
	}
	return out, nil
}

// numberPageFile returns the number of a page file, and a note on it. files are the kernel's. The error says that
// several page files have its name: with the wrong number, the file would lead to other pages.
func numberPageFile(g GivenPageFile, place int, files []nt.PagingFile) (number int, note string, err error) {
	var same []string
	for _, f := range files {
		if isNamed(g.Path, f.Name) {
			same = append(same, fmt.Sprintf("%d is %s", f.Number, f.Name))
			number = f.Number
		}
	}
	switch {
	case g.Number >= 0:
		number = g.Number
	case len(same) == 1:
		return number, fmt.Sprintf("It has the number of the kernel's %s.", files[number].Name), nil
	case len(same) > 1:
		return 0, "", fmt.Errorf("%s may be one of %d page files of the system (%s): say by NUMBER=FILE which", remote.Shown(g.Path), len(same), strings.Join(same, ", "))
	default:
		number = place
	}
	switch {
	case len(files) > 0 && number >= len(files):
		note = fmt.Sprintf("The kernel has no page file of that number, but %d.", len(files))
	case number < len(files) && files[number].Name != "" && !isNamed(g.Path, files[number].Name):
		note = fmt.Sprintf("The kernel's page file of that number is %s.", files[number].Name)
	}
	return number, note, nil
}

// isNamed reports whether the name of a given file contains the name of a page file of the kernel.
func isNamed(given, kernel string) bool {
	name := path.Base(strings.ReplaceAll(kernel, "\\", "/"))
	return kernel != "" && strings.Contains(strings.ToLower(filepath.Base(remote.Shown(given))), strings.ToLower(name))
}

func (im *Image) openPageFile(ctx context.Context, number int, name string, files []nt.PagingFile) (*pageFile, error) {
	if number >= nt.MaxPagingFiles {
		return nil, fmt.Errorf("%s: page files have the numbers 0 to %d", remote.Shown(name), nt.MaxPagingFiles-1)
	}
	if number < len(files) && files[number].Virtual {
		return nil, fmt.Errorf("this number stands for the compressed store, which is no file: say by NUMBER=FILE which page file %s is", remote.Shown(name))
	}
	if remote.IsURL(name) {
		f, src, err := im.openRemotePageFile(ctx, name, number)
		if err != nil {
			return nil, err
		}
		return &pageFile{PageFile: f, remote: src, beside: f.Volume != "" && strings.HasPrefix(remote.Shown(name), im.Path)}, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: give the pagefile.sys in it", name)
	}
	f, err := format.OpenPageFileAt(name, number, im.options.Container)
	if err != nil {
		return nil, err
	}
	return &pageFile{PageFile: f, beside: f.Volume != "" && strings.HasPrefix(name, im.Path)}, nil
}

// GivenPageFiles returns the names of the given page files, by number; empty where no file has the number.
func (im *Image) GivenPageFiles() []string {
	out := make([]string, len(im.pageFiles))
	for i, f := range im.pageFiles {
		if f != nil {
			out[i] = f.Name
		}
	}
	return out
}

// Assumed says in sentences what was assumed about the files that go with the image, and what an image of such a system
// lacks.
func (im *Image) Assumed() []string {
	out := im.dumpLacks()
	if im.HasSecureKernel() {
		out = append(out, secureKernelNote)
	}
	for i, f := range im.pageFiles {
		if f == nil {
			continue
		}
		why := "nothing shows that it is of this system and moment, so its pages are assumed"
		switch c := im.Kernel.CompressedStore(); {
		case c != nil && c.Number == i:
			why = "nothing is read from it, for entries that name this number mean the compressed store"
		case f.beside:
			why = "it lies beside the memory, and was read at another moment, so its pages are assumed"
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("Page file %d is %s: %s. %s", i, f.Name, why, f.note)))
		out = append(out, f.Notes...)
	}
	return out
}
