// Package xpress unpacks what Windows compresses: with plain LZ77 ("Xpress") the pages of the compressed store and the
// blocks of hibernation files up to Windows 7, with LZ77 and Huffman the blocks of later hibernation files and of system
// files on disk, with LZNT1 the files of NTFS. The formats are those of MS-XCA, sections 2.1 to 2.5.
//
// Nothing of memlens lies below it; packages format, store and volume are above.
package xpress
