package fs

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"memlens/memimage"
	"memlens/memimage/reason"
	"memlens/memimage/report"
)

// imageInfo is image.json.
type imageInfo struct {
	Name       string            `json:"name"` // without its folder: the tree does not depend on where the image lies
	Format     string            `json:"format"`
	Size       int64             `json:"size"`
	Modified   *time.Time        `json:"modified"`
	Memory     memoryInfo        `json:"physical_memory"`
	Windows    systemInfo        `json:"windows"`
	Kernel     kernelInfo        `json:"kernel"`
	SystemTime *time.Time        `json:"system_time"`
	Found      []string          `json:"how_it_was_found"`
	PageFiles  []report.PageFile `json:"page_files,omitempty"`
	Store      *report.Store     `json:"compressed_store,omitempty"`
	Assumed    []string          `json:"assumed_or_missing"`
	Damage     []string          `json:"damage"`
	// Digests are the digests of its content that the container carries.
	Digests []digestInfo `json:"container_digests"`
}

type digestInfo struct {
	Algorithm string `json:"algorithm"`
	Of        string `json:"of"`
	Value     string `json:"value,omitempty"` // in hex; none for digests of blocks
	Checked   string `json:"checked"`         // "no", or the result of the check
}

type memoryInfo struct {
	Size    int64 `json:"size"`
	Present int64 `json:"present"`
}

type systemInfo struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Build      uint32 `json:"build"`
	Lab        string `json:"build_lab,omitempty"`
	SystemRoot string `json:"system_root"`
	Arch       string `json:"architecture"`
	Paging     string `json:"paging"`
	Profile    string `json:"profile"`
	Exact      bool   `json:"profile_is_exact"`
}

type kernelInfo struct {
	Name                string         `json:"name"`
	Base                report.Address `json:"base"`
	DTB                 report.Address `json:"dtb"`
	KDBG                report.Address `json:"kdbg"`
	PsActiveProcessHead report.Address `json:"ps_active_process_head"`
	PDB                 string         `json:"pdb,omitempty"`
	GUID                string         `json:"pdb_guid,omitempty"`
	Age                 uint32         `json:"pdb_age,omitempty"`
}

// ImageJSON returns the file image.json of an image.
func ImageJSON(im *memimage.Image) ([]byte, error) {
	if im.IsDump() {
		return encode(describeDump(im))
	}
	return encode(describe(im))
}

func describe(im *memimage.Image) *imageInfo {
	r := report.ImageOf(im)
	return &imageInfo{
		Name: r.Name, Format: r.Format, Size: r.Size, Modified: r.Modified,
		Memory:     memoryInfo{r.MemorySize, r.MemoryPresent},
		Windows:    systemInfo{r.System, r.Version, r.Build, r.BuildLab, r.SystemRoot, r.Architecture, r.Paging, r.Profile, r.ProfileExact},
		Kernel:     kernelInfo{r.Kernel, r.KernelBase, r.DTB, r.KDBG, r.ProcessHead, r.PDB, r.PDBGUID, r.PDBAge},
		SystemTime: r.SystemTime, Found: r.Found, PageFiles: report.PageFilesOf(im), Store: report.StoreOf(im), Assumed: r.Assumed, Damage: r.Damage,
		Digests: containerDigests(im),
	}
}

// containerDigests lists the digests that the container carries, with the results of checking them.
func containerDigests(im *memimage.Image) []digestInfo {
	out := []digestInfo{}
	carried, _ := report.ContainerDigestsOf(im)
	for _, c := range carried {
		of := c.Of
		if c.Blocks {
			of = "the blocks of " + of
		}
		out = append(out, digestInfo{c.Algorithm, of, c.Value, cmp.Or(c.Result, "no")})
	}
	return out
}

func (f *FS) imageJSON() ([]byte, error) { return ImageJSON(f.image) }

// encode writes indented JSON that ends with a line feed. It escapes all control characters for terminals; the standard
// only asks for the lowest control characters.
func encode(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return append(report.EscapeJSON(raw), '\n'), err
}

