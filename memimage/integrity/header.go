package integrity

import (
	"slices"

	"memlens/memimage/pe"
)

const (
	dirExport  = 0  // IMAGE_DIRECTORY_ENTRY_EXPORT
	dirConfig  = 10 // IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG
	dirIAT     = 12 // IMAGE_DIRECTORY_ENTRY_IAT
	dirManaged = 14 // IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR
)

// managed reports whether the file is a program of .NET.
func (c *comparison) managed() bool { return c.header.Directory(dirManaged).Address != 0 }

// compareHeaders finds out whether the header in memory belongs to another program: with another time and another
// layout.
func (c *comparison) compareHeaders() {
	h, err := pe.OpenImage(c.memory)
	if err != nil || c.otherHead != "" || h.TimeDateStamp == c.header.TimeDateStamp {
		return
	}
	if h.SizeOfImage != c.header.SizeOfImage || h.EntryPoint != c.header.EntryPoint || !slices.Equal(h.Sections, c.header.Sections) {
		c.otherHead = "the header in memory is of another program"
	}
}
