package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/rescue"
)

const (
	// maxHops is how many links a path may lead through. Windows allows 63.
	maxHops = 63
	// maxParts is how many names a path may have, with the names of links. A path of Windows has at most 32,767
	// characters.
	maxParts = 16384
)

// Lookup returns the file of a path. The error is, or wraps, [ErrNotFound] if no volume has the file, an
// *[OutsideError] if the path leads outside of the disk, and an *[UnreadableError] if the file exists but cannot be
// read. Any other error means that it is not known whether the file exists, because the volume is damaged or reading
// failed.
func (v *Volumes) Lookup(ctx context.Context, p Path) (*File, error) {
	places, err := p.places()
	if err != nil {
		return nil, err
	}
	for _, where := range places {
		var f *File
		if f, err = v.find(ctx, where); !errors.Is(err, ErrNotFound) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%w (%s)", err, p.Name)
}

// find returns the file of a place, on the first volume that has it.
func (v *Volumes) find(ctx context.Context, where place) (*File, error) {
	trees := v.reach(where.reach)
	if len(trees) == 0 {
		return nil, fmt.Errorf("%w: it is on %s, which is not the volume of Windows, and there is no other", ErrNotFound, where.label)
	}
	var also, unsure []string
	var found *File
	none := ErrNotFound
	for _, t := range trees {
		f, err := findOn(ctx, t, where)
		switch {
		case errors.Is(err, ErrNotFound):
			none = err
		case err != nil && found == nil:
			return nil, err
		case err == nil && found == nil:
			found = f
		case err == nil || errors.As(err, new(*UnreadableError)): // the file exists
			also = append(also, t.name())
		default:
			unsure = append(unsure, t.name())
		}
	}
	if found == nil {
		return nil, none
	}
	if len(unsure) > 0 {
		found.Note = notes(found.Note, fmt.Sprintf("assumed: it is the one of %s; whether %s has a file of this path too cannot be read",
			found.Volume, strings.Join(unsure, ", ")))
	}
	if len(also) > 0 {
		found.Note = notes(found.Note, fmt.Sprintf("assumed: it is the one of %s, for %s has a file of this path too",
			found.Volume, strings.Join(also, ", ")))
	} else if len(unsure) == 0 && len(v.trees) > 1 && where.label != "" {
		found.Note = notes(found.Note, fmt.Sprintf("%s is taken for %s, where a file of this path is", where.label, found.Volume))
	}
	return found, nil
}

// reach returns the volumes that a path may mean.
func (v *Volumes) reach(r reach) []tree {
	var out []tree
	for _, t := range v.trees {
		if r == anyVolume || (r == systemVolume) == (t.windows() != "") {
			out = append(out, t)
		}
	}
	return out
}

// findOn returns the file of a place on a volume.
func findOn(ctx context.Context, t tree, where place) (*File, error) {
	var f *File
	err := rescue.Call(func() (err error) {
		if where.plain != nil && t.windows() != "" {
			if _, err = hasBelow(ctx, t.root(), t.windows(), "SysWOW64"); errors.Is(err, ErrNotFound) {
				where = *where.plain
			}
		}
		parts := where.parts
		if where.root {
			parts = append(split(t.windows()), parts...)
		}
		f, err = walkTo(ctx, t, parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.Note = notes(where.note, f.Note)
	return f, nil
}

// walkTo returns the file that names lead to from the root of a volume on.
func walkTo(ctx context.Context, t tree, parts []string) (*File, error) {
	w := walk{stack: []node{t.root()}, rest: parts}
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	if w.top().isDir() {
		return nil, fmt.Errorf("%w: %s is a folder", ErrNotFound, w.path())
	}
	f, err := w.top().file(ctx)
	if err != nil {
		return nil, located(err, w.path())
	}
	f.Path, f.Volume, f.Note = w.path(), t.name(), notes(append(w.notes, f.Note)...)
	return f, nil
}

// located returns an error with its path.
func located(err error, path string) error {
	var e *UnreadableError
	if errors.As(err, &e) {
		return &UnreadableError{path, e.Why}
	}
	return fmt.Errorf("%w: %s", err, path)
}

// walk is a way from the root of a volume down.
type walk struct {
	stack []node   // the root, and the folders down to here
	rest  []string // the names to go
	hops  int      // links so far
	steps int      // names so far
	notes []string
}

func (w *walk) top() node { return w.stack[len(w.stack)-1] }

// path returns where the walk is.
func (w *walk) path() string {
	var b strings.Builder
	for _, n := range w.stack[1:] {
		b.WriteString(`\` + n.name())
	}
	return b.String()
}

// run walks to the end.
func (w *walk) run(ctx context.Context) error {
	for len(w.rest) > 0 {
		if w.steps++; w.steps > maxParts {
			return fmt.Errorf("%w: the path has too many names", ErrNotFound)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		part := w.rest[0]
		w.rest = w.rest[1:]
		if err := w.step(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// step goes to the file or folder with a name in the current folder.
func (w *walk) step(ctx context.Context, part string) error {
	switch part {
	case "", ".":
		return nil
	case "..":
		w.stack = w.stack[:max(1, len(w.stack)-1)]
		return nil
	}
	if strings.ContainsRune(part, ':') {
		return &UnreadableError{w.path() + `\` + part, "it is an alternate stream of a file"}
	}
	if !w.top().isDir() {
		return fmt.Errorf("%w: %s is no folder", ErrNotFound, w.path())
	}
	n, note, err := w.top().child(ctx, part)
	if err != nil {
		return fmt.Errorf("%w, in %s\\", err, w.path())
	}
	w.notes = append(w.notes, note)
	to, err := n.link(ctx)
	if err != nil {
		return located(err, w.path()+`\`+n.name())
	}
	if to == nil {
		w.stack = append(w.stack, n)
		return nil
	}
	return w.follow(n, to)
}

// follow continues at the target of a link.
func (w *walk) follow(n node, to *link) error {
	from := w.path() + `\` + n.name()
	if w.hops++; w.hops > maxHops {
		return fmt.Errorf("volume: the links on the way have no end: %s", from)
	}
	w.notes = append(w.notes, fmt.Sprintf("through the link %s → %s", from, to.text))
	if to.rooted {
		w.stack = w.stack[:1]
	}
	w.rest = append(append([]string(nil), to.parts...), w.rest...)
	return nil
}

// systemRoot returns the folder of Windows below the root: a folder with System32\config in it, or a folder with a
// usual name and System32 in it.
func systemRoot(ctx context.Context, root node) (string, error) {
	for _, name := range []string{"Windows", "WINNT", "ReactOS"} {
		own, err := hasBelow(ctx, root, name, "System32")
		if !errors.Is(err, ErrNotFound) {
			return own, err
		}
	}
	var found string
	left := maxRootFolders
	err := root.children(ctx, func(n node) bool {
		if !n.isDir() {
			return true
		}
		own, err := hasBelow(ctx, root, n.name(), "System32", "config")
		if err == nil {
			found = own
		}
		left--
		return found == "" && left > 0
	})
	if err == nil && found == "" {
		err = ErrNotFound
	}
	return found, err
}

// maxRootFolders is how many folders are looked at for Windows under another name.
const maxRootFolders = 200

// hasBelow returns the exact name of a folder, by names that lead from dir down through it.
func hasBelow(ctx context.Context, dir node, names ...string) (string, error) {
	own := ""
	for _, name := range names {
		next, _, err := dir.child(ctx, name)
		if err != nil {
			return "", err
		}
		if own == "" {
			own = next.name()
		}
		if dir = next; !dir.isDir() {
			return "", ErrNotFound
		}
	}
	return own, nil
}
