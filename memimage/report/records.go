package report

import (
	"time"

	"memlens/memimage/reason"
)

// Header is the beginning of every record.
type Header struct {
	Record Kind   `json:"record" doc:"what the record is of"`
	Schema int32  `json:"schema" doc:"the version of the schema; fields may be added without a new one, and never change their meaning"`
	Image  string `json:"image" doc:"the image as it was given, bytes that are not UTF-8 as \\xXX; of a URL, without what is secret in it"`
}

// Image is a record of an image that was opened.
type Image struct {
	Header

	Name          string     `json:"name" doc:"its file name without folders"`
	Format        string     `json:"format" doc:"the container, from the outside in"`
	Size          int64      `json:"size" doc:"the size of the file, in bytes"`
	Modified      *time.Time `json:"modified" doc:"when the file was last written"`
	MemorySize    int64      `json:"memory_size" doc:"the size of physical memory, in bytes"`
	MemoryPresent int64      `json:"memory_present" doc:"bytes of physical memory that are in the image"`
	System        string     `json:"system" doc:"the name of the Windows version"`
	Version       string     `json:"version" doc:"the version of Windows"`
	Build         uint32     `json:"build" doc:"the build number of Windows"`
	BuildLab      string     `json:"build_lab" doc:"the kernel's build string; empty if it is not known"`
	SystemRoot    string     `json:"system_root" doc:"the folder of Windows"`
	Architecture  string     `json:"architecture" doc:"the processor architecture of the kernel"`
	Paging        string     `json:"paging" doc:"how addresses are translated"`
	Profile       string     `json:"profile" doc:"the kernel profile that was used"`
	ProfileExact  bool       `json:"profile_exact" doc:"the profile was made for exactly this kernel"`
	Kernel        string     `json:"kernel" doc:"the file name of the kernel"`
	KernelBase    Address    `json:"kernel_base" doc:"the address of the kernel"`
	DTB           Address    `json:"dtb" doc:"the physical address of the system process's top page table"`
	KDBG          Address    `json:"kdbg" doc:"the address of the debugger data block"`
	ProcessHead   Address    `json:"ps_active_process_head" doc:"the address of the head of the process list"`
	PDB           string     `json:"pdb" doc:"the name of the kernel's symbol file"`
	PDBGUID       string     `json:"pdb_guid" doc:"the GUID of the symbol file"`
	PDBAge        uint32     `json:"pdb_age" doc:"the age of the symbol file"`
	SystemTime    *time.Time `json:"system_time" doc:"the system's clock when the image was taken"`
	Processes     int64      `json:"processes" doc:"how many processes are in the kernel's list"`
	Dump          bool       `json:"dump" doc:"the image is the dump of one process, not the memory of a system"`
	Found         []string   `json:"how_it_was_found" doc:"how the kernel was found, in sentences"`
	Assumed       []string   `json:"assumed_or_missing" doc:"assumptions about the image, and missing parts of it, in sentences"`
	Damage        []string   `json:"damage" doc:"damage that was found, in sentences; each is a problem record, too"`
}

