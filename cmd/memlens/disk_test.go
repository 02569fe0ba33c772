package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// windowsPaths are the paths of the demo's programs on its disk.
func windowsPath(name string) string {
	switch name {
	case "explorer.exe":
		return `\WINDOWS\Explorer.EXE`
	case "setup.exe", "agent.exe":
		return `\Documents and Settings\user\` + name
	}
	return `\WINDOWS\system32\` + name
}

// runTool runs an external program.
func runTool(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	path := name
	if _, err := exec.LookPath(name); err != nil {
		path = filepath.Join("/usr/sbin", name)
	}
	needTool(t, path)
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// demoDisk makes the disk of the demo's machine by other tools: mkntfs and ntfs-3g write the volume, sfdisk the partition
// table, and ewfacquire the evidence file.
func demoDisk(t *testing.T) string {
	t.Helper()
	const sectors = 24 << 11 // 24 MiB
	dir := t.TempDir()
	disk, volume := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "volume.raw")
	for path, size := range map[string]int64{disk: sectors*512 + 2<<20, volume: sectors * 512} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	runTool(t, "", "mkntfs", "-F", "-q", "-Q", volume)
	fillVolume(t, volume)
	runTool(t, "label: gpt\nstart=2048,size=49152,type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n", "sfdisk", "-q", "--no-reread", "--no-tell-kernel", disk)
	runTool(t, "", "dd", "if="+volume, "of="+disk, "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none")
	runTool(t, "", "ewfacquire", "-u", "-q", "-f", "encase6", "-c", "fast", "-t", filepath.Join(dir, "disk"), disk)
	return filepath.Join(dir, "disk.E01")
}

// fillVolume copies the originals into a volume.
func fillVolume(t *testing.T, volume string) {
	t.Helper()
	needFUSE(t)
	dir := t.TempDir()
	runTool(t, "", "ntfs-3g", volume, dir)
	for name, data := range synth.DemoOriginals() {
		path := filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(windowsPath(name), `\`, "/")))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Unmount(dir, 0); err != nil {
		runTool(t, "", "fusermount3", "-u", dir)
	}
	for range 500 { // ntfs-3g needs a moment to end
		if exec.Command("pgrep", "-f", "ntfs-3g "+volume).Run() != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("ntfs-3g does not end")
}

// TestDiskImageAsReference compares every module of a system with its own file in an image of the system's disk. Only
// --reference is given: with that image, and then with the volume as a folder.
func TestDiskImageAsReference(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	disk := demoDisk(t)
	image, _ := demo(t)
	m := mounted(t, image, "--reference", disk)
	checkComparedWithDisk(t, m)
	var info struct {
		Reference struct{ Path, Match, MD5 string }
		Bytes     struct {
			Total, Equal int64
		}
	}
	b, err := os.ReadFile(m.path("3256-cmd.exe", "diff-vs-restored", "cmd.exe.json"))
	if err != nil || json.Unmarshal(b, &info) != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if info.Reference.Match != "same path" || !strings.HasSuffix(info.Reference.Path, `: \WINDOWS\system32\cmd.exe`) || info.Bytes.Equal != info.Bytes.Total {
		t.Errorf("%s", b)
	}
	classic, err := os.ReadFile(m.path("3256-cmd.exe", "diff-vs-restored", "cmd.exe.original.bmp"))
	if err != nil || len(classic) < 1000 {
		t.Errorf("the picture of the original: %d bytes, %v", len(classic), err)
	}
	m.unmount()
	if log := m.log.String(); !strings.Contains(log, "Modules are compared with their own files on "+disk) {
		t.Errorf("the mount says:\n%s", log)
	}
	handler, _ := tagged(t, filepath.Dir(disk), 0)
	server := httptest.NewServer(handler)
	defer server.Close()
	remote := mounted(t, image, "--reference", server.URL+"/disk.E01?sig=topsecret")
	checkComparedWithDisk(t, remote)
	remote.unmount()
	if log := remote.log.String(); !strings.Contains(log, "Modules are compared with their own files on "+server.URL+"/disk.E01, which") || strings.Contains(log, "topsecret") {
		t.Errorf("the mount says:\n%s", log)
	}
}

// TestMountedVolumeAsReference compares with the folder of a volume, as if another tool had mounted the machine's
// disk. The names have other upper and lower case.
func TestMountedVolumeAsReference(t *testing.T) {
	dir := t.TempDir()
	for name, data := range synth.DemoOriginals() {
		path := filepath.Join(dir, filepath.FromSlash(strings.ToLower(strings.ReplaceAll(windowsPath(name), `\`, "/"))))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	image, _ := demo(t)
	m := mounted(t, image, "--reference", dir)
	checkComparedWithDisk(t, m)
	m.unmount()
}

// checkComparedWithDisk checks that every module is compared with the file of its own path.
func checkComparedWithDisk(t *testing.T, m *mount) {
	t.Helper()
	processes, err := filepath.Glob(m.path("*", "compared.csv"))
	if err != nil || len(processes) < 10 {
		t.Fatalf("%d tables, %v\n%s", len(processes), err, m.log.String())
	}
	modules := 0
	for _, path := range processes {
		for _, row := range table(t, path) {
			modules++
			_, name, _ := strings.Cut(row["directory"], "-")
			want := strings.ToLower(": " + windowsPath(strings.ToLower(name)))
			if row["match"] != "same path" || !strings.HasSuffix(strings.ToLower(strings.TrimSpace(row["reference"])), want) {
				t.Errorf("%s: %v, want the file %s", path, row, want)
			}
			hollow := strings.Contains(path, "1912-") && name == "svchost.exe"
			if differs := row["otherwise_changed"] != "0"; differs != hollow {
				t.Errorf("%s: %v", path, row)
			}
		}
	}
	if modules < 30 {
		t.Errorf("%d modules", modules)
	}
}

// TestUnreadableOnDisk: a disk without a Windows is refused, and the error says what the disk has.
func TestUnreadableOnDisk(t *testing.T) {
	image, _ := demo(t)
	disk := filepath.Join(t.TempDir(), "data.raw")
	if err := os.WriteFile(disk, append(bytes.Repeat([]byte{0}, 3), append([]byte("EXFAT   "), make([]byte, 2<<20)...)...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := memlens(t, "info", image)
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	r = memlens(t, "extract", image, "--out", filepath.Join(t.TempDir(), "out"), "--reference", disk)
	if r.code == 0 || !strings.Contains(r.stderr, "exFAT") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
