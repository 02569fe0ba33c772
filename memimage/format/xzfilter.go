package format

const xzLZMA2 = 0x21

// xzFilters returns the names of the filters of xz that change data before they are compressed. The decoder here
// supports none.
func xzFilters() map[uint64]string {
	return map[uint64]string{3: "delta", 4: "x86", 5: "PowerPC", 6: "IA-64", 7: "ARM", 8: "ARM Thumb", 9: "SPARC", 10: "ARM64", 11: "RISC-V"}
}

// refuseXZFilter fails for xz files whose first block goes through such a filter.
func refuseXZFilter(in *input) (*Image, error) {
	head, err := in.head(xzHeader + 1024)
	if err != nil {
		return nil, err
	}
	if !head.has(0, "\xfd7zXZ\x00") {
		return nil, ErrFormat
	}
	if name, ok := xzFilters()[firstXZFilter(head[min(xzHeader, len(head)):])]; ok {
		return nil, &NotMemoryError{Name: in.Name(), What: "an xz file made with the filter for " + name, Do: "unpack it first: xz -dk FILE"}
	}
	return nil, ErrFormat
}

// firstXZFilter returns the number of the first filter in the header of a block: behind its size and flags come the
// sizes of the block, if the flags say so, and the filters. The result is the number of LZMA2 if there is no filter.
func firstXZFilter(block fields) uint64 {
	const packedSize, unpackedSize = 0x40, 0x80
	if len(block) < 2 || block[0] == 0 { // an index, and no block
		return xzLZMA2
	}
	rest := []byte(block[2:])
	for _, flag := range []byte{packedSize, unpackedSize} {
		if block[1]&flag != 0 {
			_, rest = uvarint(rest)
		}
	}
	filter, _ := uvarint(rest)
	return filter
}
