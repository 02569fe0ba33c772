package nt

import (
	"fmt"
	"iter"
	"time"

	"memlens/memimage/paging"
)

// LoaderOrder is one of the three lists that a process's loader has of its modules.
type LoaderOrder uint8

// The lists have the same entries (_LDR_DATA_TABLE_ENTRY). Each list links them through members of its own.
const (
	LoadOrder   LoaderOrder = iota // InLoadOrderModuleList
	MemoryOrder                    // InMemoryOrderModuleList
	InitOrder                      // InInitializationOrderModuleList; it lacks the program itself
	loaderLists = iota
)

// String is the order as Windows' structures spell it.
func (o LoaderOrder) String() string {
	return [loaderLists]string{"InLoadOrder", "InMemoryOrder", "InInitializationOrder"}[o]
}

// NoPlace is the place of an entry that is not in a list.
const NoPlace = -1

// LoaderEntry is an _LDR_DATA_TABLE_ENTRY: the loader's record of a module.
type LoaderEntry struct {
	VA         paging.Virt // of the entry itself
	Base       paging.Virt
	Size       uint32 // SizeOfImage in bytes
	EntryPoint paging.Virt
	Path, Name string // FullDllName, BaseDllName; empty where they cannot be read
	Flags      uint32
	// LoadCount is how often the module was loaded, 0xffff for a module that is never unloaded; -1 when not known. From
	// Windows 8 on it is ObsoleteLoadCount, which the loader no longer counts by.
	LoadCount int
	Loaded    time.Time // zero before Windows 7, and where it is not known
	// Patch is the base of the image that hot-patches this one, by the entry (ActivePatchImageBase); 0: there is none,
	// or the version does not note it.
	Patch  paging.Virt
	Places [loaderLists]int // from 0, by LoaderOrder; NoPlace: not in that list
	Bits   int              // 32 or 64: the width of the loader with these lists
}

// In reports whether the entry is in a list.
func (e *LoaderEntry) In(o LoaderOrder) bool { return e.Places[o] != NoPlace }

// LoaderLists are the three lists of one loader, as far as they could be read.
type LoaderLists struct {
	Bits    int           // 32 or 64
	Entries []LoaderEntry // each once: in load order, then the rest of the other lists
	// Errors say what is wrong with each list; nil: nothing. A damaged list is followed from both ends: the places of
	// entries behind the damage continue from the entries before it. When the way forward is whole, and only the way
	// back leads to an entry, the entry was taken out of the list and has no place in it.
	Errors [loaderLists]error
	// Complete says that a list was followed from its head to its head: a module that is not in it is not in the list.
	Complete [loaderLists]bool
}

// Errs returns the errors there are, in the order of the lists.
func (l *LoaderLists) Errs() []error {
	var out []error
	for _, err := range l.Errors {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// Module is an executable in the loader's list.
type Module struct {
	Base paging.Virt
	Size uint32
	Path string
}

// Bounds on a loader's lists: the entries of each, and the bytes of all their names together.
const (
	maxModules     = 1 << 14
	maxModulePaths = 16 << 20
)

// Modules yields the list in load order, the process's executable first. Damage of the list is an error at its end.
func (e *Environment) Modules(k *Kernel) iter.Seq2[Module, error] {
	return func(yield func(Module, error) bool) {
		lists := e.loader(k, LoadOrder)
		for _, m := range lists.Entries {
			if !yield(Module{m.Base, m.Size, m.Path}, nil) {
				return
			}
		}
		if err := lists.Errors[LoadOrder]; err != nil {
			yield(Module{}, err)
		}
	}
}

// Loader reads the three lists of the environment's loader.
func (e *Environment) Loader(k *Kernel) *LoaderLists {
	return e.loader(k, LoadOrder, MemoryOrder, InitOrder)
}

func (e *Environment) loader(k *Kernel, orders ...LoaderOrder) *LoaderLists {
	return readLoader(e.memory, k.nativeLoader(), e.ldr, orders)
}

// Loader32 reads the lists of the loader of a 32-bit process on 64-bit Windows through a space, one of the process's
// own. They are nil for other processes. The error says that the environment block cannot be read.
func (p *Process) Loader32(space *paging.Space) (*LoaderLists, error) {
	peb, ok := p.Wow64PEB()
	if !ok || !p.kernel.Mode.Arch.Guest32 {
		return nil, nil
	}
	m := memory{space, 4}
	ldr, err := m.ptr(peb + peb32Ldr)
	if err != nil {
		return nil, fmt.Errorf("nt: the 32-bit PEB at %#x cannot be read: %w", uint64(peb), err)
	}
	return readLoader(m, p.kernel.loader32(), ldr, []LoaderOrder{LoadOrder, MemoryOrder, InitOrder}), nil
}