// encodedSize returns how many bytes encode makes.
func encodedSize(v any) (int64, error) {
	var n indentedCount
	err := json.NewEncoder(&n).Encode(v)
	return int64(n), err
}

// indentedCount counts the length of JSON as encode writes it. All of the JSON is written to it at once, in a line
// without white space.
type indentedCount int64

func (n *indentedCount) Write(line []byte) (int, error) {
	*n += indentedCount(indentedSize(report.EscapeJSON(line)))
	return len(line), nil
}

// indentedSize returns how long JSON without white space is when it is indented by two spaces a level.
func indentedSize(raw []byte) int {
	n, depth, quoted := len(raw), 0, false
	line := func() int { return len("\n") + 2*depth }
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case (c == '{' || c == '[') && raw[i+1] == c+2: // one that is empty stays as it is
			i++
		case c == '{' || c == '[':
			depth++
			n += line()
		case c == '}' || c == ']':
			depth--
			n += line()
		case c == ',':
			n += line()
		case c == ':':
			n++
		}
	}
	return n
}

// processInfo is info.json.
type processInfo struct {
	PID              uint64                `json:"pid"`
	PPID             *uint64               `json:"ppid"` // null in a dump, which does not have it
	Name             string                `json:"name"`
	NameBytes        []byte                `json:"name_bytes,omitempty"` // base64, where the name is not printable ASCII
	LongName         string                `json:"long_name"`
	Status           report.Status         `json:"status"`
	Kind             string                `json:"kind"`
	KindMeans        string                `json:"kind_means,omitempty"` // what the kind means for the files that can be recovered
	Created          *time.Time            `json:"created"`
	Exited           *time.Time            `json:"exited"`
	Session          *uint32               `json:"session"`
	Threads          uint64                `json:"threads"`
	EPROCESS         report.Address        `json:"eprocess"`
	Physical         report.Address        `json:"eprocess_physical"`
	DTB              report.Address        `json:"dtb"`
	PEB              report.Address        `json:"peb"`
	Wow64PEB         report.Address        `json:"wow64_peb,omitempty"`
	ImageBase        report.Address        `json:"image_base"`
	SectionBase      report.Address        `json:"section_base"`
	Path             string                `json:"path"`     // the kernel's
	PEBPath          string                `json:"peb_path"` // where the process can write
	CommandLine      string                `json:"command_line"`
	KernelPath       string                `json:"kernel_path"`
	FilePath         string                `json:"file_object_name"`
	Warnings         []string              `json:"warnings"`
	WarningCodes     []reason.Code         `json:"warning_codes"`
	Pages            map[string]int64      `json:"pages"`
	Modules          []report.ListedModule `json:"modules"`
	ModulesError     string                `json:"modules_error,omitempty"`
	PE               *peInfo               `json:"pe"`
	Restored         *restoredInfo         `json:"restored"`
	Known            *string               `json:"known"` // the known file that the restored file is, "no", or why that is not known; null: no set was given
	KnownCode        *reason.Code          `json:"known_code"`
	Changes          *changesInfo          `json:"changes"` // memory against the file that it was mapped from
	NotRecovered     string                `json:"not_recovered,omitempty"`
	NotRecoveredCode reason.Code           `json:"not_recovered_code,omitempty"`
}

// infoJSON is the file info.json of a process.
func (p *process) infoJSON() (*body, error) { return p.exe.info(p.describe) }

// longestKnowledge is as long as any knowledge about the restored file.
func (f *FS) longestKnowledge() report.Knowledge {
	longest := f.longestKnown()
	// JSON writes < in six characters.
	return report.Knowledge{KnownText: strings.ReplaceAll(longest[0], "x", "<"), Known: reason.Code(longest[1])}
}

// lateFields are the fields of an info.json for the late facts, which take long: they read all bytes of the restored file.
type lateFields struct {
	pe        *peInfo // its authentihash is planned; nil: there is none
	known     **string
	knownCode **reason.Code
}

