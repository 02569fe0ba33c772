// Package corpus finds the reference images for tests: memory images whose content is known, each with a truth file
// beside it. They are too large for the repository; tests that need them are skipped if the folder shared/images does
// not lie beside the repository. It also leaves out long tests.
package corpus

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/ulikunitz/xz"
)

// Truth holds the known facts about an image.
type Truth struct {
	Name       string
	Arch       string
	Paging     string
	SystemTime string `json:"system_time"`
	Kernel     struct {
		Base, DTB, KDBG     string
		PsActiveProcessHead string
		PDB                 []any
	}
	Processes []Process
	Store     *Store // for images whose processes have pages in the compressed store
}

// Store holds the known facts about the compressed store of an image. Addresses and keys are hexadecimal.
type Store struct {
	Number    int        `json:"virtual_store_page_file"`
	PageFiles []struct { // of the kernel
		Number  int
		Name    string
		Virtual bool `json:"virtual_store"`
	} `json:"page_files"`
	Mask      string `json:"invalid_pte_mask"`
	SmGlobals string
	Pages     []StoredPage // all entries that lead to the store
	PageFile  []StoredPage // all entries that lead to the page file, without Kind
}

// StoredPage is a page outside of physical memory.
type StoredPage struct {
	PID    uint64
	VA     string
	State  string // "compressed", or why it cannot be read
	Kind   string // how the data is written
	SHA256 string
}

// Process holds the known facts about a process. Addresses are hexadecimal.
type Process struct {
	PID, PPID   uint64
	NameHex     string `json:"name_hex"`
	Name        string
	OffsetV     string `json:"offset_v"`
	OffsetP     string `json:"offset_p"`
	DTB         string
	PEB         string
	ImageBase   string `json:"image_base"`
	Path        string
	CommandLine string `json:"command_line"`
	CreateTime  string `json:"create_time"`
	ExitTime    string `json:"exit_time"`
	InPslist    bool   `json:"in_pslist"`
	VADs        int
	Modules     []struct{ Base, Path string }
	Special     map[string]any
	Pages       map[string]string // state → page numbers, "0-3,7"
	FileSHA256  string            `json:"file_sha256"`
	Dumps       map[string]Dumps  // "volatility2", "prototype", "vad", "volatility3"; "pagefile", "store", "store+pagefile"

	// ReactOS only.
	Volatility2 struct{ Exe, Mem *Digest }
	Original    *struct {
		File  string
		Size  int64
		MD5   string
		Equal int64 `json:"bytes_equal_in_procexedump"`
	}
}

// Dumps holds the results of dumping a process at one level of page sources.
type Dumps struct {
	Status   string
	Exe, Mem *Digest
}

// Digest is the size and digests of a file, or the reason, in Error, why it ends early.
type Digest struct {
	Size   int64
	MD5    string
	SHA256 string
	Error  string
}

// Dir returns the folder of reference images; it skips the test when there is none.
func Dir(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "../../../../shared/images")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the reference images (../shared/images beside the repository) are not there")
	}
	return dir
}

// Load reads the truth of an image.
func Load(t testing.TB, name string) *Truth {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(t), name+".truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	truth := new(Truth)
	if err := json.Unmarshal(b, truth); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return truth
}

// Unpack returns the path of an unpacked file of the folder, such as "WinXPSP2x86.raw". It is kept for later runs in
// the system's folder of temporary files.
func Unpack(t testing.TB, name string) string {
	t.Helper()
	return unpacked(t, filepath.Join(Dir(t), name+".xz"), name)
}

// UnpackCase does the same for a file of the folder of a case.
func UnpackCase(t testing.TB, name, file string) string {
	t.Helper()
	return unpacked(t, filepath.Join(Case(t, name), file+".xz"), name+"-"+file)
}

// unpacked unpacks a file unless that has been done, and returns the path of the result.
func unpacked(t testing.TB, packed, name string) string {
	t.Helper()
	sum, err := sumOf(packed)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(os.TempDir(), "memlens-corpus-"+strconv.Itoa(os.Getuid()))
	path := filepath.Join(dir, fmt.Sprintf("%x-%s", sum[:8], name))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := unpack(packed, path); err != nil {
		t.Fatalf("unpacking %s: %v", packed, err)
	}
	return path
}

// sumOf returns the digest of a file. It takes less time than unpacking the file again when its date has changed.
func sumOf(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), err
}

// unpack writes to a file of its own first, for tests run side by side.
func unpack(packed, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "unpacking-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := decompress(packed, tmp); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// ReadXZ returns the content of a file that xz has compressed.
func ReadXZ(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decompress uses the xz program if there is one, for it is several times as fast. It leaves holes for zeros, too.
func decompress(packed string, to *os.File) error {
	if program, err := exec.LookPath("xz"); err == nil {
		cmd := exec.Command(program, "-dc", packed)
		cmd.Stdout = to
		return cmd.Run()
	}
	f, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		return err
	}
	w := &holeWriter{f: to}
	if _, err := io.CopyBuffer(w, r, make([]byte, 1<<16)); err != nil {
		return err
	}
	return w.finish()
}

// holeWriter leaves holes for zeros: the images are mostly zeros.
type holeWriter struct {
	f   *os.File
	off int64
}

func (w *holeWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), 4096-int(w.off%4096))
		if !zero(rest[:n]) {
			if _, err := w.f.WriteAt(rest[:n], w.off); err != nil {
				return 0, err
			}
		}
		w.off += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

func (w *holeWriter) finish() error { return w.f.Truncate(w.off) }

func zero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
