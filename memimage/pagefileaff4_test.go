package memimage

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth"
)

// writeVolume writes an AFF4 volume with a page file in it, as WinPmem does with --format raw.
func writeVolume(t *testing.T, path string, pageFile []byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for _, e := range []struct {
		name string
		data []byte
	}{
		{"container.description", []byte("aff4://90283ff6-6777-4497-ac03-c711a870c8c0")},
		{"C%3A/pagefile.sys", pageFile},
		{"information.turtle", []byte(`@base <aff4://90283ff6-6777-4497-ac03-c711a870c8c0> .
@prefix aff4: <http://aff4.org/Schema#> .
@prefix memory: <http://aff4.org/Schema#memory/> .
</C:/pagefile.sys> aff4:category memory:pagefile ; memory:pagefile_number 0 .
`)},
	} {
		to, err := w.CreateHeader(&zip.FileHeader{Name: e.name})
		if err == nil {
			_, err = to.Write(e.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPageFileInAFF4 reads the pages of processes from a page file in an AFF4 volume.
func TestPageFileInAFF4(t *testing.T) {
	m := buildMemory(t, pagedOut(t, "Win7SP1x86", 0, false))
	name := filepath.Join(t.TempDir(), "host.aff4")
	writeVolume(t, name, m.PageFile)
	for _, path := range []string{name, filepath.Join(name, "C:/pagefile.sys")} {
		im := openMemory(t, m, Options{PageFiles: []GivenPageFile{{path, 1}}, AllPages: true})
		all := allProcesses(t, im)
		for _, want := range m.Truth.Processes {
			checkBuiltDumps(t, all[uint64(want.EPROCESSPhys)], &want, synth.PageFiles, false)
		}
		if said := strings.Join(im.Assumed(), "\n"); !strings.Contains(said, "Page file 1 is C:/pagefile.sys in host.aff4: nothing shows") {
			t.Errorf("it says %q", said)
		}
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPageFileInAFF4Missing asks for a page file that a volume does not hold.
func TestPageFileInAFF4Missing(t *testing.T) {
	m := buildMemory(t, pagedOut(t, "Win7SP1x86", 0, false))
	name := filepath.Join(t.TempDir(), "host.aff4")
	writeVolume(t, name, m.PageFile)
	_, err := OpenMemory(t.Context(), "host.aff4", m.Reader, Options{PageFiles: []GivenPageFile{{name + "/D:/pagefile.sys", 0}}})
	if err == nil || !strings.Contains(err.Error(), "holds no D:/pagefile.sys; its page files: C:/pagefile.sys") {
		t.Errorf("%v", err)
	}
}
