package synth

import (
	_ "embed"
	"strconv"
	"strings"
)

// storeKernels are addresses in kernels of which public symbols are known: version, GUID and age of the debug record, and
// the RVAs of SmGlobals, of MiState.Hardware.InvalidPteMask and of MiSystemPartition.Vp.PagingFile.
//
//go:embed storekernels.csv
var storeKernels string

// The variables of the kernel that lead to the store.
const (
	varSmGlobals  = "SmGlobals"
	varMask       = "MiState.Hardware.InvalidPteMask"
	varVp         = "MiSystemPartition.Vp" // what lies before the array of page files: their number
	varPagingFile = "MiSystemPartition.Vp.PagingFile"
)

// storeRVAs are the addresses in the kernel with a debug record, by variable; nil: it is in no table.
func storeRVAs(id RSDS) map[string]uint32 {
	key := id.GUID + strconv.FormatUint(uint64(id.Age), 16)
	for line := range strings.Lines(storeKernels) {
		if f := strings.Split(strings.TrimSpace(line), ","); len(f) == 5 && strings.EqualFold(f[1], key) {
			rvas := make(map[string]uint32)
			for i, name := range []string{varSmGlobals, varMask, varPagingFile} {
				if rva, err := strconv.ParseUint(f[2+i], 0, 32); err == nil {
					rvas[name] = uint32(rva)
				}
			}
			return rvas
		}
	}
	return nil
}
