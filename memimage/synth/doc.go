// Package synth builds small Windows physical memories: page tables, kernel image, pool, process and module lists,
// sections, file cache and page file, laid out at the offsets of any kernel build that package profile knows. It is
// the ground truth of the other packages' tests, and makes the system of the demo. Build also returns the place of
// everything, and the bytes to which each executable must be recovered.
//
// It is not one of the readers, and shares no code with paging, nt or pedump, so that an error on one side cannot
// hide an error on the other. It uses only profile (offsets) and sparse (the memory that it returns).
//
// Everything is derived from System and its seed: the same System gives the
// same bytes.
package synth
