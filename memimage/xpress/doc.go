// Package xpress unpacks the compressed data of Windows. Plain LZ77 ("Xpress") is in the pages of the compressed
// store and in hibernation files up to Windows 7; LZ77 and Huffman is in later hibernation files and in system files
// on disk; LZNT1 is in files of NTFS. The formats are described in MS-XCA, sections 2.1 to 2.5.
//
// It imports no other package of memlens; packages format, store and volume are above.
package xpress
