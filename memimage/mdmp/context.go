package mdmp

import "encoding/binary"

// Control is the part of a thread's registers that controls execution (CONTEXT_CONTROL).
type Control struct {
	IP, SP, FP uint64 // FP (EBP) belongs to the part on x86 only
	Flags      uint32
	CS, SS     uint16
}

// The sizes of CONTEXT, and its flags. The flags name the processor, and say that only the part CONTEXT_CONTROL is
// known.
const (
	contextX86, contextX64          = 716, 1232
	flagsX86, flagsX64              = 0x10000 | 1, 0x100000 | 1
	flagsAtX86, flagsAtX64          = 0, 0x30
	controlAtX86                    = 180        // Ebp, Eip, SegCs, EFlags, Esp, SegSs
	codeAtX64, stackAtX64           = 0x38, 0x42 // SegCs, SegSs
	eflagsAtX64, rspAtX64, ripAtX64 = 0x44, 0x98, 0xf8
)

// Context lays a thread's registers out for an architecture; nil for an architecture without such a part. All other
// registers are zeros, and ContextFlags says that they are not known.
func (c *Control) Context(a Arch) []byte {
	switch a {
	case X86:
		b := make([]byte, contextX86)
		binary.LittleEndian.PutUint32(b[flagsAtX86:], flagsX86)
		for i, v := range []uint64{c.FP, c.IP, uint64(c.CS), uint64(c.Flags), c.SP, uint64(c.SS)} {
			binary.LittleEndian.PutUint32(b[controlAtX86+4*i:], uint32(v))
		}
		return b
	case X64:
		b := make([]byte, contextX64)
		binary.LittleEndian.PutUint32(b[flagsAtX64:], flagsX64)
		binary.LittleEndian.PutUint16(b[codeAtX64:], c.CS)
		binary.LittleEndian.PutUint16(b[stackAtX64:], c.SS)
		binary.LittleEndian.PutUint32(b[eflagsAtX64:], c.Flags)
		binary.LittleEndian.PutUint64(b[rspAtX64:], c.SP)
		binary.LittleEndian.PutUint64(b[ripAtX64:], c.IP)
		return b
	}
	return nil
}
