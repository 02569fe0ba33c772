// Package sparse stitches ranges of bytes together from extents of other ranges, with holes.
//
// The whole program works with such ranges: physical memory is a sparse range over an image file, an address space is
// a sparse range over physical memory, a recovered executable is a sparse range over a module's addresses. A hole is
// a fact to report, never a silent zero: every reader here is strict. It stops at the first byte that it does not
// have, with an error that implements [Gap]. [ZeroFill] is the only place where missing bytes become zeros, and it
// reports them.
//
// This package imports no other package of memlens; every package of memimage builds on it.
package sparse
