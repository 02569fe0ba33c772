package nt

import "memlens/memimage/paging"

// ModuleKind says how an executable came to be in a process's memory, as far as the process's lists and descriptors
// show.
type ModuleKind uint8

// The kinds.
const (
	// KindLoaded: the loader's lists have it, and the file is mapped where they say.
	KindLoaded ModuleKind = iota
	// KindUnlinked: it is mapped as an executable, and lists that were read whole lack it. Some files are so by design:
	// files used for their resources alone, and the tables of API sets of Windows 7.
	KindUnlinked
	// KindInjected: a program laid out by hand in memory that is no file's image.
	KindInjected
	// KindHeaderErased: an injected program, and all or part of its header is erased.
	KindHeaderErased
	// KindData: a file that is a program, or memory that holds one, mapped as data: nothing in it can be executed.
	KindData
	// KindHollowed: the lists, or the environment block, have a module where its file is not mapped.
	KindHollowed
	// KindMapped: it is mapped as an executable; no lists say whether the loader knows it, as in the System process.
	KindMapped
	// KindUnknown: a program in the dump of a process that no list has. The dump does not say what kind of memory it
	// lies in.
	KindUnknown
)

// String is the kind in words.
func (k ModuleKind) String() string {
	return [...]string{"loaded", "unlinked", "injected", "header erased", "mapped as data", "hollowed", "mapped", "unknown"}[k]
}

// ModuleLayout is how the bytes of a module lie in memory.
type ModuleLayout uint8

// The layouts.
const (
	MemoryLayout ModuleLayout = iota // by RVA, as the loader maps an executable
	FileLayout                       // by offset in the file
)

// String is "memory" or "file".
func (l ModuleLayout) String() string { return [...]string{"memory", "file"}[l] }

// FoundModule is an executable in a process's address space.
type FoundModule struct {
	Base    paging.Virt
	Size    int64 // in bytes: of the mapping; of the regions as far as the header claims them; as the list says where nothing is mapped
	Bits    int   // 32 or 64; 0 where it is in no header or list
	Main    bool  // the program of the process
	Entry   *LoaderEntry
	Entry32 *LoaderEntry // in the lists of the 32-bit loader
	VAD     VAD          // that Base lies in
	HasVAD  bool
	Path    string // of the file that is mapped there, without its volume; empty where there is none
	Header  HeaderState
	Layout  ModuleLayout
	Kind    ModuleKind
	// DumpPath is its name in the dump's list of modules, and InDump says that this list has it, where the process
	// comes from a dump.
	DumpPath string
	InDump   bool
	// Patch is the base of the image that hot-patches this one, by the list, if an image is mapped there; 0: none.
	Patch paging.Virt
	// Evidence says why it is of its kind, and what indicates an executable where none is mapped. It is a sentence
	// without a full stop.
	Evidence string
}

// Listed returns the list entry of the module, the 64-bit loader's first; nil when it has none.
func (m *FoundModule) Listed() *LoaderEntry {
	if m.Entry != nil {
		return m.Entry
	}
	return m.Entry32
}

// lacks returns the lists of a loader that were followed whole and lack the module though it has an entry. The initialization
// list does not count where the module need not be in it.
func (m *FoundModule) lacks(e *LoaderEntry, complete [loaderLists]bool) (out []LoaderOrder) {
	if e == nil {
		return nil
	}
	for o := range LoaderOrder(loaderLists) {
		if !e.In(o) && complete[o] && (o != InitOrder || e.initialized() && !m.Main) {
			out = append(out, o)
		}
	}
	return out
}

// attachCalled is the flag of entries after the call of their entry point (LDRP_PROCESS_ATTACH_CALLED, in newer
// structures ProcessAttachCalled), in order of initialization.
const attachCalled = 0x80000

func (e *LoaderEntry) initialized() bool { return e.Flags&attachCalled != 0 }
