package mdmp

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// arches are the architectures that the tools are tried with, and lldb's names for them.
var arches = map[Arch]string{X86: "i386", X64: "x86_64", ARM64: "aarch64"}

// TestLLDB opens dumps in a debugger: the architecture, the process, modules with the identities of their symbol
// files, memory, regions, threads and the known registers.
func TestLLDB(t *testing.T) {
	for arch, name := range arches {
		d, memory := sample(t, arch)
		if arch == ARM64 {
			d.Threads = d.Threads[:0]
		}
		base := d.Modules[0].Base
		commands := []string{"target list", "image list", "thread list", fmt.Sprintf("memory read --format x --size 1 --count 8 %#x", base+0x3000), fmt.Sprintf("memory region %#x", base)}
		if arch != ARM64 {
			commands = append(commands, "register read")
		}
		args := []string{"--no-lldbinit", "--batch", "-c", saved(t, d, memory)}
		for _, c := range commands {
			args = append(args, "-o", c)
		}
		out := output(t, "lldb", args...)
		want := []string{"(" + name + ")", "pid=3256", `04030201-0605-0807-090A-0B0C0D0E0F10`, fmt.Sprintf("0x%0*x C:\\Windows\\a.exe", width(arch), base), `C:\Windows\ü.dll`,
			hexBytes(t, memory, base+0x3000), fmt.Sprintf("[0x%016x-0x%016x) rwx", base, base+0x5000)}
		switch arch {
		case X86:
			want = append(want, "tid = 0x0064", "tid = 0x0068", fmt.Sprintf("eip = 0x%08x", base+0x1234), "esp = 0x0012f800", "ebp = 0x0012f900", "eflags = 0x00000246")
		case X64:
			want = append(want, "tid = 0x0064", fmt.Sprintf("rip = 0x%016x", base+0x1234), "rsp = 0x0000004b0c2ff800", "rflags = 0x0000000000000246")
		}
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%s: lldb does not say %q:\n%s", name, text, out)
			}
		}
	}
}

// width is how many digits lldb writes for an address.
func width(a Arch) int {
	if a == X86 {
		return 8
	}
	return 16
}

// hexBytes writes eight bytes as lldb does.
func hexBytes(t *testing.T, memory interface {
	ReadAt([]byte, int64) (int, error)
}, at uint64) string {
	t.Helper()
	b := make([]byte, 8)
	if _, err := memory.ReadAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`..`).ReplaceAllString(fmt.Sprintf("%x", b), " 0x$0")[1:]
}

// TestObj2yaml reads the structures member by member with LLVM's object library.
func TestObj2yaml(t *testing.T) {
	for arch, name := range map[Arch]string{X86: "X86", X64: "AMD64", ARM64: "ARM64"} {
		d, memory := sample(t, arch)
		out := output(t, "obj2yaml", saved(t, d, memory))
		for _, text := range []string{
			"Flags:           0x802", "Processor Arch:  " + name, "Number of Processors: 4", "Product type:    1", "Major Version:   10", "Build Number:    19041",
			"Platform ID:     Win32NT", "CSD Version:     Service Pack 2", "Suite Mask:      0x110", "Thread Id:       0x64",
			fmt.Sprintf("Base of Image:   0x%X", d.Modules[0].Base), "Size of Image:   0x5000", "Checksum:        0x1234", "Time Date Stamp: 1588747520",
			`Module Name:     'C:\Windows\a.exe'`, "Signature:       0xFEEF04BD", "File Version High: 0x10002", "CodeView Record: 525344530102030405060708090A0B0C0D0E0F1007000000612E70646200",
			fmt.Sprintf("Base Address:    0x%X", d.Regions[1].Start), "Region Size:     0x5000", "MEM_COMMIT", "PAGE_EXECUTE_WRITE_COPY", "MEM_IMAGE",
		} {
			if !strings.Contains(out, text) {
				t.Errorf("%s: obj2yaml does not say %q:\n%s", name, text, out)
			}
		}
	}
}

// TestBreakpad reads the same with Breakpad's minidump_dump, if it is installed; Debian has no package of it.
func TestBreakpad(t *testing.T) {
	path, err := exec.LookPath("minidump_dump")
	if err != nil {
		t.Skip(err)
	}
	for arch := range arches {
		d, memory := sample(t, arch)
		out, _ := exec.Command(path, saved(t, d, memory)).Output() // it fails if there is no MemoryListStream, as in dumps of Windows
		for _, text := range []string{
			"number_of_processors                       = 4", `(csd_version)                              = "Service Pack 2"`, "process_id                   = 3256",
			`(code_file)                     = "C:\Windows\a.exe"`, "version_info.file_version       = 0x10002:0x30004", `(debug_identifier)              = "0403020106050807090A0B0C0D0E0F107"`,
			"thread_id                   = 0x64", fmt.Sprintf("base_address          = %#x", d.Regions[1].Start), "info_count = 2",
		} {
			if !strings.Contains(string(out), text) {
				t.Errorf("minidump_dump does not say %q:\n%s", text, out)
			}
		}
	}
}
