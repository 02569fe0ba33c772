package fs

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

// signedDigest is the message digest that osslsigncode calculated when it signed signed32.exe.
const signedDigest = "cd7d379d615ae4f628e019e96933299e0298788e0f1140aaaa9506f56cf00b86"

// signedSystem is a system with a signed program, whose certificates are never mapped, and with programs that lack a
// page, by the name of the process.
func signedSystem(t testing.TB) *synth.Memory {
	t.Helper()
	p, err := profile.Builtin().ByName("WinXPSP2x86")
	if err != nil {
		t.Fatal(err)
	}
	without := func(missing int) (func(int) synth.State, func(int) synth.Under) {
		return func(page int) synth.State {
				if page == missing {
					return synth.ProtoDisk
				}
				return synth.Valid
			}, func(page int) synth.Under {
				if page == missing {
					return synth.UnderDisk
				}
				return synth.UnderValid
			}
	}
	var processes []synth.Process
	for i, d := range []struct {
		name, file string
		missing    int
	}{{"signed.exe", "signed32", -1}, {"notext.exe", "signed32", 1}, {"noimport.exe", "delay32", 2}, {"noidata.exe", "reloc32", 7}} {
		pages, section := without(d.missing)
		processes = append(processes, synth.Process{PID: uint64(100 + 4*i), PPID: 4, Name: d.name, Image: &synth.Executable{File: program(t, d.file)},
			Pages: pages, Section: section})
	}
	mem, err := synth.Build(synth.System{Profile: p, Paging: synth.X86, RAM: 16 << 20, Seed: 3, Processes: processes})
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

// describedFile is the part of info.json that describes the file.
type describedFile struct {
	PE struct {
		Imports []struct {
			DLL        *string
			Functions  []string
			Unreadable int  `json:"functions_unreadable"`
			More       bool `json:"more_unreadable"`
		}
		DLLs         int    `json:"dlls_unreadable"`
		Functions    int    `json:"functions_unreadable"`
		More         bool   `json:"more_imports_unreadable"`
		Problem      string `json:"imports_problem"`
		Imphash      string
		Certainty    string `json:"imphash_certainty"`
		Authentihash struct{ SHA256, SHA1, Certainty, Note string }
	}
	Restored struct {
		Size      int64
		Certainty string `json:"size_certainty"`
	}
}

func describedIn(t testing.TB, f *FS, dir string) *describedFile {
	t.Helper()
	d := new(describedFile)
	if err := json.Unmarshal([]byte(read(t, f, dir+"/info.json")), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSignedProgram compares the digest of a restored program with the digest in its signature.
func TestSignedProgram(t *testing.T) {
	f := tree(t, signedSystem(t), Options{References: references(t, folder(t, map[string][]byte{"signed.exe": program(t, "signed32")}))})
	info := describedIn(t, f, "100-signed.exe")
	d := info.PE
	if a := d.Authentihash; a.SHA256 != signedDigest || a.Certainty != "assumed" || !strings.Contains(a.Note, "overlay") {
		t.Errorf("authentihash: %+v", a)
	}
	if size := int64(len(program(t, "signed32"))); info.Restored.Size != size || info.Restored.Certainty != "assumed" {
		t.Errorf("%+v, want %d bytes", info.Restored, size)
	}
	if d.Imphash != imphashOfSigned32 || d.Functions != 0 || d.Problem != "" {
		t.Errorf("imports: %+v", d)
	}
	file, err := f.Open("100-signed.exe/restored.exe")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if x, ok := file.(Xattrer).Xattr(xattrPrefix + "authentihash"); !ok || string(x) != signedDigest {
		t.Errorf("extended attribute: %q", x)
	}
	if !slices.Contains(file.(Xattrer).Xattrs(), xattrPrefix+"authentihash") {
		t.Error("the extended attribute is not listed")
	}
	var c comparisonInfo
	if err := json.Unmarshal([]byte(read(t, f, "100-signed.exe/diff-vs-restored/signed.exe.json")), &c); err != nil {
		t.Fatal(err)
	}
	if c.Reference.Signed != signedDigest || c.Recovered.Signed != signedDigest || c.Bytes.NotRecovered != c.Reference.Size-6144 || c.DigestReached {
		t.Errorf("comparison: %+v", c)
	}
	if csv := read(t, f, "100-signed.exe/restored.csv"); !strings.Contains(csv, "certificate table: never mapped") {
		t.Error(csv)
	}
}

// TestMissingPagesAreNoFacts has programs that lack a page: the missing entries are counted, and none is made up.
func TestMissingPagesAreNoFacts(t *testing.T) {
	f := tree(t, signedSystem(t), Options{})
	text := describedIn(t, f, "104-notext.exe").PE
	if text.Imphash != imphashOfSigned32 || text.Authentihash.SHA256 != "" || !strings.Contains(text.Authentihash.Note, "0x400 on are missing") {
		t.Errorf("without code: %+v", text)
	}
	for _, dir := range []string{"108-noimport.exe", "112-noidata.exe"} {
		d := describedIn(t, f, dir).PE
		if d.Imphash != "" || d.Authentihash.SHA256 != "" || d.Problem == "" || !d.More && d.Functions == 0 && d.DLLs == 0 {
			t.Errorf("%s: %+v", dir, d)
		}
	}
	raw := map[string]any{}
	if err := json.Unmarshal([]byte(read(t, f, "112-noidata.exe/info.json")), &raw); err != nil {
		t.Fatal(err)
	}
	if keys := slices.Sorted(maps.Keys(raw["pe"].(map[string]any))); !slices.Contains(keys, "functions_unreadable") {
		t.Errorf("%q", keys)
	}
}

// TestMissingHeadersHaveNoMarks has a file whose section table is missing, in part or with all bytes before it.
func TestMissingHeadersHaveNoMarks(t *testing.T) {
	b := program(t, "reloc32")
	whole := marks(&body{Content: bytes.NewReader(b)}, false)
	if len(whole) < 5 {
		t.Fatal(whole)
	}
	table := int64(binary.LittleEndian.Uint32(b[60:])) + 24 + 224
	for _, tt := range []struct {
		from, to int64
		want     int
	}{{0, 512, 0}, {table + 2*40, 512, 3}, {table, 512, 1}} {
		strict, err := sparse.NewReader(int64(len(b)), sparse.Extent{Len: tt.from, Src: sparse.Bytes(b)},
			sparse.Extent{Off: tt.to, Len: int64(len(b)) - tt.to, Src: sparse.Bytes(b), SrcOff: tt.to})
		if err != nil {
			t.Fatal(err)
		}
		got := marks(&body{Content: sized{sparse.ZeroFill(strict, nil), strict.Size()}, strict: strict}, false)
		if len(got) != tt.want || !slices.Equal(got, whole[:tt.want]) {
			t.Errorf("without %#x to %#x: %v", tt.from, tt.to, got)
		}
	}
}
