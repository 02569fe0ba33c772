package profile

import (
	_ "embed"
	"strconv"
	"strings"
)

// variables has the places of kernel variables that public symbols name and that no structure leads to, of kernels by
// their identity: a row each. Where it comes from stands in its head.
//
//go:embed data/variables.csv
var variables string

// Variable returns the address of one of a kernel's variables, relative to the kernel's base: "SmGlobals", "InvalidPteMask"
// (MiState.Hardware.InvalidPteMask) or "PagingFile" (MiSystemPartition.Vp.PagingFile). It is not ok where the kernel is not
// among those that are known.
func Variable(id Identity, name string) (rva uint64, ok bool) {
	key := strings.ToUpper(id.GUID) + strconv.FormatUint(uint64(id.Age), 16)
	var columns []string
	for line := range strings.Lines(variables) {
		cells := strings.Split(strings.TrimSpace(line), ",")
		switch {
		case strings.HasPrefix(line, "#"):
		case columns == nil:
			columns = cells
		case len(cells) == len(columns) && cells[1] == key && id.GUID != "":
			for i, column := range columns {
				if column == name {
					rva, err := strconv.ParseUint(cells[i], 0, 32)
					return rva, err == nil
				}
			}
		}
	}
	return 0, false
}
