package fs

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"memlens/memimage"
	"memlens/memimage/minidump"
)

// The dump of a process is shown as a tree with one process. The facts that only the memory of a whole system has are
// not in it.

// systemOnly are the names of rows that are made of a system's memory alone.
var systemOnly = []string{"memory.raw", driversCSV, driversDigestsCSV, driversComparedCSV, driversName, scannedName, MinidumpName, modifiedPicture, "modified.csv"}

// withoutSystem returns the rows that an image has: for the dump of a process, only the rows that need no system.
func withoutSystem[T any](im *memimage.Image, rows []row[T]) []row[T] {
	if !im.IsDump() {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r row[T]) bool { return slices.Contains(systemOnly, r.name) })
}

// dumpRows are additional rows in the directory of a process of which there is a dump.
var dumpRows = []row[*process]{
	dumpText("threads.csv", "a row per thread of the dump: id, name, environment block, stack, start address, times, priority", "threads",
		func(d *minidump.Dump) int { return len(d.Threads) }, (*process).threadsCSV),
	dumpText("unloaded-modules.csv", "a row per module that the process had unloaded, as the dump lists them: what was there is gone", "unloaded modules",
		func(d *minidump.Dump) int { return len(d.Unloaded) }, (*process).unloadedModulesCSV),
	dumpText("handles.csv", "a row per handle of the dump: value, type, name, granted access", "handles",
		func(d *minidump.Dump) int { return len(d.Handles) }, (*process).handlesCSV),
}

// dumpText is the row of a table that is made of a list of the dump.
func dumpText(name, doc, what string, count func(*minidump.Dump) int, make func(*process) ([]byte, error)) row[*process] {
	return row[*process]{name: name, doc: doc,
		lacks: func(p *process) error {
			if count(p.dump()) == 0 {
				return errors.New("the dump lists no " + what)
			}
			return nil
		},
		open: atOnce(func(p *process) (*body, error) {
			return p.exe.text(name, func() ([]byte, error) { return make(p) })
		}),
	}
}

// processRowsOf returns the rows of a process's directory.
func processRowsOf(im *memimage.Image) []row[*process] {
	if !im.IsDump() {
		return processRows
	}
	return append(withoutSystem(im, processRows), dumpRows...)
}

// dump returns the dump that the process is in.
func (p *process) dump() *minidump.Dump { return p.fs.image.Container.Process }

func (p *process) threadsCSV() ([]byte, error) {
	return table(threadColumns, func(add func(...string)) {
		d := p.dump()
		for i := range d.Threads {
			t := &d.Threads[i]
			fault := ""
			if d.Fault != nil && d.Fault.Thread == t.ID {
				fault = fmt.Sprintf("exception %#x at %#x", d.Fault.Code, d.Fault.Address)
			}
			add(fmt.Sprint(t.ID), t.Name, hex(t.TEB), hex(t.Stack), fmt.Sprint(t.StackSize), hex(t.Start), stampText(t.Created), stampText(t.Exited),
				fmt.Sprint(t.Suspended), fmt.Sprint(int32(t.Priority)), fault)
		}
	})
}

func (p *process) unloadedModulesCSV() ([]byte, error) {
	return table(unloadedModuleColumns, func(add func(...string)) {
		for _, m := range p.dump().Unloaded {
			add(m.Name, hex(m.Base), fmt.Sprint(m.Size), hexNumber(m.CheckSum), linkTime(m.TimeStamp))
		}
	})
}

// linkTime is the time stamp of an executable; empty for none.
func linkTime(stamp uint32) string {
	if stamp == 0 {
		return ""
	}
	return stampText(time.Unix(int64(stamp), 0))
}

func (p *process) handlesCSV() ([]byte, error) {
	return table(handleColumns, func(add func(...string)) {
		for _, h := range p.dump().Handles {
			add(hexNumber(h.Value), h.Type, h.Name, hexNumber(h.Access))
		}
	})
}
