package integrity

// Cause says why a piece of memory differs from the file.
type Cause uint8

const (
	Relocation      Cause = iota // numbers that the loader moved with the image
	ImportBinding                // imports, which lead to the functions that they name
	DelayImport                  // imports of DLLs that are loaded when they are first called
	GuardPointer                 // pointers of control flow guard and similar checks
	LoaderSlot                   // other values that the loader sets: security cookie, TLS index, handles, lock prefixes
	DataSection                  // a section that is meant to be written
	HotPatch                     // a function that Windows redirected to another version in a module
	ImportChanged                // an import that does not lead to the function that it names
	ExportChanged                // the table of exports: a lookup of the function finds another
	GuardChanged                 // a guard pointer that leads to no module
	CodeChanged                  // code
	ConstantChanged              // read-only data
	HeaderChanged                // the header
	HeaderErased                 // the header, which is zeros now
	causeCount      = iota
)

var causes = [causeCount]struct {
	name     string
	innocent bool // Windows, or the program in its own data, does this
	gap      int64
}{
	Relocation:      {"relocation", true, pageSize},
	ImportBinding:   {"import binding", true, 16},
	DelayImport:     {"delay import", true, 16},
	GuardPointer:    {"guard pointer", true, 0},
	LoaderSlot:      {"loader slot", true, 0},
	DataSection:     {"data section", true, pageSize},
	HotPatch:        {"hot patch", false, 0},
	ImportChanged:   {"import changed", false, 0},
	ExportChanged:   {"export changed", false, 0},
	GuardChanged:    {"guard pointer changed", false, 0},
	CodeChanged:     {"code changed", false, 4},
	ConstantChanged: {"read-only data changed", false, 4},
	HeaderChanged:   {"header changed", false, pageSize},
	HeaderErased:    {"header erased", false, pageSize},
}

// Causes returns all causes in their order.
func Causes() []Cause {
	out := make([]Cause, causeCount)
	for i := range out {
		out[i] = Cause(i)
	}
	return out
}

// String returns the words that tables use.
func (c Cause) String() string {
	if c >= causeCount {
		return "unknown"
	}
	return causes[c].name
}

// Innocent reports whether Windows does this to every image, or the program to its own data.
func (c Cause) Innocent() bool { return c < causeCount && causes[c].innocent }

// gap returns how many equal bytes may lie between two differences of the cause that make one run.
func (c Cause) gap() int64 { return causes[c].gap }
