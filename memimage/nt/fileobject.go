package nt

import "memlens/memimage/paging"

// Members of _FILE_OBJECT and _IOP_FILE_OBJECT_EXTENSION, which lie where they do in all versions; the extension there is
// since Windows Vista.
const (
	deletePending32 = 0x25 // _FILE_OBJECT.DeletePending
	deletePending64 = 0x49
	extension32     = 0x7c // _FILE_OBJECT.FileObjectExtension
	extension64     = 0xd0
)

// FileFate says what became of the file of a file object: it was deleted while it was open, or it was opened in a
// transaction (FoExtTypeTransactionParams), so that what was mapped may never have been on disk. Both are false where the
// file object cannot be read.
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
