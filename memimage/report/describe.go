package report

import (
	"fmt"
	"strings"

	"memlens/memimage/reason"
)

// SchemaText describes all records, their fields and the codes of reasons, as tables in Markdown.
func SchemaText() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Records, schema %d\n", Schema)
	out.WriteString(`
A field is never given another meaning or type, and none is taken away, without another number of the schema. Fields, codes and
kinds of records may be added. In JSON lines, an address is text in hex and empty where there is none, a time is RFC 3339 in
UTC, and what is not known is null. In CSV, null is an empty cell, and several texts stand in one cell with "; " between them.
In Parquet, addresses are unsigned integers, and times count nanoseconds. A field that ends in _text is the sentence of the code
beside it: it may be worded anew.
`)
	for _, k := range Kinds {
		fmt.Fprintf(&out, "\n## %s\n\n| field | type | what it says |\n|---|---|---|\n", k)
		for _, c := range Columns(k) {
			t := c.Type
			if c.Null && t != "time" {
				t += ", or null"
			}
			fmt.Fprintf(&out, "| %s | %s | %s |\n", c.Name, t, c.Doc)
		}
	}
	out.WriteString("\n## Codes\n\n| code | said of | what it says |\n|---|---|---|\n")
	for _, m := range reason.Meanings() {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", m.Code, m.Of, m.Means)
	}
	return out.String()
}
