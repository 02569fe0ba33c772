// Package paging translates virtual addresses through page tables that lie in a physical memory image.
//
// A paging mode is data ([Mode]), and so is the architecture that it belongs to ([Arch]); one walk serves all modes. In
// entries that a processor calls "not present", Windows keeps its own notes, the software page-table entries: a page in
// transition, in a page file, behind a prototype entry. They are a second layer, data again ([Soft]), applied at every
// level of the walk.
//
// Below lies package sparse; package nt, above, knows where page tables and prototype entries are.
package paging
