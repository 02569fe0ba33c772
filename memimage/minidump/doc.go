// Package minidump reads user-mode minidumps (signature MDMP): the files that MiniDumpWriteDump of Windows'
// dbghelp.dll writes for a process. Task Manager, WER, procdump and other tools use it. The structures are from
// Microsoft's minidumpapiset.h.
//
// It gives the streams as plain values, and the memory of the process as one sparse range whose offsets are virtual
// addresses. It does not interpret that memory: package nt above reads Windows' structures there. Below is package
// sparse.
//
// All numbers of the file are claims: every count is bounded by the bytes in the file, every address and offset by
// the file, and Notes says which parts cannot be read.
package minidump
