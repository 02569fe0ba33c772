package stack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"memlens/memimage/synth"
	"memlens/render/similarity"
)

// sighting returns a sighting on a host.
func sighting(host int, f File) Sighting {
	return Sighting{
		Image: fmt.Sprintf("host-%d.raw", host), Time: time.Date(2026, 11, host, 0, 0, 0, 0, time.UTC), File: f, Paths: []string{`C:\` + f.Name}, Processes: 1,
	}
}

func TestIdentities(t *testing.T) {
	whole := File{Name: "a.exe", SHA256: "s1", Authentihash: "a1"}
	part := File{Name: "b.exe", Authentihash: "a1"}
	other := File{Name: "a.exe", SHA256: "s2", Authentihash: "a1"}
	unsigned := File{Name: "c.exe", SHA256: "s3"}
	for _, c := range []struct {
		name      string
		sightings []Sighting
		want      string
	}{
		{"whole", []Sighting{sighting(1, whole), sighting(2, whole)}, "s1 sha256 2 hosts, 2 whole, a.exe"},
		{"no authentihash", []Sighting{sighting(1, unsigned)}, "s3 sha256 1 hosts, 1 whole, c.exe"},
		{"signed part of a file that is whole elsewhere", []Sighting{sighting(2, part), sighting(1, whole)}, "s1 sha256 2 hosts, 1 whole, a.exe b.exe"},
		{"signed part of one of two", []Sighting{sighting(3, part), sighting(1, whole), sighting(2, other)},
			"a1 authentihash 1 hosts, 0 whole, b.exe; s1 sha256 1 hosts, 1 whole, a.exe; s2 sha256 1 hosts, 1 whole, a.exe"},
		{"signed parts", []Sighting{sighting(1, part), sighting(2, part)}, "a1 authentihash 2 hosts, 0 whole, b.exe"},
		{"twice on a host", []Sighting{sighting(1, whole), sighting(1, whole)}, "s1 sha256 1 hosts, 1 whole, a.exe"},
		{"sizes that differ", []Sighting{sighting(1, File{Name: "x.exe", TLSH: "T1", Size: 1}), sighting(2, File{Name: "x.exe", TLSH: "T1", Size: 2})},
			"T1 tlsh 1 hosts, 0 whole, x.exe; T1 tlsh 1 hosts, 0 whole, x.exe"},
		{"a name alone", []Sighting{sighting(1, File{Name: "X.exe"}), sighting(2, File{Name: "x.EXE"})}, "x.exe name 2 hosts, 0 whole, X.exe x.EXE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := c.sightings[0].File.Key()
			var got []string
			for _, r := range Rows(c.sightings) {
				got = append(got, fmt.Sprintf("%s %s %d hosts, %d whole, %s", r.Identity, r.Kind, r.Hosts, r.CompleteOn, strings.Join(r.Names, " ")))
			}
			slices.Sort(got)
			if strings.Join(got, "; ") != c.want {
				t.Errorf("%s, want %s", strings.Join(got, "; "), c.want)
			}
			for _, s := range c.sightings {
				if s.File.Key() != key {
					t.Errorf("%v has another key than %s", s.File, key)
				}
			}
		})
	}
}

func TestRow(t *testing.T) {
	var all []Sighting
	for host := 1; host <= 28; host++ {
		s := sighting(host, File{Name: "a.exe", SHA256: "s"})
		s.Missing, s.PID, s.Base, s.Known = int64(100-host), int64(host), 0x1000, "not-known"
		all = append(all, s)
	}
	all[3].Known, all[4].Changed, all[5].Time = known, 2, time.Time{}
	r := Rows(all)[0]
	if r.Hosts != 28 || !r.FirstSeen.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) || r.LastSeen.Day() != 28 {
		t.Errorf("%d hosts, %v to %v", r.Hosts, r.FirstSeen, r.LastSeen)
	}
	if r.Known != known || r.ChangedOn != 1 || r.LeastMissing != 72 || r.Best != (Place{"host-28.raw", 28, 0x1000}) {
		t.Errorf("%+v", r)
	}
}

func TestRowIsBounded(t *testing.T) {
	var all []Sighting
	for host := range 1000 {
		s := sighting(host, File{Name: "a.exe", SHA256: "s"})
		s.Paths = []string{fmt.Sprintf(`C:\%d`, host)}
		all = append(all, s)
	}
	if r := Rows(all)[0]; len(r.Images) != most || r.Hosts != 1000 || len(r.Paths) != most || r.PathCount != 1000 {
		t.Errorf("%d images of %d, %d paths of %d", len(r.Images), r.Hosts, len(r.Paths), r.PathCount)
	}
}

func TestRarestFirst(t *testing.T) {
	rows := []Row{
		{Hosts: 2, Names: []string{"d"}}, {Hosts: 1, Names: []string{"c"}, Known: known}, {Hosts: 1, Names: []string{"b"}},
		{Hosts: 1, Names: []string{"a"}, ChangedOn: 1}, {Hosts: 1, Names: []string{"a"}, Known: "not-known"},
	}
	slices.SortFunc(rows, Compare)
	got := ""
	for _, r := range rows {
		got += r.Names[0]
	}
	if got != "aabcd" || rows[0].ChangedOn != 1 {
		t.Errorf("%s, %v", got, rows)
	}
}

// holed returns the TLSH digest of a file in which one page is zeros.
func holed(t *testing.T, file []byte, page int) string {
	t.Helper()
	b := bytes.Clone(file)
	clear(b[0x400+page*0x1000:][:0x1000])
	d, err := similarity.TLSH(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestNear checks the threshold with files that lack a page, and with other files.
func TestNear(t *testing.T) {
	worst, closest := 0, 1000
	var whole []string
	for i := range 4 {
		file := synth.NewProgram(synth.Program{Name: fmt.Sprintf("p%d.exe", i), Bits: 64, Code: 0x14000, Data: 0x8000}).File
		d, err := similarity.TLSH(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		for page := range 20 {
			n, _ := similarity.TLSHDistance(d, holed(t, file, page))
			worst = max(worst, n)
		}
		for _, other := range whole {
			n, _ := similarity.TLSHDistance(d, other)
			closest = min(closest, n)
		}
		whole = append(whole, d)
	}
	t.Logf("a page of 28 missing: at most %d; other files of the same make: at least %d", worst, closest)
	if worst > near {
		t.Errorf("a file that lacks a page is %d from itself", worst)
	}
}

// TestOrderDoesNotMatter gives the sightings in many orders.
func TestOrderDoesNotMatter(t *testing.T) {
	var all []Sighting
	for i := range 3 {
		file := synth.NewProgram(synth.Program{Name: fmt.Sprintf("p%d.exe", i), Bits: 32, Code: 0x14000}).File
		for host := range 8 {
			s := sighting(host+1, File{Name: "p.exe", TLSH: holed(t, file, host)})
			s.PID = int64(100*i + host)
			all = append(all, s)
		}
	}
	all = append(all, sighting(1, File{Name: "p.exe"}))
	want := Rows(all)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := Rows(all); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if n := int64(0); true {
		for _, r := range want {
			n += r.Processes
		}
		if n != int64(len(all)) {
			t.Errorf("%d of %d sightings", n, len(all))
		}
	}
}

func TestChanges(t *testing.T) {
	piece := func(was, is, target string) []Piece {
		return []Piece{NewPiece(Piece{RVA: 0x1240, Length: 5, Changed: 5, Section: ".text", Cause: "code"}, was, is, target)}
	}
	file := File{Name: "ntdll.dll", SHA256: "s"}
	change := func(host int, p []Piece) Changed {
		return Changed{Image: fmt.Sprint(host), Process: "explorer.exe", Path: "p", File: file, Pieces: p}
	}
	same := []Changed{
		change(1, piece("8bff558bec11223344", "e911111111aabbccdd", "m.dll+0x10")),
		change(2, piece("8bff558bec11223344", "e922222222aabbccdd", "m.dll+0x10")), // leads to the same place of a module at another address
	}
	others := []Changed{
		change(3, piece("8bff558bec", "e911111111", "m.dll+0x20")),
		change(4, piece("8bff558bec", "e911111111", "")),
		change(5, piece("8bff558bec", "e911111112", "")),
		change(6, append(piece("8bff558bec", "e911111111", ""), piece("00", "01", "")...)),
	}
	if same[0].Key() != same[1].Key() {
		t.Error("the same change has two keys")
	}
	keys := map[string]bool{same[0].Key(): true}
	for _, c := range others {
		keys[c.Key()] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys, want 5", len(keys))
	}
	r := ChangeRows(same)
	if r.Hosts != 2 || r.Bytes != 5 || r.Identity != "s" || r.Kind != BySHA256 || len(r.Where) != 1 || !strings.Contains(r.Where[0], "0x1240") {
		t.Errorf("%+v", r)
	}
}

// TestRelocationIsTakenOut has a changed piece that covers a number that the loader has relocated.
func TestRelocationIsTakenOut(t *testing.T) {
	a := NewPiece(Piece{RVA: 1}, "90001000aa", "cc001000bb", "")
	b := NewPiece(Piece{RVA: 1}, "90007700aa", "cc007700bb", "")
	if a != b || a.Is != "cc......bb" {
		t.Errorf("%v, %v", a, b)
	}
}
