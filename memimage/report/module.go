package report

import (
	"time"
)

// Module is a record of an executable image in the address space of a process, or of a driver.
type Module struct {
	Header

	Role          Role       `json:"role" doc:"module, or driver"`
	PID           *uint64    `json:"pid" doc:"the process that it is in; null: the kernel"`
	Process       string     `json:"process" doc:"the name of that process"`
	Name          string     `json:"name" doc:"its file name"`
	Base          Address    `json:"base" doc:"where it lies"`
	Size          int64      `json:"size" doc:"in memory, in bytes"`
	Bits          int32      `json:"bits" doc:"32 or 64; 0 where nothing tells"`
	Kind          string     `json:"kind" doc:"loaded, unlinked, injected, header erased, mapped as data, hollowed, mapped or unknown; of a driver, what of it is there"`
	Main          bool       `json:"main" doc:"it is the program of the process"`
	LoaderPath    string     `json:"loader_path" doc:"as the loader's list has it; of a driver, as the kernel's list has it"`
	Path          string     `json:"file_path" doc:"of the file that is mapped"`
	LoadOrder     *int64     `json:"load_order" doc:"its place in the list in load order, from 0; null: it is not in it. Of a driver, in the kernel's list"`
	MemoryOrder   *int64     `json:"memory_order" doc:"likewise"`
	InitOrder     *int64     `json:"init_order" doc:"likewise"`
	LoadOrder32   *int64     `json:"load_order_32" doc:"likewise, of the 32-bit loader"`
	MemoryOrder32 *int64     `json:"memory_order_32" doc:"likewise"`
	InitOrder32   *int64     `json:"init_order_32" doc:"likewise"`
	Listed        bool       `json:"listed" doc:"a list has it"`
	Entry         Address    `json:"entry" doc:"of its entry in that list"`
	EntryPhysical Address    `json:"entry_physical" doc:"of the entry of a driver in physical memory"`
	EntryPoint    Address    `json:"entry_point" doc:"as the list has it"`
	LoadCount     *int64     `json:"load_count" doc:"how often it was loaded; null: not known"`
	Loaded        *time.Time `json:"loaded" doc:"when"`
	RegionType    string     `json:"region_type" doc:"of the address descriptor: image, data, private or unknown"`
	Protection    string     `json:"protection" doc:"of the address descriptor"`
	Flags         uint32     `json:"flags" doc:"of the entry of a driver"`
	ReadThrough   string     `json:"read_through" doc:"the address space that a driver is read through"`
	Evidence      string     `json:"evidence" doc:"why it is of its kind"`
	Damage        string     `json:"entry_damage" doc:"what of its entry cannot be read"`

	Executable
}
