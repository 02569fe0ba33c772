package fs

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// guarded is a system with a program whose security cookie and guard pointers were set; its section .00cfg has only
// such pointers.
func guarded(t *testing.T) *FS {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "memimage", "restore", "testdata", "guard32.exe"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Builtin().ByName("Win7SP1x86")
	if err != nil {
		t.Fatal(err)
	}
	const cfg, cookie = 0x4000, 0x3004
	fill := func(image []byte) {
		for at := cfg; at < cfg+7*4; at += 4 {
			copy(image[at:], []byte{byte(at), 0x10, 0xed, 0x77})
		}
		copy(image[cookie:], []byte{1, 2, 3, 4})
	}
	none := func(page int) synth.Under { // the section's own pages of both are gone
		if page == cfg>>12 || page == cookie>>12 {
			return synth.UnderDisk
		}
		return synth.UnderValid
	}
	mem, err := synth.Build(synth.System{Profile: p, RAM: 16 << 20, Time: time.Date(2011, 1, 9, 19, 0, 0, 0, time.UTC), Processes: []synth.Process{
		{PID: 500, PPID: 4, Name: "guard.exe", Path: `C:\guard.exe`, Image: &synth.Executable{File: file}, Base: 0x12f0000, Mangle: fill, Section: none},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return tree(t, mem, Options{References: references(t, folder(t, map[string][]byte{"guard.exe": file}))})
}

// TestLoaderSlotsAreACause compares the program with its original: nothing differs for no cause.
func TestLoaderSlotsAreACause(t *testing.T) {
	f := guarded(t)
	for _, dir := range []string{"diff-vs", "diff-vs-restored"} {
		n := numbers(t, f, "500-guard.exe/"+dir+"/guard.exe.json").Bytes
		if n.Slot == 0 || n.Slot > 8*4 || n.Changed != 0 || n.NotRecovered != 0 {
			t.Errorf("%s: %+v", dir, n)
		}
		if moved := n.Relocated > 0; moved != (dir == "diff-vs") {
			t.Errorf("%s: %d bytes relocated", dir, n.Relocated)
		}
	}
}

// TestCertaintyIsShownAlike checks that the table, the information and the attributes say the same of a restored file.
func TestCertaintyIsShownAlike(t *testing.T) {
	f := guarded(t)
	var info processInfo
	if err := json.Unmarshal([]byte(read(t, f, "500-guard.exe/info.json")), &info); err != nil {
		t.Fatal(err)
	}
	if b := info.Restored.ImageBase; b.Address != 0x400000 || b.Certainty != "assumed" || b.Evidence != "linker default" || b.OtherBases != 65534 {
		t.Errorf("the base in info.json: %+v", b)
	}
	rows, err := csv.NewReader(strings.NewReader(read(t, f, "500-guard.exe/restored.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	bytes := map[string]int64{}
	for _, row := range rows[1:] {
		var n int64
		if err := json.Unmarshal([]byte(row[column["length"]]), &n); err != nil {
			t.Fatal(err)
		}
		sure := row[column["certainty"]]
		bytes[sure] += n
		if exact := row[column["exact"]] == "true"; exact != (sure == "exact") {
			t.Errorf("%v", row)
		}
		if undone := row[column["relocations_undone"]] != "0"; undone && !strings.Contains(row[column["note"]], "by ImageBase 0x400000, assumed: ") {
			t.Errorf("it does not say what it depends on: %v", row)
		}
	}
	if r := info.Restored; bytes["exact"] != r.Exact || bytes["assumed"] != r.Assumed || bytes["left"] != r.Left || bytes["missing"] != r.Missing || r.Left == 0 {
		t.Errorf("restored.csv has %v, info.json %+v", bytes, r)
	}
}
