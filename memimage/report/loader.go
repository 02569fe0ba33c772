package report

import (
	"time"

	"memlens/memimage"
	"memlens/memimage/nt"
)

// LoaderEntry is the entry of a module in a loader's list.
type LoaderEntry struct {
	Bits       int        `json:"bits"`
	Entry      Address    `json:"entry"`
	Name       string     `json:"name"`
	Path       string     `json:"path"`
	Size       uint32     `json:"size"`
	EntryPoint Address    `json:"entry_point"`
	LoadCount  int        `json:"load_count"`
	Loaded     *time.Time `json:"loaded"`
	Load       *int64     `json:"in_load_order"` // its place from 0; null: not in that list
	Memory     *int64     `json:"in_memory_order"`
	Init       *int64     `json:"in_initialization_order"`
}

// LoaderEntriesOf are the entries of a module in the lists of the loaders.
func LoaderEntriesOf(m *memimage.FoundModule) []LoaderEntry {
	out := []LoaderEntry{}
	for _, e := range []*nt.LoaderEntry{m.Found.Entry, m.Found.Entry32} {
		if e != nil {
			out = append(out, LoaderEntry{e.Bits, Address(e.VA), e.Name, e.Path, e.Size, Address(e.EntryPoint), e.LoadCount, timeOf(e.Loaded),
				placeIn(e, nt.LoadOrder), placeIn(e, nt.MemoryOrder), placeIn(e, nt.InitOrder)})
		}
	}
	return out
}

// HotPatchOf is the base of the image that patches a module while it is loaded; 0: none.
func HotPatchOf(m *memimage.FoundModule) Address { return Address(m.Found.Patch) }

// Descriptor is the address descriptor of a module.
type Descriptor struct {
	Start      Address `json:"start"`
	End        Address `json:"end"`
	Type       string  `json:"type"`
	Protection string  `json:"protection"`
}

// DescriptorOf is a module's address descriptor; nil where there is none.
func DescriptorOf(m *memimage.FoundModule) *Descriptor {
	if !m.Found.HasVAD {
		return nil
	}
	v := &m.Found.VAD
	return &Descriptor{Address(v.Start), Address(v.End - 1), v.Type(), v.Protection.String()}
}

// ListedModule is a module in the list that the environment block leads to.
type ListedModule struct {
	Base Address `json:"base"`
	Size uint32  `json:"size"`
	Path string  `json:"path"`
}

// ListedModulesOf are the modules in the process's own list, and the reason why the list may have more.
func ListedModulesOf(p *memimage.Process) (out []ListedModule, why error) {
	env, err := p.Environment()
	if err != nil {
		return nil, nil // the record of the process has the error
	}
	for m, err := range env.Modules(p.Kernel()) {
		if err != nil {
			return out, err
		}
		out = append(out, ListedModule{Address(m.Base), m.Size, m.Path})
	}
	return out, nil
}
