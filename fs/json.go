package fs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"memlens/memimage"
	"memlens/memimage/digest"
	"memlens/memimage/nt"
	"memlens/memimage/reason"
	"memlens/memimage/report"
)

// imageInfo is image.json.
type imageInfo struct {
	Name       string         `json:"name"` // without its folder: the tree does not depend on where the image lies
	Format     string         `json:"format"`
	Size       int64          `json:"size"`
	Modified   *time.Time     `json:"modified"`
	Memory     memoryInfo     `json:"physical_memory"`
	Windows    systemInfo     `json:"windows"`
	Kernel     kernelInfo     `json:"kernel"`
	SystemTime *time.Time     `json:"system_time"`
	Found      []string       `json:"how_it_was_found"`
	PageFiles  []pageFileInfo `json:"page_files,omitempty"`
	Store      *storeInfo     `json:"compressed_store,omitempty"`
	Assumed    []string       `json:"assumed_or_missing"`
	Damage     []string       `json:"damage"`
	// Digests are those that the container carries of its content.
	Digests []digestInfo `json:"container_digests"`
}

// pageFileInfo is a page file that the kernel uses.
type pageFileInfo struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`
	Kind   string `json:"kind"`
	Given  string `json:"given,omitempty"` // what it is read from
}

// storeInfo is the compressed store.
type storeInfo struct {
	PageFile *int   `json:"page_file"` // that stands for it; null: not known
	Read     bool   `json:"read"`
	How      string `json:"how"` // it was found, or why it is not read
	Layout   string `json:"layout,omitempty"`
}

type digestInfo struct {
	Algorithm string `json:"algorithm"`
	Of        string `json:"of"`
	Value     string `json:"value,omitempty"` // in hex; none for digests of blocks
	Checked   string `json:"checked"`         // "no", or what came of it
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
	Name                string `json:"name"`
	Base                string `json:"base"`
	DTB                 string `json:"dtb"`
	KDBG                string `json:"kdbg"`
	PsActiveProcessHead string `json:"ps_active_process_head"`
	PDB                 string `json:"pdb,omitempty"`
	GUID                string `json:"pdb_guid,omitempty"`
	Age                 uint32 `json:"pdb_age,omitempty"`
}

// osName names the Windows of an image.
func osName(im *memimage.Image) string {
	return im.Kernel.OS()
}

// ImageJSON returns the file image.json of an image.
func ImageJSON(im *memimage.Image) ([]byte, error) {
	if im.IsDump() {
		return encode(describeDump(im))
	}
	return encode(describe(im))
}

func describe(im *memimage.Image) *imageInfo {
	k := im.Kernel
	info := &imageInfo{
		Name: im.Name(), Format: im.Container.Format, Size: im.Size, Modified: optional(im.ModTime.UTC()),
		Memory: memoryInfo{im.Container.Memory.Size(), im.Container.Memory.Covered()},
		Windows: systemInfo{osName(im), k.Version.String(), k.Version.Build, k.Lab, k.Root, k.Profile.Arch().String(), k.Mode.Name,
			k.Profile.Name(), k.Exact},
		Kernel: kernelInfo{k.Name, hex(k.Base), hex(k.DTB()), hex(k.KDBG), hex(k.PsActiveProcessHead), k.Identity.PDB, k.Identity.GUID, k.Identity.Age},
		Found:  k.Found, Assumed: append([]string{}, slices.Concat(im.Container.Notes, im.Assumed())...), Damage: []string{},
	}
	if !k.SystemTime.IsZero() {
		info.SystemTime = &k.SystemTime
	}
	info.PageFiles, info.Store = pageFiles(im), compressedStore(k)
	info.Digests = containerDigests(im)
	_, damage := im.Processes()
	info.Damage = append(info.Damage, im.Container.Doubts...)
	info.Damage = append(info.Damage, im.Container.Damage()...) // as far as it was met, also in listing the processes
	for _, err := range damage {
		info.Damage = append(info.Damage, err.Error())
	}
	return info
}

// pageFiles lists the page files of the kernel, where they are known, and those that are given.
func pageFiles(im *memimage.Image) []pageFileInfo {
	files, _ := im.Kernel.PagingFiles()
	given := im.GivenPageFiles()
	out := make([]pageFileInfo, max(len(files), len(given)))
	for i := range out {
		out[i] = pageFileInfo{Number: i, Kind: "not known"}
		if i < len(files) {
			out[i].Name, out[i].Kind = files[i].Name, files[i].Kind()
		}
		if i < len(given) {
			out[i].Given = given[i]
		}
	}
	return out
}

// compressedStore describes the compressed store; nil where none is known.
func compressedStore(k *nt.Kernel) *storeInfo {
	c := k.CompressedStore()
	if c == nil {
		return nil
	}
	s := &storeInfo{Read: c.Err == nil, How: c.String()}
	if c.Number >= 0 {
		s.PageFile = &c.Number
	}
	switch {
	case c.Err != nil:
	case c.Assumed:
		s.Layout = "assumed"
	default:
		s.Layout = "exact"
	}
	return s
}

// containerDigests lists the digests that the container carries, with what came of checking them.
func containerDigests(im *memimage.Image) []digestInfo {
	out := []digestInfo{}
	for _, c := range im.Carried() {
		of := c.Of
		if c.Blocks {
			of = "the blocks of " + of
		}
		out = append(out, digestInfo{c.Algorithm, of, fmt.Sprintf("%x", c.Value), cmp.Or(c.Result, "no")})
	}
	return out
}

func (f *FS) imageJSON() ([]byte, error) { return ImageJSON(f.image) }

// encode writes indented JSON that ends with a line feed. What steers terminals is escaped, where the standard only asks
// for the lowest control characters.
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

// indentedCount counts how long JSON is as encode writes it, of that which is written to it at once: a line without white space.
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
	PID          uint64         `json:"pid"`
	PPID         *uint64        `json:"ppid"` // null in a dump, which does not tell
	Name         string         `json:"name"`
	NameBytes    []byte         `json:"name_bytes,omitempty"` // base64, where the name is not printable ASCII
	LongName     string         `json:"long_name"`
	Status       string         `json:"status"`
	Kind         string         `json:"kind"`
	KindMeans    string         `json:"kind_means,omitempty"` // for what is to be had of it
	Created      *time.Time     `json:"created"`
	Exited       *time.Time     `json:"exited"`
	Session      *uint32        `json:"session"`
	Threads      uint64         `json:"threads"`
	EPROCESS     string         `json:"eprocess"`
	Physical     string         `json:"eprocess_physical"`
	DTB          string         `json:"dtb"`
	PEB          string         `json:"peb"`
	Wow64PEB     string         `json:"wow64_peb,omitempty"`
	ImageBase    string         `json:"image_base"`
	SectionBase  string         `json:"section_base"`
	Path         string         `json:"path"`     // the kernel's
	PEBPath      string         `json:"peb_path"` // where the process can write
	CommandLine  string         `json:"command_line"`
	KernelPath   string         `json:"kernel_path"`
	FilePath     string         `json:"file_object_name"`
	Warnings     []string       `json:"warnings"`
	Pages        map[string]int `json:"pages"`
	Modules      []moduleInfo   `json:"modules"`
	ModulesError string         `json:"modules_error,omitempty"`
	PE           *peInfo        `json:"pe"`
	Restored     *restoredInfo  `json:"restored"`
	Known        *string        `json:"known"`   // as which known file the restored file is known, "no", or why that is not told; null: no set was given
	Changes      *changesInfo   `json:"changes"` // memory against the file that it was mapped from
	NotRecovered string         `json:"not_recovered,omitempty"`
}

type moduleInfo struct {
	Base string `json:"base"`
	Size uint32 `json:"size"`
	Path string `json:"path"`
}

// infoJSON is the file info.json of a process.
func (p *process) infoJSON() (*body, error) { return p.exe.info(p.describe) }

// lateFacts make what takes long of what info.json tells: all bytes of the restored file are read for it.
type lateFacts struct {
	hash  func() (*digest.Authentihash, error)
	known func() (*string, error)
}

// longestFacts are as long as any.
func (f *FS) longestFacts() lateFacts {
	return lateFacts{digest.LongestAuthentihash, func() (*string, error) {
		// JSON writes < in six characters.
		return optionalKnown(strings.ReplaceAll(f.longestKnown(), "x", "<")), nil
	}}
}

func (m *module) lateFacts(ctx context.Context) lateFacts {
	return lateFacts{m.authentihash, func() (*string, error) {
		text, err := m.fs.knownText(ctx, m.Module)
		return optionalKnown(text), err
	}}
}

func optionalKnown(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// info is the file info.json of what describe tells, with what takes long. Its size is that of the
// longest it could be, and spaces at its end make up for the rest: to list it must not digest the executable.
func (m *module) info(describe func(late lateFacts) (any, error)) (*body, error) {
	name := m.at.child("info.json").name
	size, err := m.fs.measured(name, func() (int64, error) {
		longest, err := describe(m.fs.longestFacts())
		if err != nil {
			return 0, err
		}
		return encodedSize(longest)
	})
	if err != nil {
		return nil, err
	}
	return &body{Content: m.fs.later(name, size, func(ctx context.Context) ([]byte, error) {
		info, err := describe(m.lateFacts(ctx))
		if err != nil {
			return nil, err
		}
		out, err := encode(info)
		return padded(out, size, ' '), err
	})}, nil
}

// describe tells what info.json does, with what late makes.
func (p *process) describe(late lateFacts) (any, error) {
	info, err := p.info()
	if err == nil && info.PE != nil {
		info.PE.Authentihash, err = late.hash()
	}
	if err == nil {
		info.Known, err = late.known()
	}
	return info, err
}

func (p *process) info() (*processInfo, error) {
	info := &processInfo{
		PID: p.PID, PPID: parentID(p.Process), Name: latin1(p.RawName), LongName: p.LongName(), Status: status(p.Process), KindMeans: p.KindMeans(), Threads: p.Threads,
		EPROCESS: hex(p.VA), Physical: hex(p.PA), DTB: hex(p.DTB), PEB: hex(p.PEB), ImageBase: hex(p.ImageBase()), SectionBase: hex(p.SectionBase()),
		Path: p.ExecutablePath(), PEBPath: p.PEBPath(), KernelPath: p.AuditPath(), FilePath: p.FilePath(), Warnings: reason.Texts(p.Warnings()), Modules: []moduleInfo{}, Pages: map[string]int{},
		NotRecovered: notRecoveredReason(p.Module),
	}
	if printableASCII := safeName(p.RawName) == string(p.RawName); !printableASCII {
		info.NameBytes = p.RawName
	}
	kind, _ := p.Process.Kind()
	info.Kind = kind.String()
	info.Created, info.Exited = optional(p.Created), optional(p.Exited)
	if id, ok := p.SessionID(); ok {
		info.Session = &id
	}
	if peb, ok := p.Wow64PEB(); ok {
		info.Wow64PEB = hex(peb)
	}
	counts := p.PageCounts()
	for _, source := range p.Sources() {
		info.Pages[token(source.String())] = counts[source]
	}
	p.addEnvironment(info)
	info.Restored = p.exe.restoredInfo()
	var err error
	if info.Changes, err = p.exe.changes(); err != nil {
		return nil, err
	}
	info.PE, err = p.exe.pe()
	return info, err
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// addEnvironment adds what the PEB says.
func (p *process) addEnvironment(info *processInfo) {
	env, err := p.Environment()
	if err != nil {
		return
	}
	info.CommandLine = env.CommandLine
	for m, err := range env.Modules(p.Kernel()) {
		if err != nil {
			info.ModulesError = err.Error()
			return
		}
		info.Modules = append(info.Modules, moduleInfo{hex(m.Base), m.Size, m.Path})
	}
}

// parentID is the id of the process's parent; nil where that is not known.
func parentID(p *memimage.Process) *uint64 {
	if p.IsDumped() {
		return nil
	}
	return &p.PPID
}
