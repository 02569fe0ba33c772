package volume

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

const (
	// maxFolders is how many folders of WinSxS and of the driver store are looked into. WinSxS has some 30,000.
	maxFolders = 200_000
	// maxStored is how many names in them are taken in.
	maxStored = 1 << 20
)

// stores are the folders of Windows in whose folders, one for each component, are files of all versions of it.
var stores = [...]string{`System32\DriverStore\FileRepository`, "WinSxS"}

// Named finds all files of a name in the folders where Windows has its modules: System32, SysWOW64, the drivers, Windows
// itself, and then each folder of the driver store and of WinSxS. These are listed when they are first needed, which takes
// some time, so whoever has found what he looks for stops. An error says of what it is not known whether the name is there.
func (v *Volumes) Named(ctx context.Context, name string) iter.Seq2[*File, error] {
	return func(yield func(*File, error) bool) {
		if name == "" || strings.ContainsAny(name, "\\/:\x00") || name == "." || name == ".." {
			return
		}
		for _, t := range v.reach(systemVolume) {
			if !namedOn(ctx, t, v.store(t), name, yield) {
				return
			}
		}
	}
}

// namedOn yields the files of a name on a volume; false: no more are wanted.
func namedOn(ctx context.Context, t tree, s *store, name string, yield func(*File, error) bool) bool {
	try := func(folder string) bool {
		f, err := findOn(ctx, t, place{root: true, parts: split(folder + `\` + name)})
		if errors.Is(err, ErrNotFound) {
			return true
		}
		return yield(f, err)
	}
	for _, folder := range []string{"System32", "SysWOW64", `System32\drivers`, ""} {
		if !try(folder) {
			return false
		}
	}
	folders, err := s.find(ctx, t, name)
	for _, folder := range folders {
		if !try(folder) {
			return false
		}
	}
	return err == nil || yield(nil, err)
}

// store is the names in the stores of a volume.
type store struct {
	mu      sync.Mutex
	listed  bool
	folders []string
	byName  map[string][]int32 // of a name in upper case: in which folders it is
	left    int                // names that may still be taken in
	damage  []error            // of what could not be listed
}

// store returns the stores of a volume.
func (v *Volumes) store(t tree) *store {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stores == nil {
		v.stores = map[tree]*store{}
	}
	if v.stores[t] == nil {
		v.stores[t] = new(store)
	}
	return v.stores[t]
}

// find returns the folders that have a file of that name. They are returned beside the error, which is of those that could
// not be listed.
func (s *store) find(ctx context.Context, t tree, name string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listed {
		s.folders, s.byName, s.damage, s.left = nil, map[string][]int32{}, nil, maxStored
		if err := rescue.Call(func() error { return s.list(ctx, t) }); err != nil {
			return nil, err
		}
		s.listed = true
	}
	var out []string
	for _, i := range s.byName[upper(name)] {
		out = append(out, s.folders[i])
	}
	return out, errors.Join(s.damage...)
}

// list lists all folders of the stores. The error is one for which nothing may be kept: reading failed.
func (s *store) list(ctx context.Context, t tree) error {
	for _, name := range stores {
		var folders []node
		err := childrenOf(ctx, t, name, func(n node) bool {
			if n.isDir() {
				folders = append(folders, n)
			}
			return len(folders) < maxFolders
		})
		if err := s.keep(ctx, err); err != nil {
			return err
		}
		for _, n := range folders {
			if err := s.keep(ctx, s.add(ctx, name+`\`+n.name(), n)); err != nil {
				return err
			}
		}
	}
	if s.left <= 0 {
		s.damage = append(s.damage, fmt.Errorf("volume: WinSxS and the driver store have more than %d files: the others are not looked for", maxStored))
	}
	return nil
}

// add takes in the names in a folder.
func (s *store) add(ctx context.Context, path string, folder node) error {
	s.folders = append(s.folders, path)
	return folder.children(ctx, func(n node) bool {
		if !n.isDir() {
			name := upper(n.name())
			s.byName[name] = append(s.byName[name], int32(len(s.folders)-1))
		}
		s.left--
		return s.left > 0
	})
}

// maxDamage is how many folders that could not be listed are told.
const maxDamage = 10

// keep notes an error that says that a folder is damaged, and returns any other.
func (s *store) keep(ctx context.Context, err error) error {
	switch {
	case err == nil || errors.Is(err, ErrNotFound):
		return nil
	case sparse.Failed(err) || ctx.Err() != nil:
		return err
	}
	if len(s.damage) < maxDamage {
		s.damage = append(s.damage, err)
	}
	return nil
}

// childrenOf calls f with what is in a folder of Windows.
func childrenOf(ctx context.Context, t tree, folder string, f func(node) bool) error {
	w := walk{stack: []node{t.root()}, rest: split(t.windows() + `\` + folder)}
	if err := w.run(ctx); err != nil {
		return err
	}
	if !w.top().isDir() {
		return nil
	}
	return w.top().children(ctx, f)
}
