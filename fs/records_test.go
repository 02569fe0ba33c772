package fs

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"memlens/memimage"
	"memlens/memimage/report"
	"memlens/memimage/synth/corpus"
)

// namedFacts are facts about a thing, by name.
type namedFacts map[string]string

// csvFacts are the rows of a table that describe a thing: in rows that report damage, the first cell is empty. Spaces
// at the end of a row make up for its length.
func csvFacts(t *testing.T, text string) (out []namedFacts) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		facts := namedFacts{}
		for i, name := range rows[0] {
			facts[name] = row[i]
		}
		delete(facts, paddingColumn)
		if row[0] != "" {
			out = append(out, facts)
		}
	}
	return out
}

// jsonFacts are the facts in a JSON file; the name of a nested fact has the outer name and a full stop before it.
func jsonFacts(t *testing.T, text string) namedFacts {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out := namedFacts{}
	out.add("", v)
	return out
}

func (f namedFacts) add(name string, v any) {
	switch v := v.(type) {
	case nil:
		f[name] = ""
	case map[string]any:
		for key, value := range v {
			f.add(strings.TrimPrefix(name+"."+key, "."), value)
		}
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = fmt.Sprint(v[i])
		}
		f[name] = strings.Join(texts, "; ")
	default:
		f[name] = fmt.Sprint(v)
	}
}

// The names of the tree that have other names in records. "=" stands for a name that no record has.
var (
	sentences = namedFacts{"warning": "warnings_text", "warning_codes": "warnings", "not_recovered": "not_recovered_text", "not_recovered_code": "not_recovered",
		"known": "known_text", "known_code": "known", "verdict": "verdict_text", "verdict_code": "verdict", "pages_VAD": "pages_vad"}
	moduleNames = merged(sentences, namedFacts{"md5": "dump_md5", "sha256": "dump_sha256", "bytes_read-only_data_changed": "bytes_read_only_data_changed"})
	driverNames = merged(moduleNames, namedFacts{"path": "loader_path", "place": "load_order"})
	infoNames   = merged(sentences, namedFacts{"warnings": "warnings_text", "restored.of": "restored_of", "restored.size": "restored_size",
		"restored.size_certainty": "restored_size_certainty", "restored.complete": "restored_complete", "restored.bytes_exact": "bytes_exact",
		"restored.bytes_assumed": "bytes_assumed", "restored.bytes_left_as_found": "bytes_left", "restored.bytes_missing": "bytes_missing",
		"restored.image_base.address": "original_base", "restored.image_base.certainty": "original_base_certainty",
		"changes.verdict": "verdict_text", "changes.verdict_code": "verdict", "changes.pages_comparable": "pages_comparable",
		"pages.page_table": "pages_page_table", "pages.prototype": "pages_prototype", "pages.VAD": "pages_vad", "pages.page_file": "pages_page_file",
		"pages.compressed_store": "pages_compressed_store", "pages.zero": "pages_zero", "pages.missing": "pages_missing",
		"changes.bytes_changed.data_section": "bytes_data_section", "changes.bytes_changed.import_binding": "bytes_import_binding",
		"changes.bytes_changed.code_changed": "bytes_code_changed", "changes.bytes_changed.relocation": "bytes_relocation",
		"pe.imphash": "imphash", "pe.authentihash.sha256": "authentihash", "pe.authentihash.certainty": "authentihash_certainty"})
	moduleInfoNames = merged(infoNames, namedFacts{"process": "pid", "path": "="})
	imageNames      = namedFacts{"physical_memory.size": "memory_size", "physical_memory.present": "memory_present", "windows.name": "system",
		"windows.version": "version", "windows.build": "build", "windows.build_lab": "build_lab", "windows.system_root": "system_root",
		"windows.architecture": "architecture", "windows.paging": "paging", "windows.profile": "profile", "windows.profile_is_exact": "profile_exact",
		"kernel.name": "kernel", "kernel.base": "kernel_base", "kernel.dtb": "dtb", "kernel.kdbg": "kdbg", "kernel.ps_active_process_head": "ps_active_process_head",
		"kernel.pdb": "pdb", "kernel.pdb_guid": "pdb_guid", "kernel.pdb_age": "pdb_age"}
	regionNames = namedFacts{"note": "="}
	digestNames = namedFacts{"size": "restored_size", "complete": "restored_complete"}
)

func merged(a, b namedFacts) namedFacts {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// sameFact reports whether the tree writes a record's fact so.
func sameFact(name, tree, record string) bool {
	switch name {
	case "verdict_text":
		tree = strings.TrimPrefix(tree, "not compared: ")
		return tree != "" && strings.HasPrefix(record, tree) || tree == record
	case "load_order", "load_count":
		return tree == record || tree == "unknown" && record == ""
	case "flags":
		var n, m uint64
		fmt.Sscan(tree, &n)
		fmt.Sscan(record, &m)
		return n == m
	}
	return tree == record || report.Cell(tree) == record
}

// holdFacts compares the facts in a file of the tree with a record, and returns how many facts both have.
func holdFacts(t *testing.T, file string, tree, record namedFacts, names namedFacts) (n int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		field := name
		if other, ok := names[name]; ok {
			field = other
		}
		want, ok := record[field]
		if !ok {
			continue
		}
		n++
		if !sameFact(field, tree[name], want) {
			t.Errorf("%s, %s: %q, the record has %s: %q", file, name, tree[name], field, want)
		}
	}
	return n
}

