package fs

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/digest"
)

// digestRows are the rows of a table of digests, by the path of the file, with the name of each column.
func digestRows(t *testing.T, f *FS, name string) map[string]map[string]string {
	t.Helper()
	text := read(t, f, name)
	info, err := f.Stat(name)
	if err != nil || info.Size() != int64(len(text)) {
		t.Fatalf("%s has %d bytes, %v announced: %v", name, len(text), info, err)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out := map[string]map[string]string{}
	for _, row := range rows[1:] {
		cells := map[string]string{}
		for i, column := range rows[0] {
			cells[column] = row[i]
		}
		file := path.Join(path.Dir(name), cells["directory"], cells["file"])
		if out[file] != nil {
			t.Errorf("%s has two rows of %s", name, file)
		}
		out[file] = cells
	}
	return out
}

// executablesIn are the recovered executables of a directory.
func executablesIn(t *testing.T, f *FS, dir string) (out []string) {
	t.Helper()
	entries, err := f.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, kind := range []*moduleKind{ownKind, dllKind, driverKind} {
			for _, name := range kind.names {
				if e.Name() == name {
					out = append(out, path.Join(dir, name))
				}
			}
		}
	}
	return out
}

// filesOf are the files that a table of digests must have: the files in directories below the table's own.
func filesOf(t *testing.T, f *FS, table string, in func(string) bool) (out []string) {
	t.Helper()
	dir := path.Dir(table)
	entries, err := f.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && in(e.Name()) {
			out = append(out, executablesIn(t, f, path.Join(dir, e.Name()))...)
		}
	}
	return out
}

// TestDigestTables compares the tables of digests with the output of the tools that make them, of the files as the tree
// shows them.
func TestDigestTables(t *testing.T) {
	f, _ := demo(t)
	isProcess := func(name string) bool { return name[0] >= '0' && name[0] <= '9' }
	all := func(string) bool { return true }
	tables := map[string][]string{
		"digests.csv":                 filesOf(t, f, "digests.csv", isProcess),
		"scanned/digests.csv":         filesOf(t, f, "scanned/digests.csv", isProcess),
		"drivers-digests.csv":         filesOf(t, f, "drivers/x", all),
		"scanned/drivers-digests.csv": filesOf(t, f, "scanned/drivers/x", all),
		"3256-cmd.exe/digests.csv":    append(executablesIn(t, f, "3256-cmd.exe"), filesOf(t, f, "3256-cmd.exe/modules/x", all)...),
	}
	for name, want := range tables {
		rows := digestRows(t, f, name)
		for _, file := range want {
			if rows[file] == nil {
				t.Errorf("%s lacks %s", name, file)
			}
		}
		if len(rows) != len(want) {
			t.Errorf("%s has %d rows, want %d", name, len(rows), len(want))
		}
		for file, row := range rows {
			checkDigestRow(t, f, file, row)
		}
		if name == "3256-cmd.exe/digests.csv" {
			compareWithTools(t, f, rows)
		}
	}
}

// checkDigestRow compares a row with the file, and with the other places in the tree that have its digests.
func checkDigestRow(t *testing.T, f *FS, file string, row map[string]string) {
	t.Helper()
	data := read(t, f, file)
	d, err := digest.Some(digest.Kinds{Sums: true, Alike: true}, path.Base(file), strings.NewReader(data), int64(len(data)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]string{"size": fmt.Sprint(len(data)), "md5": d.MD5, "sha256": d.SHA256, "ssdeep": d.Ssdeep, "tlsh": d.TLSH} {
		if row[column] != want {
			t.Errorf("%s, %s: %q, want %q", file, column, row[column], want)
		}
	}
	open, err := f.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	attribute := func(name string) string {
		value, _ := open.(Xattrer).Xattr(xattrPrefix + name)
		return string(value)
	}
	missing := attribute("bytes_missing")
	if strings.HasPrefix(path.Base(file), "restored.") {
		missing = attribute("bytes.missing")
		if complete := attribute("complete"); row["complete"] != complete {
			t.Errorf("%s is complete: %s, want %s", file, row["complete"], complete)
		}
		if hash := attribute("authentihash"); row["authentihash"] != hash && row["authentihash"] != "" {
			t.Errorf("%s has the authentihash %s, want %s", file, row["authentihash"], hash)
		}
	} else if complete := fmt.Sprint(missing == "0"); row["complete"] != complete || row["imphash"]+row["authentihash"] != "" {
		t.Errorf("%s: %v, want complete: %s, and no hash of imports or of what is signed", file, row, complete)
	}
	if row["bytes_missing"] != missing {
		t.Errorf("%s lacks %s bytes, want %s", file, row["bytes_missing"], missing)
	}
}

// compareWithTools compares the digests with the digests of md5deep, sha256deep and ssdeep.
func compareWithTools(t *testing.T, f *FS, rows map[string]map[string]string) {
	t.Helper()
	for column, command := range map[string][]string{"md5": {"md5deep", "-q"}, "sha256": {"sha256deep", "-q"}, "ssdeep": {"ssdeep", "-s", "-b"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
				t.Fatal(err)
			}
			t.Logf("%s is not installed", command[0])
			continue
		}
		for file, row := range rows {
			at := filepath.Join(t.TempDir(), path.Base(file))
			if err := os.WriteFile(at, []byte(read(t, f, file)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(command[0], append(command[1:], at)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			got, _, _ := strings.Cut(lines[len(lines)-1], ",")
			if strings.TrimSpace(got) != row[column] {
				t.Errorf("%s of %s: %q, %s says %q", column, file, row[column], command[0], got)
			}
		}
	}
}

// TestDigestTableEnds checks that work on a table of digests ends when its reader goes away, and that the next reader
// makes it.
func TestDigestTableEnds(t *testing.T) {
	f, _ := demo(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b, err := f.processDigests(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if _, err := b.readAt(ctx, buf, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read by one who has gone: %v", err)
	}
	if d, err := f.fileDigests(ctx, processOf(t, f, 3256).Module, formRestored); !errors.Is(err, context.Canceled) {
		t.Errorf("digests for one who has gone: %v, %v", d, err)
	}
	if n, err := b.readAt(context.Background(), buf, 0); n != len(buf) || err != nil {
		t.Errorf("read by the next: %d bytes, %v", n, err)
	}
}

// TestDigestsAreNotMadeByListing checks that the size of a table is known without any digest.
func TestDigestsAreNotMadeByListing(t *testing.T) {
	f, _ := demo(t)
	for _, name := range []string{"digests.csv", "drivers-digests.csv", "3256-cmd.exe/digests.csv"} {
		if info, err := f.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if n := f.texts.order.Len(); n != 0 {
		t.Errorf("%d texts were made", n)
	}
}
