package pdb

import (
	"bytes"
	"encoding/binary"
)

// cursor reads little-endian values from the front of a slice. Once something is missing, bad is set and everything
// reads as zero.
type cursor struct {
	b   []byte
	bad bool
}

// take is the next n bytes, or nil if there are fewer.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) u8() (v uint8) {
	if b := c.take(1); b != nil {
		v = b[0]
	}
	return v
}

func (c *cursor) u16() (v uint16) {
	if b := c.take(2); b != nil {
		v = binary.LittleEndian.Uint16(b)
	}
	return v
}

func (c *cursor) u32() (v uint32) {
	if b := c.take(4); b != nil {
		v = binary.LittleEndian.Uint32(b)
	}
	return v
}

func (c *cursor) u64() (v uint64) {
	if b := c.take(8); b != nil {
		v = binary.LittleEndian.Uint64(b)
	}
	return v
}

// str is a string up to its zero byte, which is skipped.
func (c *cursor) str() string {
	n := bytes.IndexByte(c.b, 0)
	s := c.take(n)
	c.take(1)
	return string(s)
}

// record splits off a record: a 16-bit length, which counts the bytes behind it, and a 16-bit kind.
func (c *cursor) record() (kind uint16, body cursor) {
	body.b = c.take(int(c.u16()))
	kind = body.u16()
	c.bad = c.bad || body.bad
	return kind, body
}

// numeric is an unsigned number of variable size: itself if below 0x8000, else preceded by its type.
func (c *cursor) numeric() uint64 {
	leaf := c.u16()
	switch leaf {
	case 0x8000: // LF_CHAR
		return uint64(c.u8())
	case 0x8001, 0x8002: // LF_SHORT, LF_USHORT
		return uint64(c.u16())
	case 0x8003, 0x8004: // LF_LONG, LF_ULONG
		return uint64(c.u32())
	case 0x8009, 0x800a: // LF_QUADWORD, LF_UQUADWORD
		return c.u64()
	}
	if leaf >= 0x8000 {
		c.b, c.bad = nil, true
		return 0
	}
	return uint64(leaf)
}
