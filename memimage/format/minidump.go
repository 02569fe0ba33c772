package format

import (
	"errors"
	"fmt"

	"memlens/memimage/minidump"
	"memlens/memimage/sparse"
)

// openMinidump opens the dump of a process.
func openMinidump(in *input) (*Image, error) {
	d, err := minidump.Open(in.Source)
	switch {
	case errors.Is(err, minidump.ErrFormat):
		return nil, ErrFormat
	case ended(err):
		return nil, in.shortHeader("a Windows minidump")
	case err != nil:
		return nil, fmt.Errorf("format: %s: %w", in.Name(), err)
	}
	if d.Promised > 0 {
		in.cut(Truncation{What: in.whole(), Have: uint64(in.Size()), Promised: d.Promised})
	}
	for _, note := range d.Notes {
		in.note("%s", note)
	}
	if d.Missing > 0 {
		in.note("Of the process's memory that the dump lists, %s are missing.", sizeText(d.Missing))
	}
	if err := refuseMinidump(in, d); err != nil {
		return nil, err
	}
	return &Image{Format: minidumpName(d), Memory: d.Memory, Process: d}, nil
}

// minidumpName returns the name of the kind of a minidump.
func minidumpName(d *minidump.Dump) string {
	if d.Full {
		return "Windows minidump of a process, full memory"
	}
	return "Windows minidump of a process, part of its memory"
}

// refuseMinidump is an error for a minidump in which there is nothing to recover.
func refuseMinidump(in *input, d *minidump.Dump) error {
	switch {
	case d.System != nil && d.System.OtherSystem() != "":
		return &NotMemoryError{Name: in.Name(), What: "a minidump of a process of another system (" + d.System.OtherSystem() + ")", Do: "only those of Windows can be read"}
	case d.Full && d.Memory.Covered() > 0 || hasModule(d):
		return nil
	case d.Missing > 0 || d.Full && d.Promised > 0:
		return fmt.Errorf("format: %s is a Windows minidump of whose memory nothing is there", in.Name())
	}
	return &NotMemoryError{Name: in.Name(), What: "a minidump without the process's memory",
		Do: "take one with it: procdump -ma, Task Manager's \"Create dump file\", or MiniDumpWriteDump with MiniDumpWithFullMemory"}
}

// hasModule reports whether the memory of a dump has the beginning of at least one module.
func hasModule(d *minidump.Dump) bool {
	const header = 0x40
	for _, m := range d.Modules {
		if m.Base < uint64(d.Memory.Size()) {
			if _, err := sparse.FirstHole(d.Memory, int64(m.Base), header); err == nil {
				return true
			}
		}
	}
	return false
}
