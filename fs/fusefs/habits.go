//go:build linux

package fusefs

import "sync"

// habits know which processes look at the files of the directories that they list, as "ls -l" and "find -ls" do.
// Listings for these processes have the facts that stat shows of every file, so the processes need not ask file by
// file. Listings for others, such as "ls" and "find -name", do not have them: nobody would read them.
type habits struct {
	mu   sync.Mutex
	last [8]habit // of the processes that listed last, by turns
	turn int
}

// habit is the habit of a process. It has listed dir, which holds so many files, and has looked at so many since.
type habit struct {
	pid           uint32
	dir           uint64 // its number; 0: nothing is known of anybody
	files, looked int
	looks         bool // at half of the files, at least
}

// of returns the habit of a process, or nil.
func (h *habits) of(pid uint32) *habit {
	for i := range h.last {
		if h.last[i].dir != 0 && h.last[i].pid == pid {
			return &h.last[i]
		}
	}
	return nil
}

// listing notes that a process lists a directory of so many files, and reports whether it looks at them.
func (h *habits) listing(pid uint32, dir uint64, files int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.of(pid)
	if known == nil {
		known = &h.last[h.turn]
		h.turn = (h.turn + 1) % len(h.last)
		*known = habit{pid: pid}
	}
	known.dir, known.files, known.looked = dir, files, 0
	return known.looks
}

// lookedUp notes that a process has asked for a child of a directory.
func (h *habits) lookedUp(pid uint32, parent uint64, dir bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.of(pid)
	if known == nil || known.dir != parent || dir {
		return
	}
	known.looked++
	known.looks = known.looks || 2*known.looked >= known.files
}
