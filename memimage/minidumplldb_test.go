package memimage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMinidumpInLLDB opens the minidumps of a process of each width in a debugger. The debugger must see the bytes of
// the classic dump at the base of each module, and the waiting thread at its entry into the kernel.
func TestMinidumpInLLDB(t *testing.T) {
	lldb, err := exec.LookPath("lldb")
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	systems := dumpedSystems(t)
	for _, c := range []struct {
		system string
		wow64  bool
		says   []string
	}{
		{"x86", false, []string{"(i386)", "tid = 0x0264", "eip = 0x00401234", "esp = 0x00232000"}},
		{"x64", false, []string{"(x86_64)", "tid = 0x0264", "rip = 0x0000000000401234", "rsp = 0x0000000000232000"}},
		{"x64", true, []string{"(x86_64)"}},
	} {
		im := openMemory(t, buildMemory(t, systems[c.system]), Options{})
		list, _ := im.Processes()
		for _, p := range list {
			if _, wow64 := p.Wow64PEB(); wow64 == c.wow64 && (wow64 || p.PID == 400) {
				checkInLLDB(t, lldb, p, c.says)
			}
		}
	}
}

func checkInLLDB(t *testing.T, lldb string, p *Process, says []string) {
	t.Helper()
	d := minidumpOf(t, p)
	file := make([]byte, d.File.Size())
	if n, err := d.File.ReadAt(file, 0); n < len(file) {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "minidump.dmp")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--no-lldbinit", "--batch", "-c", path, "-o", "image list", "-o", "thread list"}
	says = append(says, fmt.Sprintf("Core file '%s'", path))
	for _, m := range d.Dump.Modules {
		says = append(says, m.Name)
		args = append(args, "-o", fmt.Sprintf("memory read --format x --size 1 --num-per-line 16 --count 64 %#x", m.Base))
	}
	if exe, err := p.MemoryDump(); err == nil {
		head := make([]byte, 64)
		if _, err := exe.Reader.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(head); at += 16 {
			line := ""
			for _, c := range head[at : at+16] {
				line += fmt.Sprintf(" 0x%02x", c)
			}
			says = append(says, fmt.Sprintf("%x:%s", uint64(exe.Base)+uint64(at), line))
		}
	}
	if len(d.Dump.Threads) > 1 && d.Dump.Threads[1].Context != nil {
		args = append(args, "-o", "thread select 2", "-o", "register read")
	}
	out, err := exec.Command(lldb, args...).CombinedOutput()
	for _, text := range says {
		if !strings.Contains(string(out), text) {
			t.Errorf("process %d: lldb does not say %q (%v):\n%s", p.PID, text, err, out)
		}
	}
}
