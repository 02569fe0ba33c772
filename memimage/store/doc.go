// Package store reads pages out of Windows' compressed memory (memory compression, since Windows 10).
//
// A page of a process that was compressed is known by its key, which its page-table entry holds. A global tree leads
// from the key to a store (SMKM_STORE), the store's own tree to a region key, that to a record (ST_PAGE_RECORD), and
// the record to the data in a region of the process that owns the store. None of these structures is in public
// symbols: [Layouts] has the offsets, by build, and [Open] takes only a layout that the image itself proves, by pages
// that unpack to their exact length.
//
// Below it are packages paging, sparse and xpress; package nt, above, finds the kernel's variables and processes.
package store
