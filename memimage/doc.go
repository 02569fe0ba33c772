// Package memimage opens a Windows memory image: its container, the kernel in it, that kernel's processes and drivers, and
// their executable images as far as they can be recovered, each a [Module].
//
// It is the façade over the packages below it (format, profile, paging, nt, pedump, restore, integrity, sparse). These
// packages know each other only as their comments say. Above it, package fs makes files of the results.
package memimage
