// Package sparse stitches ranges of bytes together from extents of other ranges, with holes.
//
// It is the currency of the whole program: physical memory is a sparse range over an image file, an address space is
// one over physical memory, a recovered executable one over a module's addresses. A hole is a fact to report, never a
// silent zero: every reader here is strict and stops at the first byte it does not have with an error that implements
// [Gap]. [ZeroFill] is the one place where unreadable bytes become zeros, and it says which.
//
// Nothing of memlens lies below this package; every package of memimage builds on it.
package sparse
