package fs

import (
	"encoding/csv"
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEncodeIn(t *testing.T) {
	type part struct {
		N    int64   `json:"n"`
		P    *int    `json:"p"`
		Text string  `json:"text"`
		Bool bool    `json:"bool"`
		List []int64 `json:"list"`
	}
	hundred, seven := 1000, 7
	longest := part{1000, &hundred, strings.Repeat("x", 20), false, []int64{1000, 1000}}
	room, err := encode(longest)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		v    part
		want string // without the braces
	}{
		{"as long", longest, "  \"n\": 1000,\n  \"p\": 1000,\n  \"text\": \"xxxxxxxxxxxxxxxxxxxx\",\n  \"bool\": false,\n  \"list\": [\n    1000,\n    1000\n  ]\n"},
		{"shorter", part{-5, &seven, "a: 5", true, []int64{7, 1000}}, "  \"n\":   -5,\n  \"p\":    7,\n  \"text\": \"a: 5\",                \n  \"bool\": true, \n  \"list\": [\n       7,\n    1000\n  ]\n"},
		{"null", part{List: []int64{1, 2}, Text: `":\": 5`}, "  \"n\":    0,\n  \"p\": null,\n  \"text\": \"\\\":\\\\\\\": 5\",          \n  \"bool\": false,\n  \"list\": [\n       1,\n       2\n  ]\n"},
	} {
		got, err := encodeIn(room, c.v)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if want, _ := encodedSize(longest); int64(len(got)) != want {
			t.Errorf("%s: %d bytes, want %d", c.name, len(got), want)
		}
		if string(got) != "{\n"+c.want+"}\n" {
			t.Errorf("%s:\n%s\nwant:\n{\n%s}", c.name, got, c.want)
		}
		var back part
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, c.v) {
			t.Errorf("%s: read back as %v: %v", c.name, back, err)
		}
	}
	for name, v := range map[string]part{
		"a longer line": {Text: strings.Repeat("x", 21), List: []int64{1, 2}}, "more lines": {List: []int64{1, 2, 3}}, "fewer lines": {},
	} {
		if out, err := encodeIn(room, v); err == nil {
			t.Errorf("%s: no error, but\n%s", name, out)
		}
	}
}

func TestValueIn(t *testing.T) {
	for line, want := range map[string]string{
		`  "a": 5,`: "5,", `  5,`: "5,", `  "a": "b: 5"`: `"b: 5"`, `  "b\": 5": 6`: `"b\": 5": 6`, `  "b\": 5"`: `"b\": 5"`, `{`: "{", ``: "", `    `: "", `  "a: 5"`: `"a: 5"`,
	} {
		if got := line[valueIn([]byte(line)):]; got != want {
			t.Errorf("%s: the value is %q, want %q", line, got, want)
		}
	}
}

// TestFittedTable holds tables of every size against a reader of CSV: all cells are what they are, and the padding is blanks.
func TestFittedTable(t *testing.T) {
	header := []string{"a", "b"}
	for rows := range 5 {
		all := slices.Repeat([][]string{{"x,y", `say "hi" `}}, rows)
		least, err := fittedTable(int64(len("a,b,padding\n")+rows*len(`"x,y","say ""hi"" ",`+"\n")), header, all)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 40 {
			size := int64(len(least) + n)
			got, err := fittedTable(size, header, all)
			if rows == 0 && n > 0 {
				if err == nil {
					t.Errorf("no rows are %d bytes long", n)
				}
				continue
			}
			if err != nil || int64(len(got)) != size {
				t.Fatalf("%d rows: %d bytes, want %d: %v", rows, len(got), size, err)
			}
			checkFitted(t, string(got), all, n)
		}
		if _, err := fittedTable(int64(len(least)-1), header, all); err == nil {
			t.Errorf("%d rows are a byte shorter than they are", rows)
		}
	}
}

func checkFitted(t *testing.T, text string, want [][]string, padding int) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != len(want)+1 {
		t.Fatalf("%q: %d rows, %v", text, len(rows), err)
	}
	for _, row := range rows[1:] {
		blanks := row[2]
		if row[0] != want[0][0] || row[1] != want[0][1] || strings.Trim(blanks, " ") != "" || len(blanks) < padding/len(want) || len(blanks) > padding/len(want)+1 {
			t.Errorf("%d blanks: %q", padding, row)
		}
	}
}

// TestNoPaddingForPeople reads every table and every JSON file: no line is empty, JSON ends with its last brace, and info.json has no
// blank that its structure does not ask for.
func TestNoPaddingForPeople(t *testing.T) {
	f, _ := demo(t)
	checked := map[string]int{}
	for _, dir := range []string{".", "3256-cmd.exe", "1912-svchost.exe", "4-System", "3256-cmd.exe/diff-vs", "3256-cmd.exe/diff-vs-restored", "scanned", "scanned/2976-agent.exe"} {
		entries, err := f.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			kind := path.Ext(e.Name())
			if e.IsDir() || kind != ".csv" && kind != ".json" {
				continue
			}
			checked[kind]++
			name := path.Join(dir, e.Name())
			text := read(t, f, name)
			if strings.Contains(text, "\n\n") || strings.HasSuffix(text, " \n") && kind == ".json" || !strings.HasSuffix(text, "\n") {
				t.Errorf("%s has padding for all to see: …%q", name, text[max(0, len(text)-100):])
			}
			if kind == ".csv" {
				checkCells(t, name, text)
			}
			if kind == ".json" && !json.Valid([]byte(text)) {
				t.Errorf("%s is no JSON", name)
			}
			if e.Name() == "info.json" {
				checkCompact(t, name, text)
			}
		}
	}
	if checked[".csv"] < 20 || checked[".json"] < 7 {
		t.Errorf("only %v were checked", checked)
	}
}

// checkCompact checks that lines of JSON have no blanks at their ends.
func checkCompact(t *testing.T, name, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, " \n") {
			t.Errorf("%s: %q", name, line)
		}
	}
}

// checkCells checks that no cell of a table has blanks at its end but those of the column of padding.
func checkCells(t *testing.T, name, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, row := range rows[1:] {
		for i, cell := range row {
			if blank := strings.TrimRight(cell, " ") != cell; blank && rows[0][i] != paddingColumn {
				t.Errorf("%s: %s is %q", name, rows[0][i], cell)
			}
		}
	}
}
