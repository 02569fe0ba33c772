package corpus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Modules holds the known facts about the modules of an image's processes.
type Modules struct {
	Processes []ModuleProcess
}

// ModuleProcess holds the known facts about the modules of a process. Addresses are hexadecimal.
type ModuleProcess struct {
	PID     uint64
	Name    string
	PEB     string
	OffsetP string   `json:"offset_p"`
	Modules []Module // that the loader has loaded
	Other   []Module // that are in memory, and in no list of the loader
}

// Module holds the known facts about an executable image, or about injected code.
type Module struct {
	Base, Path, Class string
	Name              string `json:"base_name"`
	Bits              int
	Main              bool
	FileSHA256        string                  `json:"file_sha256"`
	Dumps             map[string]Dumps        // "volatility2", "prototype", "vad", "volatility3"
	Volatility        map[string]DriverResult // "2.6.1 dlldump", "2.6.1 dlldump --memory"
	Original          *Original               // ReactOS only
}

// Original is the file on the disk of ReactOS: where it lies in the archive, and its digest.
type Original struct {
	File   string
	Size   int64
	SHA256 string
}

// ModuleImages are the images whose modules are known.
var ModuleImages = DriverImages

// LoadModules reads the known facts about the modules of an image.
func LoadModules(t testing.TB, name string) *Modules {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(t), name+".modules.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := new(Modules)
	if err := json.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}
