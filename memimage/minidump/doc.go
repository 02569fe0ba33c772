// Package minidump reads user-mode minidumps (signature MDMP): what MiniDumpWriteDump of Windows' dbghelp.dll writes of a
// process, and with it Task Manager, WER, procdump and other tools. Structures are those of Microsoft's minidumpapiset.h.
//
// It gives the streams as plain values, and the memory of the process as one sparse range whose offsets are virtual
// addresses. It knows nothing of what lies in that memory: package nt above reads Windows' structures there. Below is
// package sparse.
//
// All numbers of the file are claims: every count is bounded by the bytes that are there, every address and offset by the
// file, and what cannot be read is said in Notes.
package minidump