// Process is a record of a process and its own executable.
type Process struct {
	Header

	PID          uint64        `json:"pid" doc:"its id"`
	PPID         *uint64       `json:"ppid" doc:"the id of its parent; null where it is not known"`
	Name         string        `json:"name" doc:"ImageFileName of its _EPROCESS, which may be cut off"`
	LongName     string        `json:"long_name" doc:"the executable's file name in full, as far as it is known"`
	Status       Status        `json:"status" doc:"running, exited, unlinked (not in the kernel's list), or exited and unlisted"`
	Kind         string        `json:"kind" doc:"ordinary, idle, system, minimal, pico or trustlet"`
	KindAssumed  bool          `json:"kind_assumed" doc:"the kind is known by the name alone"`
	Created      *time.Time    `json:"created" doc:"when it was created"`
	Exited       *time.Time    `json:"exited" doc:"when it ended"`
	Session      *uint32       `json:"session" doc:"its session; null: none, or not known"`
	Threads      uint64        `json:"threads" doc:"its active threads"`
	EPROCESS     Address       `json:"eprocess" doc:"the address of its _EPROCESS"`
	Physical     Address       `json:"eprocess_physical" doc:"the address of its _EPROCESS in physical memory"`
	DTB          Address       `json:"dtb" doc:"the physical address of its top page table"`
	PEB          Address       `json:"peb" doc:"the address of its environment block (PEB)"`
	Wow64PEB     Address       `json:"wow64_peb" doc:"the address of its 32-bit environment block"`
	ImageBase    Address       `json:"image_base" doc:"the address of its executable"`
	SectionBase  Address       `json:"section_base" doc:"the address at which the kernel mapped the executable"`
	Path         string        `json:"path" doc:"the path of the executable, as the kernel has it"`
	PEBPath      string        `json:"peb_path" doc:"the path of the executable in the environment block, which the process can change"`
	KernelPath   string        `json:"kernel_path" doc:"the path from which the kernel created the process"`
	FilePath     string        `json:"file_object_name" doc:"the path of the mapped file, without its volume"`
	CommandLine  string        `json:"command_line" doc:"its command line"`
	Warnings     []reason.Code `json:"warnings" doc:"where the environment block of the process differs from the kernel's data"`
	WarningsText []string      `json:"warnings_text" doc:"these warnings as sentences"`

	Executable
}

// Region is a record of a stretch of a process's addresses.
type Region struct {
	Header

	PID        uint64  `json:"pid" doc:"the process"`
	Process    string  `json:"process" doc:"the name of the process"`
	Start      Address `json:"start" doc:"the first address"`
	End        Address `json:"end" doc:"the last address"`
	Size       int64   `json:"size" doc:"in bytes"`
	Type       string  `json:"type" doc:"image, data, private or unknown"`
	Protection string  `json:"protection" doc:"the protection in the address descriptor"`
	Executed   int64   `json:"pages_made_executable" doc:"pages that can be executed by the page tables, though not by the address descriptor"`
	Private    bool    `json:"private_executable" doc:"private memory that can be executed"`
	Path       string  `json:"path" doc:"the path of the mapped file"`
}

// Change is a record of a piece of memory that differs from its file for a cause that is not the loader's or the program's own work.
type Change struct {
	Header

	Role         Role    `json:"role" doc:"module, or driver"`
	PID          *uint64 `json:"pid" doc:"the id of the process; null: the kernel"`
	Process      string  `json:"process" doc:"the name of the process"`
	Module       string  `json:"module" doc:"the file name of the module"`
	Path         string  `json:"file_path" doc:"the path of the mapped file"`
	Base         Address `json:"base" doc:"the address of the module"`
	RVA          Offset  `json:"rva" doc:"the address of the first byte, relative to the module"`
	Length       int64   `json:"length" doc:"in bytes"`
	Changed      int64   `json:"bytes_changed" doc:"bytes in this piece that differ"`
	Section      string  `json:"section" doc:"the section of this piece; empty for the header"`
	Cause        string  `json:"cause" doc:"why the bytes differ"`
	Certainty    string  `json:"certainty" doc:"how sure the cause is: exact or assumed"`
	Was          string  `json:"was" doc:"the first bytes in the file, after the loader's work on them, in hex, at most 32"`
	Is           string  `json:"is" doc:"the first bytes in memory, in hex, at most 32"`
	Target       Address `json:"target" doc:"where a jump, an import or an export leads"`
	TargetModule string  `json:"target_module" doc:"the module that contains the target"`
	TargetRVA    *Offset `json:"target_rva" doc:"the address of the target, relative to that module; null: no module"`
	Note         string  `json:"note" doc:"more about the change, in a sentence"`
}

// Problem is a record of a thing that could not be opened, read or followed.
type Problem struct {
	Header

	Stage   Stage       `json:"stage" doc:"what was being done"`
	PID     *uint64     `json:"pid" doc:"the id of the process with the problem; null: none"`
	Process string      `json:"process" doc:"the name of the process"`
	Module  string      `json:"module" doc:"the module with the problem"`
	Base    Address     `json:"base" doc:"the address of that module"`
	Code    reason.Code `json:"code" doc:"the problem"`
	Text    string      `json:"text" doc:"the problem as a sentence"`
}
