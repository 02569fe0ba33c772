package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"memlens/memimage/synth/corpus"
)

// mountsOn returns the lines of the system's table of mounts that name a folder.
func mountsOn(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(readFile(t, "/proc/self/mounts")) {
		if strings.Contains(line, " "+dir+" ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestMountRunsACommand: the command sees the mount, the program ends with the command's status, and afterwards nothing is mounted.
func TestMountRunsACommand(t *testing.T) {
	corpus.Long(t)
	needFUSE(t)
	image, _ := demo(t)
	for _, c := range []struct {
		command []string
		status  int
		stdout  string
		stderr  string
	}{
		{[]string{"sh", "-c", `head -c2 "$MEMLENS_MOUNT/3256-cmd.exe/restored.exe"`}, 0, "MZ", ""},
		{[]string{"sh", "-c", "exit 7"}, 7, "", ""},
		{[]string{"sh", "-c", "kill -9 $$"}, 128 + 9, "", ""},
		{[]string{"no-such-command"}, 127, "", "memlens: no-such-command: there is no such command\n"},
		{[]string{"/dev/null"}, 126, "", "memlens: /dev/null: it may not be run\n"},
	} {
		dir := t.TempDir()
		r := memlens(t, append([]string{"mount", image, dir, "--"}, c.command...)...)
		said := strings.ReplaceAll(r.stderr, "memlens: note: The file has no header of a known container and is taken for raw: offset 0 is physical address 0, without gaps.\n", "")
		if r.code != c.status || r.stdout != c.stdout || !strings.Contains(said, c.stderr) || c.stderr == "" && said != "" {
			t.Errorf("%q: status %d, %q, %q", c.command, r.code, r.stdout, r.stderr)
		}
		if left := mountsOn(t, dir); left != "" {
			t.Errorf("%q: still mounted: %s", c.command, left)
		}
	}
	if r := memlens(t, "mount", image, t.TempDir(), "--"); r.code != 1 || !strings.Contains(r.stderr, "no command behind --") {
		t.Errorf("without a command: %d, %q", r.code, r.stderr)
	}
}

// TestMountEndsItsCommand: a program that gets a signal to end also ends its command, even if the command works in the mount.
func TestMountEndsItsCommand(t *testing.T) {
	needFUSE(t)
	for command, status := range map[string]int{"exec sleep 60": 128 + 15, "trap 'exit 0' TERM; while :; do sleep .05; done": 1} {
		dir, pidFile := t.TempDir(), filepath.Join(t.TempDir(), "pid")
		cmd := program(t, "mount", demoPath(t), dir, "--", "sh", "-c", `echo $$ > "$0"; cd "$MEMLENS_MOUNT"; `+command, pidFile)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := 0
		eventually(t, "the command runs", func() bool {
			raw, _ := os.ReadFile(pidFile)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(raw)))
			return pid > 0
		})
		time.Sleep(50 * time.Millisecond) // until it has set its trap
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Errorf("%s: status %d, want %d", command, got, status)
		}
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("%s: the command still runs", command)
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if left := mountsOn(t, dir); left != "" {
			t.Errorf("%s: still mounted: %s", command, left)
		}
	}
}

// TestMountInBackground: the program returns when the image is mounted, and the program in the background ends with
// the mount. If there is no mount, the program says why.
func TestMountInBackground(t *testing.T) {
	needFUSE(t)
	image, _ := demo(t)
	dir, log, pidFile := t.TempDir(), filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "pid")
	out := succeeds(t, "mount", image, dir, "--daemon", "--log", log, "--pid-file", pidFile)
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	pid, err := strconv.Atoi(strings.TrimSpace(readFile(t, pidFile)))
	if err != nil || !strings.Contains(out, fmt.Sprintf("is mounted on %s: Windows XP SP2 (build 2600, x86), 12 processes; process %d; log: %s", dir, pid, log)) {
		t.Fatalf("%v: %s", err, out)
	}
	if got := readFile(t, filepath.Join(dir, "3256-cmd.exe/restored.exe")); !strings.HasPrefix(got, "MZ") {
		t.Error("the mount does not serve")
	}
	if said := readFile(t, log); !strings.Contains(said, "taken for raw") {
		t.Errorf("the log says %q", said)
	}
	tool(t, "umount", dir)
	eventually(t, "the program in the background ends", func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) })
	if _, err := os.Stat(pidFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file with its id: %v", err)
	}
	bad := writeFile(t, "bad", []byte("no image"))
	if r := memlens(t, "mount", image, dir, "--log", log); r.code != 1 || !strings.Contains(r.stderr, "give --daemon") {
		t.Errorf("a log without a background: %d, %q", r.code, r.stderr)
	}
	if r := memlens(t, "mount", bad, dir, "--daemon"); r.code != 1 || !strings.Contains(r.stderr, "no Windows system found") || r.stdout != "" {
		t.Errorf("of what is no image: %d, %q, %q", r.code, r.stdout, r.stderr)
	}
}

