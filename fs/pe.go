package fs

import (
	"fmt"
	"io"
	"time"

	"github.com/saferwall/pe"

	"memlens/memimage"
	"memlens/memimage/sparse"
)

// peInfo is what the header of a recovered executable says.
type peInfo struct {
	Machine        string        `json:"machine"`
	Format         string        `json:"format"`
	TimeDateStamp  uint32        `json:"time_date_stamp"`
	Linked         time.Time     `json:"linked"`
	EntryPoint     string        `json:"entry_point"`
	ImageBase      string        `json:"image_base"`
	SizeOfImage    uint32        `json:"size_of_image"`
	SizeOfHeaders  uint32        `json:"size_of_headers"`
	CheckSum       string        `json:"checksum"`
	Subsystem      uint16        `json:"subsystem"`
	Sections       []sectionInfo `json:"sections"`
	Imports        []importInfo  `json:"imports"`
	ImportsProblem string        `json:"imports_problem,omitempty"`
}

type sectionInfo struct {
	Name            string `json:"name"`
	VirtualAddress  string `json:"virtual_address"`
	VirtualSize     uint32 `json:"virtual_size"`
	RawOffset       string `json:"raw_offset"`
	RawSize         uint32 `json:"raw_size"`
	Characteristics string `json:"characteristics"`
}

type importInfo struct {
	DLL       string   `json:"dll"`
	Functions []string `json:"functions"`
}

// Limits on what is told of an executable.
const (
	maxInfoSections = 256
	maxParsed       = 64 << 20 // bytes of an executable that is parsed for its imports
	maxImports      = 4096
)

// pe reads the header of the process's executable; nil when there is none.
func (p *process) pe() *peInfo {
	exe, err := p.FileDump()
	if err != nil {
		if exe, err = p.MemoryDump(); err != nil {
			return nil
		}
	}
	h := exe.Header
	info := &peInfo{
		Machine: machineName(h.Machine), Format: "PE32", TimeDateStamp: h.TimeDateStamp, Linked: time.Unix(int64(h.TimeDateStamp), 0).UTC(),
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
	if err := info.addImports(exe); err != nil {
		info.ImportsProblem = err.Error()
	}
	return info
}

func machineName(m uint16) string {
	switch pe.ImageFileHeaderMachineType(m) {
	case pe.ImageFileMachineI386:
		return "x86"
	case pe.ImageFileMachineAMD64:
		return "x64"
	case pe.ImageFileMachineARM64:
		return "arm64"
	}
	return fmt.Sprintf("%#x", m)
}

// addImports parses the import tables, as far as they are there.
func (info *peInfo) addImports(exe *memimage.Executable) error {
	if exe.Layout != "file" {
		return fmt.Errorf("the file layout, in which imports are read, could not be recovered")
	}
	size := exe.Reader.Size()
	if size > maxParsed {
		return fmt.Errorf("not read: the executable has %d bytes", size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(sparse.ZeroFill(exe.Reader, nil), 0, size), data); err != nil {
		return err
	}
	f, err := parseImports(data)
	if err != nil {
		return err
	}
	info.addParsed(f.Imports)
	return nil
}

// parseImports parses a file for its import tables. The parser is another's, and is given hostile bytes.
func parseImports(data []byte) (f *pe.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the import tables cannot be parsed: %v", r)
		}
	}()
	f, err = pe.NewBytes(data, &pe.Options{OmitExportDirectory: true, OmitExceptionDirectory: true, OmitResourceDirectory: true,
		OmitSecurityDirectory: true, OmitRelocDirectory: true, OmitDebugDirectory: true, OmitArchitectureDirectory: true,
		OmitGlobalPtrDirectory: true, OmitTLSDirectory: true, OmitLoadConfigDirectory: true, OmitBoundImportDirectory: true,
		OmitIATDirectory: true, OmitDelayImportDirectory: true, OmitCLRHeaderDirectory: true, OmitCLRMetadata: true,
		DisableCertValidation: true, DisableSignatureValidation: true})
	if err != nil {
		return nil, err
	}
	return f, f.Parse()
}

// imphash returns the import hash of an executable, or nothing where it has none.
func imphash(data []byte) (hash string) {
	defer func() {
		if recover() != nil {
			hash = ""
		}
	}()
	f, err := parseImports(data)
	if err != nil {
		return ""
	}
	hash, err = f.ImpHash()
	if err != nil {
		return ""
	}
	return hash
}

func (info *peInfo) addParsed(imports []pe.Import) {
	n := 0
	for _, imp := range imports {
		out := importInfo{DLL: printable(imp.Name), Functions: []string{}}
		for _, fn := range imp.Functions {
			if n++; n > maxImports {
				info.ImportsProblem = fmt.Sprintf("only the first %d imports are shown", maxImports)
				return
			}
			name := printable(fn.Name)
			if fn.ByOrdinal {
				name = fmt.Sprintf("#%d", fn.Ordinal)
			}
			out.Functions = append(out.Functions, name)
		}
		info.Imports = append(info.Imports, out)
	}
}
