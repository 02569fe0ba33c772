package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"time"

	"memlens/memimage"
	"memlens/memimage/pedump"
	"memlens/memimage/sparse"
	"memlens/render"
)

// process is what a process's directory is made of.
type process struct {
	*memimage.Process
	fs *FS
	at place
}

// processFile is a file of a process's directory. lacks says why it cannot be made, and then it is not there; nil: it
// can always be made.
type processFile struct {
	name, doc string
	lacks     func(*process) error
	open      func(*process) (*body, error)
}

// processFiles are the files of a process's directory, the executable in its forms first.
var processFiles = []processFile{
	{"procmemdump.exe", "the executable as it lay in memory: what Volatility 2's procmemdump writes, byte for byte; with --pages all, pages that it does not read are in it, too", (*process).lacksMemoryDump, (*process).memoryDump},
	{"procexedump.exe", "the executable as it lay on disk: what Volatility 2's procexedump writes, byte for byte; with --pages all likewise more", (*process).lacksFileDump, (*process).fileDump},
	{"restored.exe", "the best reconstruction of the original file: every page from its best source, relocations and imports undone", (*process).lacksRestored, (*process).restored},
	{"restored.csv", "a row per page of restored.exe: where it comes from, what was undone, what is missing; how sure it is: exact (proved by the bytes), assumed (on what), or left as found", (*process).lacksRestored, (*process).restoredCSV},
	{"colorized.bmp", "a picture of procexedump.exe, a pixel a byte, as colorize draws it", lacks(pictureOf((*process).fileDump)), pictureOf((*process).fileDump)},
	{"colorized-procmemdump.bmp", "the same of procmemdump.exe", lacks(pictureOf((*process).memoryDump)), pictureOf((*process).memoryDump)},
	{"colorized-restored.bmp", "the same of restored.exe", lacks(pictureOf((*process).restored)), pictureOf((*process).restored)},
	{"map.png", "a figure of procexedump.exe: its bytes with sections, offsets and a legend, missing pages hatched", lacks((*process).mapPNG), (*process).mapPNG},
	{"blink.gif", "procexedump.exe and procmemdump.exe in turn, at the same scale", lacks((*process).blinkGIF), (*process).blinkGIF},
	{indexName, "the process as a page for a browser: pictures to compare, with what lies under the pointer", nil, (*process).index},
	{"info.json", "the process: ids, times, addresses, path by the kernel and by the process itself, warnings where they differ, command line, what the executable's header says, how much of restored.exe is exact, assumed, left as found or missing, and what its ImageBase is known by", nil, (*process).infoJSON},
	{"pages.csv", "a row per page of the executable: RVA, section, state, physical address, and why it is missing", (*process).lacksPages, (*process).pagesCSV},
	{similarName, "which references the executable is most like, whatever its name, best first; made when first read, empty lines at its end", (*process).lacksSimilar, (*process).similarCSV},
	{"NOT-RECOVERED.txt", "why what is not here could not be recovered; only where something is not", (*process).lacksNothing, (*process).notRecovered},
}

// processDirs are the directories in a process's directory.
var processDirs = []struct {
	name, doc string
	form      form // what is compared
}{
	{"diff-vs", "procexedump.exe against each reference", formFile},
	{"diff-vs-restored", "the same of restored.exe", formRestored},
}

func (f *FS) processDir(at place, p *memimage.Process) *processNode {
	if !p.Created.IsZero() {
		at.time = p.Created
	}
	return &processNode{&process{p, f, at}}
}

// processNode is a process's directory.
type processNode struct{ *process }

func (d *processNode) path() string     { return d.at.path() }
func (d *processNode) stamp() time.Time { return d.at.stamp() }

func (d *processNode) list(context.Context) ([]listed, error) {
	var out []listed
	for i, err := range d.allReasons() {
		if isThere(err) {
			out = append(out, listed{d.fs.processFiles[i].name, false})
		}
	}
	for _, dir := range processDirs {
		if !d.fs.refs.Empty() && isThere(dir.form.lacks(d.process)) {
			out = append(out, listed{dir.name, true})
		}
	}
	return out, nil
}

// isThere reports whether a file that cannot be made for the reason given is listed all the same: when reading the image
// failed, nobody knows that it is not there, and opening it says what is wrong.
func isThere(lacks error) bool { return lacks == nil || sparse.Failed(lacks) }

func (d *processNode) lookup(_ context.Context, name string) (node, error) {
	for i, file := range d.fs.processFiles {
		if file.name != name {
			continue
		}
		if err := d.reason(i); err != nil {
			return nil, absent(err)
		}
		return &fileNode{d.at.child(name), func(context.Context) (*body, error) { return file.open(d.process) }}, nil
	}
	for _, dir := range processDirs {
		if dir.name != name || d.fs.refs.Empty() {
			continue
		}
		if err := dir.form.lacks(d.process); err != nil {
			return nil, absent(err)
		}
		return &diffDir{d.at.child(name), d.process, dir.form}, nil
	}
	return nil, iofs.ErrNotExist
}

