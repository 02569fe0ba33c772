package memimage

import (
	"fmt"
	"strings"
	"unicode"

	"memlens/memimage/paging"
)

// dumpComment names the sources of the dump, and its gaps.
func (p *Process) dumpComment(m *userMemory, damage, threads, located int) string {
	var b strings.Builder
	k := p.image.Kernel
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Made by memlens from a memory image of %s build %d. No debugger took it, and the process was not stopped.", k.Version.OS(k.Profile.Arch()), k.Version.Build)
	line("Process %d, %s. Memory: %d pages in %d ranges, from all sources.", p.PID, plain(string(p.RawName)), m.present, len(m.ranges))
	if text := m.missingText(); text != "" {
		line("Missing pages, which are in no range: %s.", text)
	}
	if m.unknown > 0 {
		line("Of %d more pages it is not known whether they held anything: the kernel's entries of them are not in memory.", m.unknown)
	}
	if m.outside > 0 {
		line("%d pages are mapped where no address descriptor tells of memory: in MemoryInfoList their protection and type are 0, but those of the page at 0x7ffe0000, which all programs share.", m.outside)
	}
	if damage > 0 {
		line("The address descriptors are damaged: MemoryInfoList is not whole.")
	}
	if m.stopped != nil {
		line("Memory from %#x on was not looked for: %v.", uint64(m.from), m.stopped)
	}
	line("Threads: %d of %d could be told. %d have the registers that say where they run, as of when they last entered the kernel; all others are 0.", threads, p.Threads, located)
	line("Protection in MemoryInfoList is that with which memory was asked for. Not known, and 0: processor level and revision, times that the process ran; there is no list of unloaded modules.")
	m.nameGaps(line)
	return b.String()
}

// missingText counts the missing pages by reason; empty: no page is missing.
func (m *userMemory) missingText() string {
	var parts []string
	for state, n := range m.missing {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, lostText(paging.State(state))))
		}
	}
	return strings.Join(parts, ", ")
}

// nameGaps names the first missing stretches.
func (m *userMemory) nameGaps(line func(format string, args ...any)) {
	for i, g := range m.gaps {
		if i == namedGaps {
			line("… and more.")
			return
		}
		line("Missing %#x-%#x: %s", uint64(g.start), uint64(g.end-1), g.reason)
	}
}

// plain writes a name without control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
