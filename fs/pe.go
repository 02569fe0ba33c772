package fs

import (
	"fmt"
	"time"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/pe"
	"memlens/memimage/pedump"
	"memlens/memimage/report"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// peInfo has the facts from the header of a recovered executable.
type peInfo struct {
	Machine        string               `json:"machine"`
	Code           []string             `json:"code,omitempty"` // kinds that the machine type does not show
	HotPatch       *hotPatchInfo        `json:"hot_patch,omitempty"`
	CodeIs         string               `json:"code_certainty,omitempty"` // one of these two
	CodeProblem    string               `json:"code_problem,omitempty"`   // why more of it may not be known
	Format         string               `json:"format"`
	TimeDateStamp  uint32               `json:"time_date_stamp"`
	Linked         time.Time            `json:"linked"`
	EntryPoint     string               `json:"entry_point"`
	ImageBase      string               `json:"image_base"`
	SizeOfImage    uint32               `json:"size_of_image"`
	SizeOfHeaders  uint32               `json:"size_of_headers"`
	CheckSum       string               `json:"checksum"`
	Subsystem      uint16               `json:"subsystem"`
	Sections       []sectionInfo        `json:"sections"`
	Of             string               `json:"imports_imphash_and_authentihash_of"`
	Imports        []importInfo         `json:"imports"`
	DLLsUnreadable int                  `json:"dlls_unreadable"`
	Unreadable     int                  `json:"functions_unreadable"`
	ImportsOpen    bool                 `json:"more_imports_unreadable"` // and nobody knows how many
	ImportsProblem string               `json:"imports_problem,omitempty"`
	Imphash        string               `json:"imphash"` // empty when a name that it covers is missing
	ImphashIs      string               `json:"imphash_certainty,omitempty"`
	Authentihash   *digest.Authentihash `json:"authentihash"`
}

// hotPatchInfo says that an image patches others that are loaded.
type hotPatchInfo struct {
	Table      string `json:"table"` // RVA
	Version    uint32 `json:"version"`
	Sequence   uint32 `json:"sequence"`
	BaseImages uint32 `json:"base_images"`
}

type sectionInfo struct {
	Name            string `json:"name"`
	VirtualAddress  string `json:"virtual_address"`
	VirtualSize     uint32 `json:"virtual_size"`
	RawOffset       string `json:"raw_offset"`
	RawSize         uint32 `json:"raw_size"`
	Characteristics string `json:"characteristics"`
}

// importInfo is the list of imports from a DLL. Missing imports are counted.
type importInfo struct {
	DLL        *string  `json:"dll"` // null when it is missing
	Functions  []string `json:"functions"`
	Unreadable int      `json:"functions_unreadable"`
	Open       bool     `json:"more_unreadable,omitempty"` // and nobody knows how many
}

// Limits on the facts about an executable.
const (
	maxInfoSections = 256
	maxImports      = 4096
)

// keptPEInfos is for how many images the facts from the header are kept: a process's own image is among its modules,
// too.
const keptPEInfos = 8

// pe returns the facts from the header of the image, with a planned authentihash; nil when there is none. The error is
// from a source that fails.
func (m *module) pe() (*peInfo, error) {
	known, ok := m.fs.peInfos.Get(m.Module)
	if !ok {
		before := m.fs.image.Faults().Count()
		var err error
		if known, err = m.readPE(); err != nil || known == nil {
			return nil, err
		}
		if known.Authentihash, err = m.plannedAuthentihash(); err != nil {
			return nil, err
		}
		if m.fs.image.Faults().Count() == before {
			m.fs.peInfos.Add(m.Module, known)
		}
	}
	out := *known // the planned authentihash in it is replaced
	out.Of = m.file(formRestored)
	return &out, nil
}

func (m *module) readPE() (*peInfo, error) {
	h, err := m.peHeader()
	if h == nil {
		return nil, err
	}
	info := &peInfo{
		Machine: pe.MachineName(h.Machine), Format: "PE32", TimeDateStamp: h.TimeDateStamp, Linked: time.Unix(int64(h.TimeDateStamp), 0).UTC(),
		EntryPoint: fmt.Sprintf("%#x", h.EntryPoint), ImageBase: fmt.Sprintf("%#x", h.ImageBase), SizeOfImage: h.SizeOfImage,
		SizeOfHeaders: h.SizeOfHeaders, CheckSum: fmt.Sprintf("%#x", h.CheckSum), Subsystem: h.Subsystem, Sections: []sectionInfo{}, Imports: []importInfo{},
	}
	if h.PE32Plus() {
		info.Format = "PE32+"
	}
	for i := range h.Sections[:min(len(h.Sections), maxInfoSections)] {
		s := &h.Sections[i]
		info.Sections = append(info.Sections, sectionInfo{s.Name(), fmt.Sprintf("%#x", s.VirtualAddress), s.VirtualSize,
			fmt.Sprintf("%#x", s.PointerToRawData), s.SizeOfRawData, fmt.Sprintf("%#x", s.Characteristics)})
	}
	r, err := m.Restored()
	if err != nil {
		info.ImportsProblem = err.Error()
		return info, sparse.OnlyFailed(err)
	}
	return info, info.addImports(r)
}

// peHeader returns the header of the image as it lay in memory. Where neither classic dump can be made, it returns the
// header of the restored file; nil when there is none.
func (m *module) peHeader() (*pedump.Image, error) {
	for _, dump := range []func() (*memimage.Executable, error){m.FileDump, m.MemoryDump} {
		exe, err := dump()
		if err == nil {
			return exe.Header, nil
		}
		if sparse.Failed(err) {
			return nil, err
		}
	}
	r, err := m.Restored()
	if err != nil {
		return nil, sparse.OnlyFailed(err)
	}
	h, err := pedump.Parse(r.Reader)
	return h, sparse.OnlyFailed(err)
}

// addImports reads the import tables of the restored file. Missing parts are counted, and nothing is made up for them.
// The error is from a source that fails.
func (info *peInfo) addImports(r *restore.Result) error {
	j := &digest.Judge{Result: r}
	f, err := pe.Open(j)
	if digest.Unreadable(err) {
		info.ImportsProblem = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	j.ForgetBase()
	imports, err := f.Imports()
	if err != nil {
		return err
	}
	info.DLLsUnreadable, info.Unreadable = imports.Unreadable()
	info.ImportsOpen = imports.Open
	if imports.Err != nil {
		info.ImportsProblem = imports.Err.Error()
	}
	if info.Imphash = digest.ImphashOf(imports); info.Imphash != "" {
		info.ImphashIs = j.Worst.String()
	}
	info.list(imports)
	return info.addCode(r)
}

// addCode adds the facts of the load configuration about the code. The error is from a source that fails.
func (info *peInfo) addCode(r *restore.Result) error {
	j := &digest.Judge{Result: r}
	f, err := pe.Open(j)
	if err != nil {
		return sparse.OnlyFailed(err) // addImports has said it
	}
	code, err := f.Code()
	if sparse.Failed(err) {
		return err
	}
	if info.Code = code.Kinds; len(code.Kinds) > 0 || code.HotPatch != nil {
		info.CodeIs = j.Worst.String()
	}
	if h := code.HotPatch; h != nil {
		info.HotPatch = &hotPatchInfo{fmt.Sprintf("%#x", h.Table), h.Version, h.Sequence, h.BaseImages}
	}
	if err != nil {
		info.CodeProblem = err.Error()
	}
	return nil
}

// list adds the imports, up to a limit.
func (info *peInfo) list(imports *pe.Imports) {
	left, more := maxImports, 0
	for i := range imports.DLLs {
		d := &imports.DLLs[i]
		shown := d.Functions[:min(len(d.Functions), left)]
		left, more = left-len(shown), more+len(d.Functions)-len(shown)
		if more == 0 || len(shown) > 0 {
			info.Imports = append(info.Imports, importOf(d, shown))
		}
	}
	if more > 0 {
		info.ImportsProblem = fmt.Sprintf("only the first %d imports are shown, and %d more are not", maxImports, more)
	}
}

// importOf describes a DLL with the functions shown of it.
func importOf(d *pe.DLL, shown []pe.Function) importInfo {
	out := importInfo{Functions: []string{}, Unreadable: d.Unreadable, Open: d.Open}
	if d.Name != "" {
		name := report.Printable(d.Name)
		out.DLL = &name
	}
	for _, fn := range shown {
		name := report.Printable(fn.Name)
		if fn.ByOrdinal {
			name = fmt.Sprintf("#%d", fn.Ordinal)
		}
		out.Functions = append(out.Functions, name)
	}
	return out
}