// isZombie reports whether a process has ended and nobody has asked for its status.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// TestMountHelper mounts by mount(8), as fstab does.
func TestMountHelper(t *testing.T) {
	needFUSE(t)
	needTool(t, "mount.fuse3")
	if os.Getuid() != 0 {
		skip(t, "mount(8) needs root")
	}
	image, originals := demo(t)
	bin, dir := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=1 XDG_CACHE_HOME=%s exec %s \"$@\"\n", mainEnv, t.TempDir(), self)
	if err := os.WriteFile(filepath.Join(bin, "memlens"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(options string) (string, error) {
		// by its path, so that it is not an installed program
		out, err := exec.Command("mount", "-t", "fuse."+filepath.Join(bin, "memlens"), image, dir, "-o", options).CombinedOutput()
		return string(out), err
	}
	if out, err := mount("ro,noauto,allow_other,reference=" + originals); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	if got := mountsOn(t, dir); !strings.Contains(got, "fuse.memlens ro,") || !strings.Contains(got, "allow_other") {
		t.Errorf("mounted as %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "3256-cmd.exe/diff-vs/cmd.exe.bmp")); err != nil {
		t.Error(err)
	}
	tool(t, "umount", dir)
	if out, err := mount("defaults"); err != nil { // mount(8) makes rw from it
		t.Fatalf("defaults: %v, %s", err, out)
	}
	if got := mountsOn(t, dir); !strings.Contains(got, "fuse.memlens ro,") {
		t.Errorf("with defaults it is mounted as %q", got)
	}
}

// TestHelperArgs: the arguments from mount(8) and mount.fuse become arguments of the mount command.
func TestHelperArgs(t *testing.T) {
	command := isCommandOf(rootCommand())
	here := t.TempDir()
	for _, c := range []struct {
		program string
		args    []string
		want    string // part of the arguments, or of the error
		is      bool
	}{
		{"/sbin/mount.memlens", []string{"x.raw", here, "-o", "ro"}, "mount --daemon x.raw " + here, true},
		{"/sbin/mount.fuse.memlens", []string{"x.raw", here, "-v", "-n", "-o", `reference=a\,b,scan,profile=WinXPSP2x86,x-systemd.automount`}, "mount --daemon -v --reference=a,b --scan --profile=WinXPSP2x86 x.raw " + here, true},
		{"mount.memlens", []string{"x.raw", here, "-o", "rw,user=ann,strictatime,X-mount.mkdir"}, "mount --daemon x.raw " + here, true},
		{"/usr/bin/memlens", []string{"x.raw", here, "-o", "allow_other,_netdev"}, "mount --daemon --allow-other x.raw " + here, true},
		{"memlens", []string{"mount", "x.raw", here}, "", false},
		{"memlens", []string{"extract", "x.raw", "-o", "out"}, "", false},
		{"memlens", []string{"x.raw", here}, "", false},
		{"memlens", []string{"extrct", "x.raw", "-o", "out"}, "", false},
		{"mount.memlens", []string{"x.raw"}, "takes an image and a folder", true},
		{"mount.memlens", []string{"x.raw", here, "-o", "cheese"}, `there is no option "cheese"`, true},
		{"mount.memlens", []string{"x.raw", here, "-o", "reference"}, "the option reference wants a value", true},
		{"mount.memlens", []string{"x.raw", here, "--bind"}, "not --bind", true},
	} {
		args, is, err := helperArgs(c.program, c.args, command)
		got := strings.Join(args, " ")
		if err != nil {
			got = err.Error()
		}
		if is != c.is || !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%s %q: %q (%v)", c.program, c.args, got, is)
		}
	}
	if got := splitOptions(`a,b\,c,,d\`); !slices.Equal(got, []string{"a", "b,c", "", `d\`}) {
		t.Errorf("%q", got)
	}
}

// TestTemporaryLog mounts in the background without a file for the log. The messages about the mount are printed. The temporary
// file is removed with the mount, except if there were messages since.
func TestTemporaryLog(t *testing.T) {
	needFUSE(t)
	image, _ := demo(t)
	for _, says := range []bool{false, true} {
		dir, temporary := t.TempDir(), t.TempDir()
		t.Setenv("TMPDIR", temporary)
		r := memlens(t, "mount", image, dir, "--daemon")
		t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
		logs := matches(t, filepath.Join(temporary, "memlens-*.log"))
		if r.code != 0 || len(logs) != 1 || !strings.HasSuffix(r.stdout, "; log: "+logs[0]+"\n") || !strings.Contains(r.stderr, "memlens: note: ") {
			t.Fatalf("status %d, logs %q: %s%s", r.code, logs, r.stdout, r.stderr)
		}
		_, after, _ := strings.Cut(r.stdout, "; process ")
		pid, err := strconv.Atoi(strings.Split(after, ";")[0])
		if err != nil {
			t.Fatal(err)
		}
		if says {
			if err := os.Truncate(image, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := os.ReadFile(filepath.Join(dir, "memory.raw")); err == nil {
				t.Error("an image that was cut is read")
			}
		}
		tool(t, "umount", dir)
		eventually(t, "the program in the background ends", func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) })
		if left := matches(t, logs[0]); (left != nil) != says {
			t.Errorf("with messages: %v: %q stays", says, left)
		}
	}
}
