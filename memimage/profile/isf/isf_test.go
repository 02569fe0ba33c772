package isf

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"memlens/memimage/profile/internal/layout"
)

// all wants every name without "NOT_WANTED" in it.
func all() Wanted {
	want := func(name string) bool {
		return !strings.Contains(strings.ToUpper(name), "NOT_WANTED") && name != "NotWanted" && !unnamed(name)
	}
	return Wanted{want, want}
}

func kernelJSON(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("../testdata/kernel.json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "{GUID}", "00112233445566778899AABBCCDDEEFF")
}

func fieldOf(t *testing.T, table layout.Table, path string) layout.Field {
	t.Helper()
	name, member, _ := strings.Cut(path, ".")
	for _, s := range table.Structs {
		if f, ok := s.Field(member); ok && s.Name == name {
			return f
		}
	}
	t.Errorf("no %s", path)
	return layout.Field{}
}

func TestRead(t *testing.T) {
	table, err := Read(strings.NewReader(kernelJSON(t)), all())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]layout.Field{
		"_EPROCESS.ImageFileName":        {Type: "unsigned char[15]", Offset: 80},
		"_EPROCESS.Callback":             {Type: "ptr function", Offset: 96},
		"_EPROCESS.Row":                  {Type: "ptr int", Offset: 104},
		"_EPROCESS.Matrix":               {Type: "int[3][2]", Offset: 112},
		"_EPROCESS.Kind":                 {Type: "int", Offset: 192},
		"_MMVAD_FLAGS.VadType":           {Type: "unsigned long", BitPos: 2, Bits: 3},
		"_MMVAD_SHORT.u":                 {Type: "<anon>", Offset: 24},
		"_MMVAD_SHORT.u.VadFlags":        {Type: "_MMVAD_FLAGS", Offset: 24},
		"_MMVAD_SHORT.u.Parts.High":      {Type: "unsigned char[3]", Offset: 25},
		"_DISPATCHER_HEADER.Size":        {Type: "unsigned char", Offset: 2},
		"_DISPATCHER_HEADER.SignalState": {Type: "long", Offset: 4},
	} {
		_, want.Name, _ = strings.Cut(path, ".")
		if got := fieldOf(t, table, path); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	k := table.Kernels[0]
	if table.Arch != layout.X64 || k.PDB != "ntkrnlmp.pdb" || k.Age != 1 || k.GUID[15] != 0xff || len(k.Symbols) != 2 || k.Symbols[0].RVA != 16400 || k.Symbols[1] != (layout.Symbol{Name: "SmGlobals", RVA: 20480}) {
		t.Errorf("%+v", table.Header)
	}
	if len(table.Structs) != 7 {
		t.Errorf("%d structures", len(table.Structs))
	}
}

func TestReadCompressed(t *testing.T) {
	plain, err := Read(strings.NewReader(kernelJSON(t)), all())
	if err != nil {
		t.Fatal(err)
	}
	for name, compress := range map[string]func(io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	} {
		var b bytes.Buffer
		w, err := compress(&b)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, kernelJSON(t))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(b.Bytes()), all())
		if err != nil || !reflect.DeepEqual(got, plain) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Read(bytes.NewReader(b.Bytes()[:b.Len()/2]), all()); err == nil {
			t.Errorf("%s: half of it is enough", name)
		}
	}
}

func TestMachine(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     uint8
	}{
		{"34404", "332", layout.X86},
		{"34404", "43620", layout.ARM64},
		{`, "machine_type": 34404`, "", layout.X64},
	} {
		table, err := Read(strings.NewReader(strings.Replace(kernelJSON(t), c.from, c.to, 1)), all())
		if err != nil || table.Arch != c.want {
			t.Errorf("%q: %d, %v", c.to, table.Arch, err)
		}
	}
	small := strings.Replace(strings.Replace(kernelJSON(t), `, "machine_type": 34404`, "", 1), `"signed": false, "size": 8}`, `"signed": false, "size": 4}`, 1)
	if table, err := Read(strings.NewReader(small), all()); err != nil || table.Arch != layout.X86 {
		t.Errorf("small pointers: %d, %v", table.Arch, err)
	}
}

func TestVersionOfTheFile(t *testing.T) {
	with := strings.Replace(kernelJSON(t), `"windows": {`, `"windows": {"pe": {"major": 10, "minor": 0, "revision": 19041, "build": 2846}, `, 1)
	table, err := Read(strings.NewReader(with), all())
	if want := (layout.Version{10, 0, 19041, 2846}); err != nil || table.Version != want || table.Kernels[0].Version != want {
		t.Errorf("%v, %v", table.Version, err)
	}
}