// recordsOf are the records of an image, by kind and by the thing that they belong to.
type recordsOf struct {
	t         *testing.T
	image     namedFacts
	processes []namedFacts
	drivers   []namedFacts
	modules   map[string][]namedFacts // of a process, by the address of its structure
	regions   map[string][]namedFacts
}

func (r *recordsOf) add(record report.Record) error {
	var out bytes.Buffer
	w, err := report.NewWriter("csv", &out, []report.Kind{report.KindOf(record)})
	if err == nil {
		err = w.Write(record)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	facts := csvFacts(r.t, out.String())[0]
	of := ""
	if n := len(r.processes); n > 0 {
		of = r.processes[n-1]["eprocess_physical"]
	}
	switch report.KindOf(record) {
	case report.KindImage:
		r.image = facts
	case report.KindProcess:
		r.processes = append(r.processes, facts)
	case report.KindModule:
		if facts["role"] == string(report.RoleDriver) {
			r.drivers = append(r.drivers, facts)
			return nil
		}
		r.modules[of] = append(r.modules[of], facts)
	case report.KindRegion:
		r.regions[of] = append(r.regions[of], facts)
	}
	return nil
}

// TestRecords compares the facts in the tree with the records of the image: every fact that both have.
func TestRecords(t *testing.T) {
	corpus.Long(t)
	t.Run("demo", func(t *testing.T) {
		f, _ := demo(t)
		n := holdTree(t, f, report.DigestNames)
		if n < 2000 {
			t.Errorf("%d facts were compared", n)
		}
	})
	t.Run("WinXPSP2x86", func(t *testing.T) {
		im, err := memimage.Open(t.Context(), corpus.Unpack(t, "WinXPSP2x86.raw"), memimage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer im.Close()
		n := holdTree(t, New(im, Options{}), []string{"md5", "sha256", "imphash", "authentihash"})
		if n < 2000 {
			t.Errorf("%d facts were compared", n)
		}
	})
}

// holdTree compares all tables, and image.json and info.json, with the records.
func holdTree(t *testing.T, f *FS, digests report.DigestSet) (n int) {
	t.Helper()
	records := &recordsOf{t: t, modules: map[string][]namedFacts{}, regions: map[string][]namedFacts{}}
	if err := report.Walk(t.Context(), f.image, report.Options{Modules: true, Drivers: true, Regions: true, Scan: true, Digests: digests}, records.add); err != nil {
		t.Fatal(err)
	}
	n += holdFacts(t, "image.json", jsonFacts(t, read(t, f, "image.json")), records.image, imageNames)
	rows := func(file string, want []namedFacts, names namedFacts) []namedFacts {
		t.Helper()
		all := csvFacts(t, read(t, f, file))
		if len(all) != len(want) {
			t.Fatalf("%s has %d rows, and there are %d records", file, len(all), len(want))
		}
		for i := range all {
			n += holdFacts(t, file, all[i], want[i], names)
		}
		return all
	}
	listed := len(csvFacts(t, read(t, f, "processes.csv")))
	for dir, want := range map[string][]namedFacts{".": records.processes[:listed], scannedName: records.processes[listed:]} {
		byName := map[string]namedFacts{}
		for i, process := range rows(path.Join(dir, "processes.csv"), want, sentences) {
			byName[process["directory"]] = want[i]
			at, key := path.Join(dir, process["directory"]), want[i]["eprocess_physical"]
			n += holdFacts(t, at+"/info.json", jsonFacts(t, read(t, f, at+"/info.json")), want[i], infoNames)
			if modules := records.modules[key]; len(modules) > 0 {
				for j, module := range rows(at+"/modules.csv", modules, moduleNames) {
					info := path.Join(at, "modules", module["directory"], "info.json")
					n += holdFacts(t, info, jsonFacts(t, read(t, f, info)), modules[j], moduleInfoNames)
				}
			}
			if regions := records.regions[key]; len(regions) > 0 {
				rows(at+"/regions.csv", regions, regionNames)
			}
		}
		for _, file := range csvFacts(t, read(t, f, path.Join(dir, digestsCSV))) {
			if record := maps.Clone(byName[file["directory"]]); file["file"] == "restored.exe" {
				maps.DeleteFunc(record, func(field, _ string) bool { // the digests that were not asked for
					return slices.Contains(report.DigestNames, field) && !slices.Contains(digests, field)
				})
				n += holdFacts(t, path.Join(dir, digestsCSV), file, record, digestNames)
			}
		}
	}
	listed = len(csvFacts(t, read(t, f, "drivers.csv")))
	rows("drivers.csv", records.drivers[:listed], driverNames)
	rows("scanned/drivers.csv", records.drivers[listed:], driverNames)
	return n
}
