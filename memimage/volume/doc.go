// Package volume finds the files that the modules of a memory image were loaded from on the machine's own disk: in a
// folder where a Windows volume is mounted ([OpenFolder]), or in the bytes of a whole disk ([OpenDisk]), where it
// reads partition tables and NTFS itself: in place, and only the parts that it needs.
//
// The layouts of NTFS's structures and of partition tables are from libraries. This package follows the structures,
// and reads the bytes of files: every number of a disk is bounded before it is used, a structure that cannot be read
// is an error, and every assumption on the way to a file is noted with the file.
//
// Packages rescue, sparse and xpress lie below it.
package volume
