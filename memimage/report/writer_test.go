package report

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"memlens/memimage/reason"
)

func md5Of(b []byte) string    { return fmt.Sprintf("%x", md5.Sum(b)) }
func sha256Of(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// written returns records in a format.
func written(t *testing.T, format string, kinds []Kind, all []Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(format, &out, kinds)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestDecode reads JSON lines back.
func TestDecode(t *testing.T) {
	im, _ := demoImage(t)
	all := append(walk(t, im, everything), OpenProblem("x", reason.Errorf(reason.Empty, "<empty>\x1b[31m")))
	n := 0
	for line := range bytes.Lines(written(t, "jsonl", Kinds, all)) {
		if bytes.ContainsRune(line, 0x1b) {
			t.Errorf("a line steers a terminal: %q", line)
		}
		r, err := Decode(line)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := lines(t, []Record{r}), lines(t, []Record{all[n]}); a != b {
			t.Fatalf("read back: %s\nwritten: %s", a, b)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("%d lines of %d records", n, len(all))
	}
	for _, line := range []string{`{`, `{"record":"cat","schema":1}`, `{"record":"image","schema":99}`} {
		if r, err := Decode([]byte(line)); err == nil {
			t.Errorf("%s is %+v", line, r)
		}
	}
}

// joined writes the elements of a list as in a table.
func joined(list []any, text func(any) string) string {
	var out []string
	for _, x := range list {
		out = append(out, text(x))
	}
	return strings.Join(out, "; ")
}

// asText are the fields of a JSON line as in a table.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		return joined(v, asText)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// fields reads JSON lines as generic objects.
func fields(t *testing.T, raw []byte) (out []map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for {
		var r map[string]any
		if err := d.Decode(&r); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
}

// TestCSVIsJSON compares each cell of the table with the field of the JSON line.
func TestCSVIsJSON(t *testing.T) {
	im, _ := demoImage(t)
	all := walk(t, im, everything)
	want := fields(t, written(t, "jsonl", Kinds, all))
	rows, err := csv.NewReader(bytes.NewReader(written(t, "csv", Kinds, all))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(want)+1 {
		t.Fatalf("%d rows of %d records", len(rows)-1, len(want))
	}
	for i, row := range rows[1:] {
		for j, got := range row {
			if text := Cell(asText(want[i][rows[0][j]])); got != text {
				t.Errorf("row %d, %s: %q, in JSON %q", i, rows[0][j], got, text)
			}
		}
	}
	if one := written(t, "csv", []Kind{KindRegion}, nil); string(one) != "record,schema,image,pid,process,start,end,size,type,protection,pages_made_executable,private_executable,path\n" {
		t.Errorf("without records: %q", one)
	}
}

// TestParquetIsJSON reads Parquet back and compares it with the JSON lines.
func TestParquetIsJSON(t *testing.T) {
	im, _ := demoImage(t)
	all := walk(t, im, everything)
	for _, kinds := range [][]Kind{Kinds, {KindProcess}, {KindProblem}} {
		want := fields(t, written(t, "jsonl", kinds, all))
		raw := written(t, "parquet", kinds, all)
		f, err := parquet.OpenFile(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if f.NumRows() != int64(len(want)) {
			t.Fatalf("%d rows of %d records", f.NumRows(), len(want))
		}
		var names []string
		for _, c := range Columns(kinds...) {
			names = append(names, c.Name)
		}
		var got []string
		for _, field := range f.Schema().Fields() {
			got = append(got, field.Name())
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("columns %v", got)
		}
		compareRows(t, f, want)
	}
}

func compareRows(t *testing.T, f *parquet.File, want []map[string]any) {
	t.Helper()
	r := parquet.NewGenericReader[map[string]any](f, f.Schema())
	defer r.Close()
	for i := range want {
		rows := []map[string]any{{}}
		if n, err := r.Read(rows); n != 1 {
			t.Fatal(err)
		}
		if len(rows[0]) != len(f.Schema().Fields()) {
			t.Fatalf("a row has %d cells", len(rows[0]))
		}
		for name, v := range rows[0] {
			if text := parquetText(v); text != asText(want[i][name]) && !sameNumber(v, asText(want[i][name])) {
				t.Errorf("row %d, %s: %q (%T), in JSON %q", i, name, text, v, asText(want[i][name]))
			}
		}
	}
}

// sameNumber reports whether a value is the number, the address or the time in a text; both may stand for none.
func sameNumber(v any, text string) bool {
	switch v := v.(type) {
	case uint64:
		return v == 0 && text == "" || fmt.Sprintf("%#x", v) == text
	case int64:
		return time.Unix(0, v).UTC().Format(time.RFC3339Nano) == text || fmt.Sprintf("%#x", v) == text || v == 0 && text == ""
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano) == text
	}
	return false
}

func parquetText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		return joined(v, parquetText)
	case map[string]any:
		if list, ok := v["list"].([]any); ok {
			var out []string
			for _, x := range list {
				out = append(out, parquetText(x.(map[string]any)["element"]))
			}
			return strings.Join(out, "; ")
		}
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

func TestUnknownNames(t *testing.T) {
	if _, err := NewWriter("xml", io.Discard, Kinds); err == nil || !strings.Contains(err.Error(), "jsonl, csv, parquet") {
		t.Errorf("xml: %v", err)
	}
	if _, err := ParseKinds([]string{"process", "cat"}); err == nil || !strings.Contains(err.Error(), "module") {
		t.Errorf("cat: %v", err)
	}
	if kinds, err := ParseKinds([]string{"module", "image"}); err != nil || len(kinds) != 2 || kinds[0] != KindImage {
		t.Errorf("%v %v", kinds, err)
	}
}

// TestSchemaText: the description has every field and every code.
func TestSchemaText(t *testing.T) {
	text := SchemaText()
	for _, k := range Kinds {
		for _, c := range Columns(k) {
			if !strings.Contains(text, "| "+c.Name+" | ") {
				t.Errorf("%s.%s is not described", k, c.Name)
			}
		}
	}
	for _, m := range reason.Meanings() {
		if !strings.Contains(text, "| "+string(m.Code)+" | ") {
			t.Errorf("%s is not described", m.Code)
		}
	}
}

// TestNamesThatAreNotUTF8: names that differ in bytes that are not UTF-8 stay different names, and no format has such bytes.
func TestNamesThatAreNotUTF8(t *testing.T) {
	bad := "b\xfe"
	all := []Record{OpenProblem("a\xff.raw", reason.Errorf(reason.Empty, "a\xff.raw is empty")), OpenProblem("a\xfe.raw", reason.Errorf(reason.Empty, "empty")),
		&Image{Header: Header{Record: KindImage, Schema: Schema, Image: "x"}, Found: []string{bad}}, &Module{Header: Header{Record: KindModule, Schema: Schema, Image: "x"}, Executable: Executable{Restored: Restored{RestoredOf: &bad}}}}
	for _, format := range Formats {
		text := written(t, format, []Kind{KindProblem}, all)
		if format != "parquet" && (!bytes.Contains(text, []byte(`\xff.raw`)) || !bytes.Contains(text, []byte(`\xfe.raw`)) || !utf8.Valid(text)) {
			t.Errorf("%s: %s", format, text)
		}
	}
	f, err := parquet.OpenFile(readerAt(written(t, "parquet", Kinds, all)))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]parquet.Row, len(all))
	n, err := f.RowGroups()[0].Rows().ReadRows(rows)
	if n != len(all) || err != nil && err != io.EOF {
		t.Fatal(n, err)
	}
	text := fmt.Sprintf("%+v", rows)
	if !utf8.ValidString(text) || strings.Contains(text, "\ufffd") || strings.Count(text, `\xfe`) != 3 {
		t.Errorf("Parquet: %q", text)
	}
}

func readerAt(raw []byte) (io.ReaderAt, int64) { return bytes.NewReader(raw), int64(len(raw)) }
