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
	Size          int64      `json:"size" doc:"of the file, in bytes"`
	Modified      *time.Time `json:"modified" doc:"when the file was last written"`
	MemorySize    int64      `json:"memory_size" doc:"of physical memory, in bytes"`
	MemoryPresent int64      `json:"memory_present" doc:"bytes of it that are in the image"`
	System        string     `json:"system" doc:"the Windows"`
	Version       string     `json:"version" doc:"of Windows"`
	Build         uint32     `json:"build" doc:"of Windows"`
	BuildLab      string     `json:"build_lab" doc:"of the kernel; empty where it is not known"`
	SystemRoot    string     `json:"system_root" doc:"the folder of Windows"`
	Architecture  string     `json:"architecture" doc:"of the kernel"`
	Paging        string     `json:"paging" doc:"how addresses are translated"`
	Profile       string     `json:"profile" doc:"the profile of the kernel"`
	ProfileExact  bool       `json:"profile_exact" doc:"it is of this very kernel"`
	Kernel        string     `json:"kernel" doc:"the file name of the kernel"`
	KernelBase    Address    `json:"kernel_base" doc:"where it lies"`
	DTB           Address    `json:"dtb" doc:"the physical address of the system process's top page table"`
	KDBG          Address    `json:"kdbg" doc:"of the debugger data block"`
	ProcessHead   Address    `json:"ps_active_process_head" doc:"of the head of the process list"`
	PDB           string     `json:"pdb" doc:"the name of the kernel's symbol file"`
	PDBGUID       string     `json:"pdb_guid" doc:"of that file"`
	PDBAge        uint32     `json:"pdb_age" doc:"of that file"`
	SystemTime    *time.Time `json:"system_time" doc:"the system's clock when the image was taken"`
	Processes     int64      `json:"processes" doc:"in the kernel's list"`
	Dump          bool       `json:"dump" doc:"the image is the dump of one process, and no system's memory"`
	Found         []string   `json:"how_it_was_found" doc:"how the kernel was found, in sentences"`
	Assumed       []string   `json:"assumed_or_missing" doc:"what was assumed of the image and what is missing of it, in sentences"`
	Damage        []string   `json:"damage" doc:"what is damaged, as far as it was met, in sentences; each is a problem record, too"`
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
	KindAssumed  bool          `json:"kind_assumed" doc:"its name alone tells the kind"`
	Created      *time.Time    `json:"created" doc:"when it was made"`
	Exited       *time.Time    `json:"exited" doc:"when it ended"`
	Session      *uint32       `json:"session" doc:"its session; null: none, or not known"`
	Threads      uint64        `json:"threads" doc:"its active threads"`
	EPROCESS     Address       `json:"eprocess" doc:"of its _EPROCESS"`
	Physical     Address       `json:"eprocess_physical" doc:"of its _EPROCESS in physical memory"`
	DTB          Address       `json:"dtb" doc:"the physical address of its top page table"`
	PEB          Address       `json:"peb" doc:"of its environment block"`
	Wow64PEB     Address       `json:"wow64_peb" doc:"of its 32-bit environment block"`
	ImageBase    Address       `json:"image_base" doc:"where its executable lies"`
	SectionBase  Address       `json:"section_base" doc:"where the kernel mapped it"`
	Path         string        `json:"path" doc:"of the executable, by the kernel"`
	PEBPath      string        `json:"peb_path" doc:"of the executable, where the process can write"`
	KernelPath   string        `json:"kernel_path" doc:"under which the kernel made it"`
	FilePath     string        `json:"file_object_name" doc:"of the file that is mapped, without its volume"`
	CommandLine  string        `json:"command_line" doc:"its command line"`
	Warnings     []reason.Code `json:"warnings" doc:"where what it says of itself differs from what the kernel knows"`
	WarningsText []string      `json:"warnings_text" doc:"those as sentences"`

	Executable
}

// Region is a record of a stretch of a process's addresses.
type Region struct {
	Header

	PID        uint64  `json:"pid" doc:"the process"`
	Process    string  `json:"process" doc:"its name"`
	Start      Address `json:"start" doc:"the first address"`
	End        Address `json:"end" doc:"the last address"`
	Size       int64   `json:"size" doc:"in bytes"`
	Type       string  `json:"type" doc:"image, data, private or unknown"`
	Protection string  `json:"protection" doc:"by its descriptor"`
	Executed   int64   `json:"pages_made_executable" doc:"pages that page tables let a program execute though the descriptor does not"`
	Private    bool    `json:"private_executable" doc:"private memory that can be executed"`
	Path       string  `json:"path" doc:"of the file that is mapped"`
}

// Change is a record of a piece of memory that differs from its file for a cause that is not the loader's or the program's own work.
type Change struct {
	Header

	Role         Role    `json:"role" doc:"of the module"`
	PID          *uint64 `json:"pid" doc:"the process; null: the kernel"`
	Process      string  `json:"process" doc:"its name"`
	Module       string  `json:"module" doc:"the file name of the module"`
	Path         string  `json:"file_path" doc:"of the file that is mapped"`
	Base         Address `json:"base" doc:"where the module lies"`
	RVA          Offset  `json:"rva" doc:"of the first byte"`
	Length       int64   `json:"length" doc:"in bytes"`
	Changed      int64   `json:"bytes_changed" doc:"bytes of it that differ"`
	Section      string  `json:"section" doc:"that it lies in; empty for the header"`
	Cause        string  `json:"cause" doc:"why it differs"`
	Certainty    string  `json:"certainty" doc:"how sure the cause is: exact or assumed"`
	Was          string  `json:"was" doc:"its first bytes as the file has them after the loader's work, in hex, 32 at most"`
	Is           string  `json:"is" doc:"its first bytes as they are"`
	Target       Address `json:"target" doc:"where a jump, an import or an export leads"`
	TargetModule string  `json:"target_module" doc:"the image that the target lies in"`
	TargetRVA    *Offset `json:"target_rva" doc:"of the target in that image; null: in none"`
	Note         string  `json:"note" doc:"what else is known, in a sentence"`
}

// Problem is a record of a thing that could not be opened, read or followed.
type Problem struct {
	Header

	Stage   Stage       `json:"stage" doc:"what was being done"`
	PID     *uint64     `json:"pid" doc:"the process that it is about; null: none"`
	Process string      `json:"process" doc:"its name"`
	Module  string      `json:"module" doc:"the module that it is about"`
	Base    Address     `json:"base" doc:"where that lies"`
	Code    reason.Code `json:"code" doc:"what is wrong"`
	Text    string      `json:"text" doc:"that as a sentence"`
}
