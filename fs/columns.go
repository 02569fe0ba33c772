package fs

import (
	"slices"
	"strings"

	"memlens/memimage"
	"memlens/memimage/report"
)

// Table is a CSV file of the tree.
type Table struct {
	Name    string
	Columns []Entry
}

// Tables describes all CSV files, column by column: for documents.
func Tables() []Table {
	sources := memimage.AllSources()
	return []Table{
		documented("processes.csv", withPadding(slices.Concat(processColumns, countColumns(sources), knownColumns, verdictColumns)), report.KindProcess, processFields),
		documented("modules.csv", withPadding(slices.Concat(moduleColumns, imageColumns(sources, true))), report.KindModule, moduleFields),
		documented("drivers.csv, scanned/drivers.csv", withPadding(slices.Concat(driverColumns, imageColumns(sources, false))), report.KindModule, driverFields),
		documented("regions.csv", regionColumns, report.KindRegion, nil),
		documented("modified.csv", modifiedColumns, report.KindChange, nil),
		documented("pages.csv", pageColumns, "", nil),
		documented("restored.csv", restoredColumns, "", nil),
		documented("digests.csv, drivers-digests.csv", withPadding(digestColumns), "", nil),
		documented("compared.csv, drivers-compared.csv", withPadding(slices.Concat(comparedFirst, comparedColumns)), "", nil),
		documented("similar.csv", withPadding(similarColumns), "", nil),
		documented("scanned/unloaded-drivers.csv", unloadedDriverColumns, "", nil),
		documented("threads.csv, of a process dump", threadColumns, "", nil),
		documented("unloaded-modules.csv, of a process dump", unloadedModuleColumns, "", nil),
		documented("handles.csv, of a process dump", handleColumns, "", nil),
	}
}

// The names of the columns. Columns that are made when the table is read stand behind the others.
var (
	processColumns = []string{"directory", "pid", "ppid", "name", "status", "eprocess", "eprocess_physical", "dtb", "created", "exited", "session",
		"threads", "image_base", "path", "peb_path", "command_line", "warning", "warning_codes", "not_recovered", "not_recovered_code"}
	moduleColumns = []string{"directory", "base", "size", "bits", "kind", "main", "loader_path", "file_path", "load_order", "memory_order", "init_order",
		"load_order_32", "memory_order_32", "init_order_32", "entry_point", "load_count", "loaded", "region_type", "protection", "evidence", "not_recovered", "not_recovered_code"}
	driverColumns = []string{"directory", "base", "size", "kind", "name", "path", "listed", "place", "entry", "entry_physical", "entry_point", "load_count", "flags",
		"read_through", "damage", "not_recovered", "not_recovered_code"}
	regionColumns   = []string{"file", "start", "end", "size", "type", "protection", "pages_made_executable", "path", "note"}
	modifiedColumns = []string{"rva", "length", "bytes_changed", "section", "cause", "certainty", "was", "is", "target", "target_module", "target_rva", "note"}
	pageColumns     = []string{"rva", "pages", "section", "state", "source", "physical", "note"}
	restoredColumns = []string{"offset", "length", "rva", "section", "source", "physical", "relocations_undone", "relocations_left",
		"imports_undone", "imports_left", "slots_left", "written", "exact", "certainty", "note"}
	comparedFirst         = []string{"directory", "path"}
	unloadedDriverColumns = []string{"name", "start", "end", "unloaded", "note"}
	threadColumns         = []string{"id", "name", "teb", "stack", "stack_size", "start_address", "created", "exited", "suspend_count", "priority", "fault"}
	unloadedModuleColumns = []string{"name", "base", "size", "checksum", "linked"}
	handleColumns         = []string{"handle", "type", "name", "granted_access"}
	knownColumns          = []string{"known", "known_code"}
	verdictColumns        = []string{"verdict_code", "verdict"}
)

// The columns that records have by another name.
var (
	sentenceFields = map[string]string{"not_recovered": "not_recovered_text", "not_recovered_code": "not_recovered", "known": "known_text",
		"known_code": "known", "verdict": "verdict_text", "verdict_code": "verdict"}
	processFields = joined(sentenceFields, map[string]string{"warning": "warnings_text", "warning_codes": "warnings"})
	moduleFields  = joined(sentenceFields, map[string]string{"md5": "dump_md5", "sha256": "dump_sha256"})
	driverFields  = joined(moduleFields, map[string]string{"path": "loader_path", "place": "load_order", "damage": "entry_damage"})
)

func joined(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	for _, m := range []map[string]string{a, b} {
		for from, to := range m {
			out[from] = to
		}
	}
	return out
}

// documented is a table with the descriptions of its columns: from columnDocs, or from the records' fields of a kind.
func documented(name string, columns []string, kind report.Kind, names map[string]string) Table {
	fields := map[string]string{}
	if kind != "" {
		for _, c := range report.Columns(kind) {
			fields[c.Name] = c.Doc
		}
	}
	file, _, _ := strings.Cut(name, ",")
	t := Table{Name: name}
	for _, c := range columns {
		doc, own := columnDocs[file][c]
		if c == paddingColumn {
			doc, own = "blanks, as many as the file is shorter than it could be: its size is known before it is made", true
		}
		if !own {
			doc = fields[fieldName(c, names)]
		}
		t.Columns = append(t.Columns, Entry{c, doc})
	}
	return t
}

// fieldName is the field of records that a column is.
func fieldName(column string, names map[string]string) string {
	if name, ok := names[column]; ok {
		return name
	}
	return strings.ToLower(strings.ReplaceAll(column, "-", "_"))
}