func TestNotASymbolTable(t *testing.T) {
	good := kernelJSON(t)
	for name, s := range map[string]string{
		"nothing":            "",
		"no object":          "[]",
		"an empty object":    "{}",
		"no GUID":            strings.Replace(good, "00112233445566778899AABBCCDDEEFF", "", 1),
		"short GUID":         strings.Replace(good, "00112233445566778899AABBCCDDEEFF", "0011", 1),
		"GUID not in hex":    strings.Replace(good, "00112233445566778899AABBCCDDEEFF", strings.Repeat("Ä", 16), 1),
		"types are a list":   strings.Replace(good, `"user_types": {`, `"user_types": [], "rest": {`, 1),
		"offset is a string": strings.Replace(good, `"offset": 56`, `"offset": "56"`, 1),
		"offset is negative": strings.Replace(good, `"offset": 56`, `"offset": -56`, 1),
		"cut":                good[:len(good)*3/4],
	} {
		if _, err := Read(strings.NewReader(s), all()); err == nil {
			t.Error(name)
		}
	}
	if _, err := Read(strings.NewReader("{}"), all()); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// Types that contain themselves must not be followed for ever.
func TestTypesInCircles(t *testing.T) {
	circle := `{"metadata": {"windows": {"pdb": {"GUID": "00112233445566778899AABBCCDDEEFF"}}}, "user_types": {
		"_A": {"size": 4, "fields": {%s}},
		"__unnamed_1": {"size": 4, "fields": {%s}}}}`
	var members []string
	for i := range 40 {
		members = append(members, fmt.Sprintf(`"m%d": {"offset": 1, "anonymous": %v, "type": {"kind": "union", "name": "__unnamed_1"}}`, i, i%2 == 0))
	}
	all40 := strings.Join(members, ",")
	table, err := Read(strings.NewReader(fmt.Sprintf(circle, all40, all40)), all())
	if err != nil || len(table.Structs[0].Fields) > layout.MaxMembers {
		t.Error(err)
	}
}

func TestDeepTypes(t *testing.T) {
	deep := strings.Repeat(`{"kind": "pointer", "subtype": `, 100) + `{"kind": "base", "name": "x"}` + strings.Repeat("}", 100)
	s := `{"metadata": {"windows": {"pdb": {"GUID": "00112233445566778899AABBCCDDEEFF"}}}, "user_types": {"_A": {"size": 4, "fields": {"p": {"offset": 0, "type": ` + deep + `}}}}}`
	table, err := Read(strings.NewReader(s), all())
	if err != nil || len(table.Structs[0].Fields[0].Type) > 100 {
		t.Errorf("%+v, %v", table.Structs, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(kernelJSON(f)))
	f.Add([]byte(`{"user_types": {"_A": {"fields": null}}, "metadata": {"windows": {"pdb": {"GUID": "00112233445566778899aabbccddeeff"}}}}`))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Add([]byte("\xfd7zXZ\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := Read(bytes.NewReader(b), all())
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(b), all())
		if err != nil || !reflect.DeepEqual(one, again) {
			t.Errorf("not the same again: %v", err)
		}
	})
}

// large is a symbol table of about 50 MB: the kernel's structures among very many that are not wanted.
func large(b *testing.B) []byte {
	var out bytes.Buffer
	good := kernelJSON(b)
	at := strings.Index(good, `"_NOT_WANTED"`)
	out.WriteString(good[:at])
	for i := 0; out.Len() < 50<<20; i++ {
		fmt.Fprintf(&out, "    \"_NOT_WANTED_%d\": {\n      \"kind\": \"struct\",\n      \"size\": 64,\n      \"fields\": {\n", i)
		for j := range 16 {
			fmt.Fprintf(&out, "        \"Member%d\": {\n          \"offset\": %d,\n          \"type\": {\n            \"kind\": \"base\",\n            \"name\": \"unsigned long\"\n          }\n        },\n", j, j*4)
		}
		out.WriteString("        \"Last\": {\"offset\": 0, \"type\": {\"kind\": \"struct\", \"name\": \"_X\"}}\n      }\n    },\n")
	}
	out.WriteString(good[at:])
	return out.Bytes()
}

func BenchmarkRead50MB(b *testing.B) {
	in := large(b)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(in), all()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead50MBxz(b *testing.B) {
	in := large(b)
	var packed bytes.Buffer
	w, err := xz.NewWriter(&packed)
	if err != nil {
		b.Fatal(err)
	}
	w.Write(in)
	w.Close()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(packed.Bytes()), all()); err != nil {
			b.Fatal(err)
		}
	}
}
