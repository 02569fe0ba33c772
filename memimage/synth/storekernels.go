package synth

import (
	_ "embed"
	"strconv"
	"strings"
)

// storeKernels are addresses in kernels whose public symbols are known: version, GUID and age of the debug record,
// and the RVAs of SmGlobals, of MiState.Hardware.InvalidPteMask and of MiSystemPartition.Vp.PagingFile.
//
//go:embed storekernels.csv
var storeKernels string

// The variables of the kernel that lead to the store.
const (
	varSmGlobals  = "SmGlobals"
	varMask       = "MiState.Hardware.InvalidPteMask"
	varVp         = "MiSystemPartition.Vp" // the number of page files, which lies before their array
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

// storeOffsets has the offsets of two members that are not variables themselves, by build: InvalidPteMask in MiState,
// the array of page files in MiSystemPartition (Microsoft's symbols; 17763 from revision 379 on).
var storeOffsets = map[uint32]struct{ mask, pagingFile uint32 }{
	14393: {0x5c0, 0x18a0}, 17763: {0x1680, 0x1be0}, 18362: {0x1640, 0x1ee0}, 19041: {0x1680, 0x1b20}, 20348: {0x16c0, 0x4160},
	22000: {0x1740, 0x4160}, 22621: {0x6c0, 0x42a0}, 26100: {0x1140, 0x4860},
}

// storeSymbols are the addresses in a kernel that is in no table but has symbols, by variable.
func storeSymbols(symbol func(string) (uint64, bool), build uint32) map[string]uint32 {
	globals, ok1 := symbol("SmGlobals")
	state, ok2 := symbol("MiState")
	partition, ok3 := symbol("MiSystemPartition")
	o, ok4 := storeOffsets[build]
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil
	}
	return map[string]uint32{varSmGlobals: uint32(globals), varMask: uint32(state) + o.mask, varPagingFile: uint32(partition) + o.pagingFile}
}
