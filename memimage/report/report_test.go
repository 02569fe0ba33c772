package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/integrity"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

var demo = sync.OnceValues(func() (*synth.Memory, error) { return synth.Build(synth.Demo()) })

// demoImage opens the demo's memory.
func demoImage(t testing.TB) (*memimage.Image, *synth.Memory) {
	t.Helper()
	mem, err := demo()
	if err != nil {
		t.Fatal(err)
	}
	im, err := memimage.OpenMemory(t.Context(), "demo.raw", mem.Reader, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return im, mem
}

var everything = Options{Modules: true, Drivers: true, Regions: true, Scan: true, Digests: DigestNames}

// walk returns all records of an image.
func walk(t testing.TB, im *memimage.Image, o Options) (out []Record) {
	t.Helper()
	if err := Walk(t.Context(), im, o, func(r Record) error { out = append(out, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// of are the records of one type.
func of[T any](all []Record) (out []*T) {
	for _, r := range all {
		if x, ok := any(r).(*T); ok {
			out = append(out, x)
		}
	}
	return out
}

// TestWalkTellsTheDemo compares the records with the built memory.
func TestWalkTellsTheDemo(t *testing.T) {
	im, mem := demoImage(t)
	all := walk(t, im, everything)
	images := of[Image](all)
	if len(images) != 1 || all[0] != Record(images[0]) || images[0].Profile != "WinXPSP2x86" || images[0].Build != 2600 {
		t.Fatalf("%+v", images)
	}
	listed := 0
	byPID := map[uint64]*Process{}
	for _, p := range of[Process](all) {
		byPID[p.PID] = p
		if p.Status == Running || p.Status == Exited {
			listed++
		}
	}
	if int64(listed) != images[0].Processes {
		t.Errorf("%d processes of the list, the image says %d", listed, images[0].Processes)
	}
	for i := range mem.Truth.Processes {
		want := &mem.Truth.Processes[i]
		p := byPID[want.PID]
		if p == nil {
			t.Errorf("process %d is not told of", want.PID)
			continue
		}
		if p.Name != want.Name || uint64(p.EPROCESS) != want.EPROCESS || uint64(p.DTB) != want.DTB {
			t.Errorf("%+v, built was %+v", p, want)
		}
	}
	hollow := byPID[1912]
	if hollow.Verdict != reason.NotItsFile || !slices.Contains(hollow.Warnings, reason.Overwritten) {
		t.Errorf("the hollowed process: verdict %s, warnings %v", hollow.Verdict, hollow.Warnings)
	}
	if system := byPID[4]; system.NotRecovered != reason.NoExecutable || system.NotRestored != reason.NoExecutable || system.RestoredSize != nil {
		t.Errorf("System: %+v", system.Executable)
	}
	if len(byPID[4].Warnings) != 0 {
		t.Errorf("System has warnings: %v", byPID[4].WarningsText)
	}
	hooked := false
	for _, c := range of[Change](all) {
		hooked = hooked || *c.PID == 1724 && c.Module == "ntdll.dll" && c.Cause == integrity.CodeChanged.String()
	}
	if !hooked {
		t.Error("the function that is led elsewhere is not told of")
	}
	if problems := of[Problem](all); len(problems) != 0 {
		t.Errorf("a sound image has a problem: %+v", problems[0])
	}
}

// TestDigestsAreOfTheFiles compares the digests with the digests of the built files: cmd.exe is all in memory.
func TestDigestsAreOfTheFiles(t *testing.T) {
	im, _ := demoImage(t)
	for _, p := range of[Process](walk(t, im, everything)) {
		if p.PID != 3256 {
			continue
		}
		file := synth.DemoOriginals()["cmd.exe"]
		if !p.RestoredComplete || p.SHA256 != sha256Of(file) || p.MD5 != md5Of(file) || p.Authentihash == "" || p.Ssdeep == "" || p.TLSH == "" || p.DumpMD5 == "" {
			t.Errorf("cmd.exe: %+v", p.Digests)
		}
	}
	for _, p := range of[Process](walk(t, im, Options{})) {
		if p.Digests != (Digests{}) {
			t.Errorf("digests that nobody asked for: %+v", p.Digests)
		}
	}
	some, err := ParseDigests([]string{"SHA256", " imphash"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range of[Process](walk(t, im, Options{Digests: some})) {
		if d := p.Digests; d.MD5+d.DumpMD5+d.Ssdeep+d.TLSH+d.Authentihash != "" || p.PID == 3256 && (d.SHA256 == "" || d.DumpSHA256 == "") {
			t.Errorf("%d: %+v", p.PID, d)
		}
	}
	if _, err := ParseDigests([]string{"md5", "crc"}); err == nil {
		t.Error("there is a digest crc")
	}
}

// TestWalkIsTheSameAgain compares two walks, byte by byte.
func TestWalkIsTheSameAgain(t *testing.T) {
	var out [2]bytes.Buffer
	for i := range out {
		im, _ := demoImage(t)
		w, err := NewWriter("jsonl", &out[i], Kinds)
		if err != nil {
			t.Fatal(err)
		}
		if err := Walk(t.Context(), im, everything, w.Write); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out[0].Bytes(), out[1].Bytes()) {
		t.Error("two walks differ")
	}
}

// TestWalkEnds stops a walk by its context, and by an error of emit.
func TestWalkEnds(t *testing.T) {
	im, _ := demoImage(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := Walk(ctx, im, everything, func(Record) error {
		if n++; n == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 3 {
		t.Errorf("after %d records: %v", n, err)
	}
	full := errors.New("the disk is full")
	n = 0
	if err := Walk(t.Context(), im, everything, func(Record) error { n++; return full }); err != full || n != 1 {
		t.Errorf("after %d records: %v", n, err)
	}
}

// disk is an image on a disk that can be broken.
type disk struct {
	sparse.Source
	name string
}

func (d disk) Name() string                         { return d.name }
func (d disk) Beside(string) (format.Source, error) { return nil, os.ErrNotExist }
func (d disk) Names() ([]string, error)             { return []string{d.name}, nil }

// TestFaultsAreProblems breaks the disk after the image is open. An unreadable part is a problem with its code, no
// record states it as known, and after healing the records equal a sound disk's.
func TestFaultsAreProblems(t *testing.T) {
	corpus.Long(t)
	mem, err := demo()
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, mem.Reader.Size())
	sparse.ZeroFill(mem.Reader, nil).ReadAt(raw, 0)
	broken := &sparsetest.Disk{ReaderAt: bytes.NewReader(raw), Bad: []sparse.Run{{Off: 0, Len: int64(len(raw))}}}
	im, err := memimage.OpenSource(t.Context(), disk{sparse.Whole(broken, int64(len(raw))), "demo.raw"}, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	broken.Break(true)
	n, said := 0, map[string]bool{}
	for _, r := range walk(t, im, Options{Modules: true, Digests: DigestNames}) {
		switch r := r.(type) {
		case *Problem:
			if r.Code == reason.ReadFailed {
				n++
			}
			line := lines(t, []Record{r})
			if said[line] || strings.Contains(r.Text, "\n") {
				t.Errorf("said twice, or several in one: %s", line)
			}
			said[line] = true
		case *Process:
			if r.SHA256 != "" || r.Verdict == reason.Equal {
				t.Errorf("process %d is said to be %s, digest %q, on a broken disk", r.PID, r.Verdict, r.SHA256)
			}
		}
	}
	if n == 0 {
		t.Error("no failed read is told of")
	}
	broken.Break(false)
	im.Faults().Forget()
	healed, sound := walk(t, im, everything), walk(t, openRaw(t, raw), everything)
	if a, b := lines(t, healed), lines(t, sound); a != b {
		t.Error("after healing, the records are others than those of a sound disk")
	}
}

func openRaw(t *testing.T, raw []byte) *memimage.Image {
	t.Helper()
	im, err := memimage.OpenSource(t.Context(), disk{sparse.Bytes(raw), "demo.raw"}, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// lines writes records as JSON lines.
func lines(t *testing.T, all []Record) string {
	t.Helper()
	var out strings.Builder
	w := newJSONWriter(&out)
	for _, r := range all {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// TestOpenProblems opens files that are no image, or that cannot be read: each error has its code.
func TestOpenProblems(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		path string
		want reason.Code
	}{
		{filepath.Join(dir, "gone.raw"), reason.NoSuchFile},
		{dir, reason.NotAFile},
		{write("empty.raw", nil), reason.Empty},
		{write("a.pdf", append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("text "), 4000)...)), reason.NotMemory},
		{write("zeros.raw", make([]byte, 4<<20)), reason.NoWindows},
		{write("cut.lime", []byte("EMiL\x01\x00\x00\x00\x00\x10")), reason.Truncated},
	} {
		im, err := memimage.Open(t.Context(), c.path, memimage.Options{})
		if err == nil {
			im.Close()
			t.Errorf("%s opens", c.path)
			continue
		}
		if p := OpenProblem(c.path, err); p.Code != c.want || p.Stage != StageOpen || p.Text == "" || p.Image != c.path {
			t.Errorf("%s: %s, want %s: %v", filepath.Base(c.path), p.Code, c.want, err)
		}
	}
}

// TestFieldsOfCausesAndSources: each cause of a difference, and each source of pages, has its field, with its name.
func TestFieldsOfCausesAndSources(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Columns(KindProcess) {
		names[c.Name] = true
	}
	token := strings.NewReplacer(" ", "_", "-", "_")
	byCause := new(Comparison).byCause()
	for _, c := range integrity.Causes() {
		if byCause[c] == nil || !names["bytes_"+token.Replace(c.String())] {
			t.Errorf("the cause %v has no field", c)
		}
	}
	im, _ := demoImage(t)
	for _, s := range im.Sources() {
		if !names["pages_"+strings.ToLower(token.Replace(s.String()))] {
			t.Errorf("the source %v has no field", s)
		}
	}
	for _, p := range of[Process](walk(t, im, Options{})) {
		c := p.Counts
		if sum := c.PagesTable + c.PagesPrototype + c.PagesVAD + c.PagesPageFile + c.PagesStore + c.PagesZero + c.PagesDump; sum != c.PagesPresent || sum+c.PagesMissing != c.PagesTotal {
			t.Errorf("process %d: %+v does not add up", p.PID, c)
		}
	}
}

// TestTagsOfRecords: a field has a name, which is in lower case and means the same in all records, and a description.
func TestTagsOfRecords(t *testing.T) {
	types := map[string]reflect.Type{}
	for _, k := range Kinds {
		seen := map[string]bool{}
		for _, c := range Columns(k) {
			if seen[c.Name] || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || c.Doc == "" {
				t.Errorf("%s.%s: %q", k, c.Name, c.Doc)
			}
			seen[c.Name] = true
			base := c.goType
			if base.Kind() == reflect.Pointer {
				base = base.Elem()
			}
			if known, ok := types[c.Name]; ok && known != base {
				t.Errorf("%s.%s is a %v, and in another record a %v", k, c.Name, base, known)
			}
			types[c.Name] = base
		}
		var r map[string]any
		raw, err := json.Marshal(reflect.New(typeOf(k)).Interface())
		if err != nil || json.Unmarshal(raw, &r) != nil || len(r) != len(seen) {
			t.Errorf("%s has %d fields in JSON, and %d columns: %v", k, len(r), len(seen), err)
		}
	}
}

func typeOf(k Kind) reflect.Type { return types[k] }
