package format

// processors returns the state that the processor was saved in (_KPROCESSOR_STATE), which lies in a page between the
// header and the tables, if that page looks like it: page 2 up to 2003, then 4, and 1 from SP1 of Vista on.
func (h *hiberFile) processors(l rangeLayout) []CPU {
	registers := 0x2cc // KSPECIAL_REGISTERS behind CONTEXT
	if l.word == 8 {
		registers = 0
	}
	for page := int64(1); page < 8; page++ {
		f, err := readUpTo(h, page*pageSize+int64(registers), 4*l.word)
		if err != nil {
			return nil
		}
		cr := func(i int) uint64 { return word(f, i*l.word, l.word) }
		c := CPU{CR0: cr(0), CR2: cr(1), CR3: cr(2), CR4: cr(3)}
		if c.CR0&0x80000001 == 0x80000001 && c.CR0>>32 == 0 && isRoot(c, l.word) && c.CR4 < 1<<24 {
			return []CPU{c}
		}
	}
	return nil
}

// isRoot reports whether CR3 can lead to page tables. With PAE, which is bit 5 of CR4, 32-bit Windows keeps the
// tables it leads to at any multiple of 32, not of 4096. Bits 3 and 4 are flags.
func isRoot(c CPU, word int) bool {
	const flags = 0x18
	align := uint64(pageSize)
	if word == 4 && c.CR4&0x20 != 0 {
		align = 32
	}
	return c.CR3 != 0 && c.CR3 < maxPhysical && c.CR3&(align-1)&^flags == 0
}
