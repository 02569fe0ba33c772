// Package synth builds small Windows physical memories: page tables, kernel
// image, pool, process and module lists, sections, file cache and page file,
// laid out at the offsets of any kernel build that package profile knows. It is
// the ground truth of the other packages' tests and what the demo shows; Build
// also returns where it put everything and what each executable must be
// recovered to.
//
// It sits beside the readers, not among them: it uses only profile (offsets)
// and sparse (the memory handed out), and shares no code with paging, nt or
// pedump, so that an error on one side cannot hide one on the other.
//
// Everything is derived from System and its seed: the same System gives the
// same bytes.
package synth
