// Package xpress unpacks what Windows compresses of its memory with plain LZ77 ("Xpress"): the pages of the compressed
// store, and the blocks of hibernation files up to Windows 7. The format is that of MS-XCA, sections 2.3 and 2.4.
//
// Nothing of memlens lies below it; packages format and store are above.
package xpress
