package corpus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Drivers holds the known facts about the drivers of an image.
type Drivers struct {
	Name               string
	PsLoadedModuleList string
	Drivers            []Driver
}

// Driver holds the known facts about a driver. Addresses are hexadecimal.
type Driver struct {
	Index      *int `json:"list_index"` // nil: it is not in the list
	Base       string
	Size       uint32
	Name       string
	Path       string
	Entry      string // its entry point
	Ldr        string // its entry in the list
	LoadCount  *int   `json:"load_count"`
	Session    *int
	Class      string
	FileSHA256 string            `json:"file_sha256"`
	Pages      map[string]string // state → page numbers, "0-3,7"
	Sections   []DriverSection
	Dumps      map[string]Dumps        // "volatility2", "prototype", "vad", "volatility3"
	Volatility map[string]DriverResult // "2.6.1 moddump", "2.6.1 moddump --memory"
	Original   *Original               // ReactOS only
}

// DriverSection is a section of a driver.
type DriverSection struct {
	Name                  string
	RVA, Size             uint32
	Discardable, Pageable bool
}

// DriverResult is the result of a version of Volatility.
type DriverResult struct {
	Result string
	Digest
}

// DriverImages are the images whose drivers are known.
var DriverImages = []string{"WinXPSP2x86", "WinXPSP2x86PAE", "WinXPSP3x86PAE", "WinXPSP3x86PAE-modules", "Win2003SP2x86", "Win7SP1x86PAE",
	"Win7SP1x64", "Win7SP1x64-modules", "Win10x64_18362", "Win10x64_19041", "Win10x64_19041-modules", "Win11x64_22000", "ReactOS0413x86"}

// LoadDrivers reads the known facts about the drivers of an image.
func LoadDrivers(t testing.TB, name string) *Drivers {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(t), name+".drivers.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := new(Drivers)
	if err := json.Unmarshal(b, d); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}
