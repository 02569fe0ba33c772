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

// stores are the folders of Windows that have a folder for each version of each component.
var stores = [...]string{`System32\DriverStore\FileRepository`, "WinSxS"}

// Named finds all files with a name in the folders where Windows has its modules: System32, SysWOW64, the drivers,
// Windows itself, and then each folder of the driver store and of WinSxS. Those two are listed when they are first
// needed, which takes some time: stop when the right file is found. An error names a folder that may have the name,
// too.
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

// namedOn yields the files of a name on a volume; false: the caller wants no more.
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
	byName  map[string][]int32 // by name in upper case: the folders that have it
	left    int                // how many more names may be taken in
	damage  []error            // of folders that could not be listed
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

// find returns the folders that have a file of that name. They are returned even with an error, which is about
// folders that could not be listed.
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

// list lists all folders of the stores. An error means that reading failed: then nothing may be kept.
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

// maxDamage is how many folders that could not be listed are named.
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

// childrenOf calls f with the files and folders in a folder of Windows.
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
