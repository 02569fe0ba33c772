package synth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"memlens/memimage/synth/corpus"
)

// foreignTruth is the part of an image's truth file about its store.
type foreignTruth struct {
	Kernel    struct{ DTB string }
	Processes []struct {
		DTB    string
		Offset string `json:"offset_v"`
	}
	Store struct {
		Number    int    `json:"virtual_store_page_file"`
		Mask      string `json:"invalid_pte_mask"`
		SmGlobals string
		Owner     string `json:"memcompression"`
		Pages     []struct{ PTE, State, Kind, SHA256 string }
	}
}

// TestStoreOfOthers reads the stores of images that another program has written, by the walk that reads this
// package's stores: so the two programs agree on the format of a store.
func TestStoreOfOthers(t *testing.T) {
	for name, build := range map[string]string{
		"Win10x64_18362": "Win10x64_18362", "Win10x64_19041": "Win10x64_19041", "Win11x64_22000": "Win11x64_22000.318",
	} {
		t.Run(name, func(t *testing.T) {
			truth := loadForeign(t, name+"-store")
			image, err := os.Open(corpus.Unpack(t, name+"-store.raw"))
			if err != nil {
				t.Fatal(err)
			}
			defer image.Close()
			m := foreignMemory(t, truth, corpus.Unpack(t, name+"-store.pagefile.sys"))
			p := named(t, build)
			w := &storeWalk{walker{t, image, p, X64, number(t, truth.Kernel.DTB)}, m, walkOf(p.Arch(), p.Version().Build)}
			for _, page := range truth.Store.Pages {
				checkForeign(t, w, page.PTE, page.State, page.Kind, page.SHA256)
			}
		})
	}
}

func loadForeign(t *testing.T, name string) (truth foreignTruth) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t), name+".truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	return truth
}

// foreignMemory returns the facts about an image that a walk needs.
func foreignMemory(t *testing.T, truth foreignTruth, pageFile string) *Memory {
	t.Helper()
	file, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	s := truth.Store
	m := &Memory{PageFile: file, Truth: Truth{Store: &StoreTruth{
		Number: s.Number, Mask: number(t, s.Mask), SmGlobals: number(t, s.SmGlobals), EPROCESS: number(t, s.Owner),
	}}}
	for _, p := range truth.Processes {
		m.Truth.Processes = append(m.Truth.Processes, ProcessTruth{EPROCESS: number(t, p.Offset), DTB: number(t, p.DTB)})
	}
	return m
}

// checkForeign follows an entry without the page file and with it.
func checkForeign(t *testing.T, w *storeWalk, pte, state, kind, want string) {
	t.Helper()
	for _, files := range []bool{false, true} {
		page, err := w.page(number(t, pte), files)
		there := state == "compressed" || state == "compressed-pagefile" && files
		sum := sha256.Sum256(page)
		if there != (err == nil) || there && hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s (%s, page file %v): %v, SHA-256 %x", pte, kind, files, err, sum)
		}
		if err != nil && state != "compressed-pagefile" && "compressed"+err.Error() != state {
			t.Errorf("%s (%s): it is %q, want %q", pte, kind, err, state)
		}
	}
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
