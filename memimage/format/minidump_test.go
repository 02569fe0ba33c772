package format

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// writeMinidump writes a minidump of a process with that memory: in a Memory64ListStream or in a MemoryListStream, where the
// first range is the beginning of a module.
func writeMinidump(full bool, runs []run) []byte {
	le := binary.LittleEndian
	system := make([]byte, 56)
	le.PutUint16(system, 9)
	le.PutUint32(system[20:], 2)
	module := make([]byte, 4+108)
	le.PutUint32(module, 1)
	list := le.AppendUint64(nil, uint64(len(runs)))
	kind, each := uint32(9), 16
	if !full {
		kind, list = 5, le.AppendUint32(nil, uint32(len(runs)))
	}
	at := 32 + 3*12 + len(system) + len(module) + len(list) + each*len(runs)
	if full {
		at += 8
		list = le.AppendUint64(list, uint64(at))
	}
	for _, r := range runs {
		list = le.AppendUint64(list, r.addr)
		if full {
			list = le.AppendUint64(list, uint64(len(r.data)))
			continue
		}
		list = le.AppendUint32(le.AppendUint32(list, uint32(len(r.data))), uint32(at))
		at += len(r.data)
	}
	if len(runs) > 0 {
		le.PutUint64(module[4:], runs[0].addr)
	}
	out := append([]byte("MDMP\x93\xa7\x00\x00"), 3, 0, 0, 0, 32, 0, 0, 0)
	out = append(out, make([]byte, 16)...)
	off := 32 + 3*12
	for _, s := range []struct {
		kind uint32
		data []byte
	}{{7, system}, {4, module}, {kind, list}} {
		out = le.AppendUint32(le.AppendUint32(le.AppendUint32(out, s.kind), uint32(len(s.data))), uint32(off))
		off += len(s.data)
	}
	out = append(append(append(out, system...), module...), list...)
	for _, r := range runs {
		out = append(out, r.data...)
	}
	return out
}

// minidumpWrappings are the minidumps among all formats: their addresses are virtual.
func minidumpWrappings() []wrapping {
	return []wrapping{
		{name: "minidump, full", format: "Windows minidump of a process, full memory", write: file("a.dmp", func(r []run) []byte { return writeMinidump(true, r) })},
		{name: "minidump, part", format: "Windows minidump of a process, part of its memory", write: file("a.dmp", func(r []run) []byte { return writeMinidump(false, r) })},
	}
}

func TestMinidumpRefused(t *testing.T) {
	runs := testMemory()
	linux, none := writeMinidump(true, runs), writeMinidump(false, nil)
	linux[32+3*12+20], linux[32+3*12+21] = 0x01, 0x82
	elsewhere := writeMinidump(false, runs)
	elsewhere[32+3*12+56+4+5] = 0x7f
	for want, data := range map[string][]byte{
		"of another system (Linux)":    linux,
		"without the process's memory": none,
		"without the process's mem":    elsewhere,
		"without the process":          append([]byte("MDMP\x93\xa7"), make([]byte, 100)...),
	} {
		_, err := Open(newMemSource("f.dmp", data), Options{})
		var not *NotMemoryError
		if !errors.As(err, &not) || !strings.Contains(not.What, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	whole := writeMinidump(true, runs)
	if _, err := Open(newMemSource("f.dmp", whole[:250]), Options{}); err == nil || !strings.Contains(err.Error(), "is truncated") || !strings.Contains(err.Error(), "nothing is there") {
		t.Errorf("without any of its memory: %v", err)
	}
	im, err := Open(newMemSource("f.dmp", whole[:len(whole)-100]), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(im.Truncated) != 1 || im.Truncated[0].Promised != uint64(len(whole)) || !strings.Contains(strings.Join(im.Notes, " "), "100 bytes are missing") {
		t.Errorf("%v, %v", im.Truncated, im.Notes)
	}
	if im.Process == nil || im.Process.System.Build != 0 || len(im.Process.Modules) != 1 {
		t.Errorf("%+v", im.Process)
	}
}

func FuzzMinidumpImage(f *testing.F) {
	f.Add(writeMinidump(true, testMemory()[:1]))
	f.Add(writeMinidump(false, testMemory()[:1]))
	fuzzOpener(f, openMinidump)
}
