package format

// vmwareCPU is the state of a processor. The field CR64 has a whole control register, the field CR its low half; a
// state has both for the same register.
type vmwareCPU struct {
	CPU
	whole map[uint32]bool // the control registers that CR64 gave
}

// Numbers of segments in VMware's states: the same as in the processor.
const (
	vmwareCS = 1
	vmwareFS = 4
	vmwareGS = 5
)

// sortedCPUs returns the processors by their numbers.
func (v *vmwareState) sortedCPUs() []CPU {
	var out []CPU
	for _, i := range sortedKeys(v.cpus) {
		out = append(out, v.cpus[i].CPU)
	}
	return out
}

// takeCPU takes a register. The first index is the number of the processor, the second is the number of the register
// or of a part of it.
func (v *vmwareState) takeCPU(t vmwareTag) {
	if len(t.indices) == 0 || t.indices[0] >= maxProcessors || !vmwareRegister(t.name) {
		return
	}
	c := v.cpus[t.indices[0]]
	if c == nil {
		c = &vmwareCPU{whole: map[uint32]bool{}}
		v.cpus[t.indices[0]] = c
	}
	switch {
	case t.kind == vmwarePlain:
		v.takeCPUBlock(c, t)
	case t.kind < vmwarePacked && len(t.indices) == 1:
		c.set(t.name, t.value)
	case t.kind < vmwarePacked && len(t.indices) == 2:
		c.setPart(t.name, t.indices[1], t.value)
	}
}

// vmwareRegister reports whether a tag holds a register that is of use.
func vmwareRegister(name string) bool {
	switch name {
	case "CR", "CR64", "IDTR", "GDTR", "S", "S.base64", "rip", "rsp":
		return true
	}
	return false
}

// takeCPUBlock takes registers that newer versions write in blocks: all control registers, or the place of a
// table.
func (v *vmwareState) takeCPUBlock(c *vmwareCPU, t vmwareTag) {
	const most = 72
	f, err := readUpTo(v.src, int64(t.data.Off), int(min(t.data.Len, most)))
	if err != nil || uint64(len(f)) < t.data.Len {
		return
	}
	const crSize, tableSize = 72, 10
	switch {
	case t.name == "CR64" && len(f) == crSize:
		for i := range uint32(5) {
			c.setPart(t.name, i, f.u64(int(i)*8))
		}
	case t.name == "IDTR" && len(f) == tableSize:
		c.IDTBase = f.u64(2)
	case t.name == "GDTR" && len(f) == tableSize:
		c.GDTBase = f.u64(2)
	}
}

// set takes a register of one value.
func (c *vmwareCPU) set(name string, value uint64) {
	switch name {
	case "rip":
		c.RIP = value
	case "rsp":
		c.RSP = value
	}
}

// setPart takes one of several registers, or a part of a register.
func (c *vmwareCPU) setPart(name string, i uint32, value uint64) {
	switch name {
	case "CR", "CR64":
		c.setControl(i, value, name == "CR64")
	case "IDTR":
		setTable(&c.IDTBase, i, value)
	case "GDTR":
		setTable(&c.GDTBase, i, value)
	case "S":
		if i == vmwareCS {
			c.CodeSelector = uint16(value)
		}
	case "S.base64":
		if into := map[uint32]*uint64{vmwareFS: &c.FSBase, vmwareGS: &c.GSBase}[i]; into != nil {
			*into = value
		}
	}
}

// setControl takes a control register, whole or its low half.
func (c *vmwareCPU) setControl(i uint32, value uint64, whole bool) {
	into := map[uint32]*uint64{0: &c.CR0, 2: &c.CR2, 3: &c.CR3, 4: &c.CR4}[i]
	if into == nil || c.whole[i] && !whole {
		return
	}
	*into = value
	c.whole[i] = c.whole[i] || whole
}

// setTable takes a part of the register of a table: 0 is its limit, 1 and 2 are the halves of its address.
func setTable(into *uint64, part uint32, value uint64) {
	switch part {
	case 1:
		*into = *into&^0xffffffff | value&0xffffffff
	case 2:
		*into = *into&0xffffffff | value<<32
	}
}
