package report

import (
	"time"
)

// Module is a record of an executable image in the address space of a process, or of a driver.
type Module struct {
	Header

	Role          Role       `json:"role" doc:"module, or driver"`
	PID           *uint64    `json:"pid" doc:"the id of its process; null: the kernel"`
	Process       string     `json:"process" doc:"the name of its process"`
	Name          string     `json:"name" doc:"its file name"`
	Base          Address    `json:"base" doc:"its address"`
	Size          int64      `json:"size" doc:"its size in memory, in bytes"`
	Bits          int32      `json:"bits" doc:"32 or 64; 0: not known"`
	Kind          string     `json:"kind" doc:"loaded, unlinked, injected, header erased, mapped as data, hollowed, mapped or unknown; of a driver, which parts are present"`
	Main          bool       `json:"main" doc:"it is the executable of the process"`
	LoaderPath    string     `json:"loader_path" doc:"its path in the loader's list; of a driver, its path in the kernel's list"`
	Path          string     `json:"file_path" doc:"the path of the mapped file"`
	LoadOrder     *int64     `json:"load_order" doc:"its place in the loader's list in load order, from 0; null: it is not in the list. Of a driver, its place in the kernel's list"`
	MemoryOrder   *int64     `json:"memory_order" doc:"its place in the list in memory order; null: it is not in the list"`
	InitOrder     *int64     `json:"init_order" doc:"its place in the list in order of initialisation; null: it is not in the list"`
	LoadOrder32   *int64     `json:"load_order_32" doc:"load_order in the lists of the 32-bit loader"`
	MemoryOrder32 *int64     `json:"memory_order_32" doc:"memory_order in the lists of the 32-bit loader"`
	InitOrder32   *int64     `json:"init_order_32" doc:"init_order in the lists of the 32-bit loader"`
	Listed        bool       `json:"listed" doc:"it is in a list"`
	Entry         Address    `json:"entry" doc:"the address of its entry in that list"`
	EntryPhysical Address    `json:"entry_physical" doc:"the physical address of the entry of a driver"`
	EntryPoint    Address    `json:"entry_point" doc:"the address of its entry point, in the list"`
	LoadCount     *int64     `json:"load_count" doc:"how often it was loaded; null: not known"`
	Loaded        *time.Time `json:"loaded" doc:"when it was loaded"`
	RegionType    string     `json:"region_type" doc:"the type of its memory in the address descriptor: image, data, private or unknown"`
	Protection    string     `json:"protection" doc:"the protection in the address descriptor"`
	Flags         uint32     `json:"flags" doc:"the flags in the entry of a driver"`
	ReadThrough   string     `json:"read_through" doc:"the address space in which a driver is read"`
	Evidence      string     `json:"evidence" doc:"the evidence for its kind"`
	Damage        string     `json:"entry_damage" doc:"which parts of its entry cannot be read"`

	Executable
}