// keptReasons is of how many processes it is kept why which files are not there: a directory that was listed is looked into
// next.
const keptReasons = 64

// reason says why the process file of that number cannot be made; nil: it can.
func (p *process) reason(number int) error {
	if known, ok := p.fs.reasons.Get(p.Process); ok {
		return known[number]
	}
	if lacks := p.fs.processFiles[number].lacks; lacks != nil {
		return lacks(p)
	}
	return nil
}

// allReasons returns what reason says of each process file. It is kept unless a read of the image failed meanwhile.
func (p *process) allReasons() []error {
	if known, ok := p.fs.reasons.Get(p.Process); ok {
		return known
	}
	before := p.fs.image.Faults().Count()
	out := make([]error, len(p.fs.processFiles))
	for i, file := range p.fs.processFiles {
		if file.lacks != nil {
			out[i] = file.lacks(p)
		}
	}
	if p.fs.image.Faults().Count() == before {
		p.fs.reasons.Add(p.Process, out)
	}
	return out
}

func (p *process) lacksMemoryDump() error {
	_, err := p.MemoryDump()
	return err
}

func (p *process) lacksFileDump() error {
	_, err := p.FileDump()
	return err
}

func (p *process) lacksRestored() error {
	_, err := p.RestoredSize()
	return err
}

func (p *process) lacksPages() error {
	if p.PageCount() == 0 {
		return errors.New("where the executable lies is not known")
	}
	return nil
}

// lacksNothing is an error when there is nothing to say in NOT-RECOVERED.txt.
func (p *process) lacksNothing() error {
	var failed error
	for i := range recoveredFiles {
		switch err := p.reason(i); {
		case sparse.Failed(err):
			failed = err
		case err != nil:
			return nil
		}
	}
	if failed != nil {
		return failed
	}
	return errors.New("everything was recovered")
}

// recoveredFiles is how many of the process files are the executable in one form or another; they come first.
const recoveredFiles = 3

func (p *process) memoryDump() (*body, error) {
	exe, err := p.MemoryDump()
	return p.executable("procmemdump.exe", exe, err)
}

func (p *process) fileDump() (*body, error) {
	exe, err := p.FileDump()
	return p.executable("procexedump.exe", exe, err)
}

// executable makes a file of a recovered executable.
func (p *process) executable(file string, e *memimage.Executable, err error) (*body, error) {
	if err != nil {
		return nil, absent(err)
	}
	return &body{
		Content: sized{sparse.ZeroFill(e.Reader, nil), e.Reader.Size()},
		strict:  measured{e.Reader, e.Present},
		xattrs:  func() []xattr { return p.executableXattrs(e) },
		headers: func() (*pedump.Image, error) { return p.headersIn(file, e.Reader) },
	}, nil
}

// measured is a reader that knows how much of it is present.
type measured struct {
	*sparse.Reader
	present func() (int64, error)
}

func (m measured) Present() (int64, error) { return m.present() }

// restored is the file restored.exe.
func (p *process) restored() (*body, error) {
	r, err := p.Restored()
	if err != nil {
		return nil, absent(err)
	}
	return &body{
		Content: sized{sparse.ZeroFill(r.Reader, nil), r.Reader.Size()},
		strict:  r.Reader,
		xattrs:  func() []xattr { return restoredXattrs(r) },
		headers: func() (*pedump.Image, error) { return p.headersIn("restored.exe", r.Reader) },
		late:    &lateXattr{xattrPrefix + "authentihash", p.authentihashXattr},
	}, nil
}

// lacks says why a file cannot be made that is measured without being drawn: by opening it.
func lacks(open func(*process) (*body, error)) func(*process) error {
	return func(p *process) error {
		b, err := open(p)
		if err != nil {
			return err
		}
		return b.Close()
	}
}

// pictureOf returns the opener of the picture of a file.
func pictureOf(open func(*process) (*body, error)) func(*process) (*body, error) {
	return func(p *process) (*body, error) {
		data, err := open(p)
		if err != nil {
			return nil, err
		}
		picture, err := p.fs.pictures.Colorize(data, data.Size(), p.fs.geometry)
		return drawn(picture, err, data)
	}
}

// drawn makes a file of a picture of data, which is closed with it.
func drawn(picture *render.BMP, err error, data ...io.Closer) (*body, error) {
	closeAll := closer(data)
	if err != nil {
		return nil, errors.Join(absent(fmt.Errorf("the picture cannot be drawn: %w", err)), closeAll())
	}
	return &body{Content: picture, close: closeAll}, nil
}
