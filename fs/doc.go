// Package fs shows a memory image as a tree of files: an [io/fs.FS] in which every process, module and driver
// is a directory.
//
// The contents of directories are tables of rows, for directories as for files: [rootRows], [processRows], and
// [moduleRows] for modules and drivers. A new file is a new row. A file is made when it is opened and its bytes when
// they are read; its size is exact before that. This is the one place where bytes that are missing from an image become
// zeros: each file that has such holes can report where they are.
//
// Below it lie package memimage and package render. Above it, package fusefs shows the tree to the kernel, and cmd
// copies it. Nothing here changes once it is built, apart from caches, which lock for themselves; no lock is held
// while another is taken.
package fs
