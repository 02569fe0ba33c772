// Package volume finds the files that the modules of a memory image were loaded from on the machine's own disk: in a
// folder where a Windows volume is mounted ([OpenFolder]), or in the bytes of a whole disk ([OpenDisk]), where it reads
// partition tables and NTFS itself, in place and only what it needs.
//
// The layouts of NTFS's structures and of partition tables are the libraries'. How the structures hang together, and the
// bytes of files, are read here: every number of a disk is bounded before it is used, what cannot be read is an error,
// and what had to be assumed on the way to a file is said with it.
//
// Packages rescue, sparse and xpress lie below it.
package volume