// fill fills the fields.
func (m *module) fill(ctx context.Context, to lateFields) (err error) {
	if to.pe != nil {
		if to.pe.Authentihash, err = m.authentihash(); err != nil {
			return err
		}
	}
	k, err := m.fs.known.Of(ctx, m.Module)
	to.know(k)
	return err
}

// know fills the fields for the knowledge about the restored file.
func (to lateFields) know(k report.Knowledge) {
	*to.known, *to.knownCode = unlessEmpty(k.KnownText), unlessEmpty(k.Known)
}

// unlessEmpty returns a text, nil for none.
func unlessEmpty[T ~string](text T) *T {
	if text == "" {
		return nil
	}
	return &text
}

// info is the file info.json, with the facts of describe and the late facts. Its size is the size of the longest
// info.json that is possible: listing it must not digest the executable.
func (m *module) info(describe func() (any, lateFields, error)) (*body, error) {
	// longest describes the image with late facts that are as long as any.
	longest := func() (any, lateFields, error) {
		info, fields, err := describe()
		if err == nil {
			fields.know(m.fs.longestKnowledge())
		}
		return info, fields, err
	}
	name := m.at.child("info.json").name
	size, err := m.fs.measured(context.Background(), name, func() (int64, error) {
		info, _, err := longest()
		if err != nil {
			return 0, err
		}
		return encodedSize(info)
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: m.fs.later(name, size, func(ctx context.Context) ([]byte, error) {
		info, fields, err := longest()
		if err != nil {
			return nil, err
		}
		room, err := encode(info)
		if err != nil {
			return nil, err
		}
		if err := m.fill(ctx, fields); err != nil {
			return nil, err
		}
		return encodeIn(room, info)
	})}, nil
}

// describe returns the facts of info.json, and the fields for the late facts.
func (p *process) describe() (any, lateFields, error) {
	info, err := p.info()
	if err != nil {
		return nil, lateFields{}, err
	}
	return info, lateFields{info.PE, &info.Known, &info.KnownCode}, nil
}

func (p *process) info() (*processInfo, error) {
	r, recovery := report.ProcessOf(p.Process), report.RecoveryOf(p.Module)
	info := &processInfo{
		PID: r.PID, PPID: r.PPID, Name: r.Name, LongName: r.LongName, Status: r.Status, Kind: r.Kind, KindMeans: p.KindMeans(),
		Created: r.Created, Exited: r.Exited, Session: r.Session, Threads: r.Threads, EPROCESS: r.EPROCESS, Physical: r.Physical, DTB: r.DTB, PEB: r.PEB, Wow64PEB: r.Wow64PEB,
		ImageBase: r.ImageBase, SectionBase: r.SectionBase, Path: r.Path, PEBPath: r.PEBPath, CommandLine: r.CommandLine, KernelPath: r.KernelPath, FilePath: r.FilePath,
		Warnings: r.WarningsText, WarningCodes: r.Warnings, Pages: p.exe.pagesBySource(), Modules: []report.ListedModule{},
		NotRecovered: recovery.NotRecoveredText, NotRecoveredCode: recovery.NotRecovered,
	}
	if printableASCII := safeName(p.RawName) == string(p.RawName); !printableASCII {
		info.NameBytes = p.RawName
	}
	listed, why := report.ListedModulesOf(p.Process)
	info.Modules = append(info.Modules, listed...)
	if why != nil {
		info.ModulesError = why.Error()
	}
	info.Restored = p.exe.restoredInfo()
	var err error
	if info.Changes, err = changesOf(p.Module); err != nil {
		return nil, err
	}
	info.PE, err = p.exe.pe()
	return info, err
}

// pagesBySource are the pages of an executable by where they were found.
func (m *module) pagesBySource() map[string]int64 {
	out, counts := map[string]int64{}, report.CountsOf(m.Module)
	for _, source := range m.Sources() {
		out[token(source.String())] = counts.From(source)
	}
	return out
}
