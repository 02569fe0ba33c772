package nt

import "memlens/memimage/profile"

// loaderForm holds the offsets of the members of a loader's structures.
type loaderForm struct {
	*loaderLayout
	heads, links   [loaderLists]profile.Offset
	length, buffer profile.Offset // of a _UNICODE_STRING
	size           int            // of an entry, as far as it is read
}

func newLoaderForm(l *loaderLayout, length, buffer profile.Offset, pointer int) *loaderForm {
	f := &loaderForm{loaderLayout: l, length: length, buffer: buffer}
	f.heads = [loaderLists]profile.Offset{l.InLoadOrder, l.InMemoryOrder, l.InInitOrder}
	f.links = [loaderLists]profile.Offset{l.Links, l.MemoryLinks, l.InitLinks}
	last := max(l.InitLinks, l.Base, l.EntryPoint, l.Size, l.FullName, l.BaseName, l.Flags, l.LoadCount, l.LoadTime, l.Patch)
	f.size = min(int(last)+2*max(pointer, 4)+8, pageSize)
	return f
}

// nativeLoader is the form of the loader of the kernel's own width.
func (k *Kernel) nativeLoader() *loaderForm {
	if k.dump != nil && k.kernel.pointer == 4 { // perhaps on 64-bit Windows
		return k.loader32()
	}
	return newLoaderForm(&k.layout.Ldr, k.layout.String.Length, k.layout.String.Buffer, k.kernel.pointer)
}

// peb32Ldr is the offset of Ldr in a 32-bit _PEB.
const peb32Ldr = 0xc

// loader32 is the form of the loader of 32-bit processes on 64-bit Windows. Its structures are the same as in 32-bit
// Windows of the same version, and have their members in one place in all versions, by the x86 profiles. Only the time
// has moved: Windows 7 was the first to note it, and Windows 8 moved it.
func (k *Kernel) loader32() *loaderForm {
	l := loaderLayout{
		InLoadOrder: 0xc, InMemoryOrder: 0x14, InInitOrder: 0x1c,
		Links: 0, MemoryLinks: 8, InitLinks: 0x10, Base: 0x18, EntryPoint: 0x1c, Size: 0x20, FullName: 0x24, BaseName: 0x2c,
		Flags: 0x34, LoadCount: 0x38, LoadTime: profile.Absent, Patch: profile.Absent,
	}
	switch build := k.Version.Build; {
	case build >= 9200:
		l.LoadTime = 0x88
	case build >= 7600:
		l.LoadTime = 0x70
	}
	return newLoaderForm(&l, 0, 4, 4)
}
