package nt

import "memlens/memimage/paging"

// Members of _FILE_OBJECT and _IOP_FILE_OBJECT_EXTENSION, with the same offsets in all versions; the extension exists
// since Windows Vista.
const (
	deletePending32 = 0x25 // _FILE_OBJECT.DeletePending
	deletePending64 = 0x49
	extension32     = 0x7c // _FILE_OBJECT.FileObjectExtension
	extension64     = 0xd0
)

// FileFate reports whether the file of a file object was deleted while it was open, or was opened in a transaction
// (FoExtTypeTransactionParams), so that the mapped contents may never have been on disk. Both are false where the file
// object cannot be read.
func (k *Kernel) FileFate(file paging.Virt) (deleted, transacted bool) {
	pointer := k.kernel.pointer
	pending, extension := paging.Virt(deletePending32), paging.Virt(extension32)
	if pointer == 8 {
		pending, extension = deletePending64, extension64
	}
	r, err := k.kernel.record(file, int(pending)+1)
	if file == 0 || err != nil || r.u16(0) != fileObjectType {
		return false, false
	}
	deleted = r.b[pending] == 1
	if !k.KernelRelocates() { // before Windows Vista
		return deleted, false
	}
	if at, err := k.kernel.ptr(file + extension); err == nil && k.inKernelSpace(at) {
		params, err := k.kernel.ptr(at + paging.Virt(pointer))
		transacted = err == nil && k.inKernelSpace(params)
	}
	return deleted, transacted
}
