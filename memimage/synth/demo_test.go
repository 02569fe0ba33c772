package synth

import (
	"bytes"
	"testing"
)

func TestDemo(t *testing.T) {
	s := Demo()
	m := build(t, s)
	checkSystem(t, s, m)
	if len(m.Truth.Processes) != 14 {
		t.Errorf("%d processes, want 14 with System", len(m.Truth.Processes))
	}
	originals := DemoOriginals()
	total := 0
	for name, file := range originals {
		total += len(file)
		if _, err := parseImage(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	cmd := findPID(t, m, 3256)
	if cmd.Base != 0x4ad00000 || cmd.Name != "cmd.exe" {
		t.Errorf("process 3256 is %q at %#x, want cmd.exe at 0x4ad00000", cmd.Name, cmd.Base)
	}
	if n := len(cmd.File); n < 60<<10 || n > 120<<10 {
		t.Errorf("cmd.exe has %d bytes, want 60 to 120 KB for the picture", n)
	}
	if !bytes.Equal(cmd.File, originals["cmd.exe"]) {
		t.Error("cmd.exe in memory and on disk are not the same file")
	}
}

func TestDemoDumps(t *testing.T) {
	m := build(t, Demo())
	cmd := findPID(t, m, 3256)
	exe, err := cmd.ProcExeDump(OwnTable)
	if err != nil {
		t.Fatal(err)
	}
	if len(exe) != len(cmd.File) {
		t.Errorf("procexedump has %d bytes, the file %d", len(exe), len(cmd.File))
	}
	if d := differing(exe, cmd.File); d == 0 || d > len(exe)/20 {
		t.Errorf("%d bytes differ from the original, want imports and data only", d)
	}
	hollow := findPID(t, m, 1912)
	exe, err = hollow.ProcExeDump(OwnTable)
	if err != nil {
		t.Fatal(err)
	}
	if payload := demoPrograms()["payload.exe"].File; differing(exe, payload) > len(payload)/20 {
		t.Error("the hollowed process does not hold the payload")
	}
}

func differing(a, b []byte) (n int) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func findPID(t testing.TB, m *Memory, pid uint64) *ProcessTruth {
	t.Helper()
	for i := range m.Truth.Processes {
		if m.Truth.Processes[i].PID == pid {
			return &m.Truth.Processes[i]
		}
	}
	t.Fatalf("no process %d", pid)
	return nil
}

func BenchmarkDemo(b *testing.B) {
	for b.Loop() {
		if _, err := Build(Demo()); err != nil {
			b.Fatal(err)
		}
	}
}
