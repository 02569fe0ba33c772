package xpress

import (
	"encoding/binary"
	"fmt"
)

const (
	lznt1Chunk      = 4096
	lznt1Compressed = 0x8000
	lznt1Signature  = 0x7000 // three bits; a valid header has the lower two set
)

// LZNT1 unpacks LZNT1 data (MS-XCA 2.5) of at most size bytes: chunks behind a header of 16 bits with their packed
// size less 3. Each chunk unpacks to 4096 bytes, the last one may unpack to fewer. The error wraps [ErrDamaged].
func LZNT1(src []byte, size int) ([]byte, error) { return lznt1(src, size, false) }

// LZNT1Unit unpacks a compression unit of NTFS, of size bytes: as LZNT1 does, but the data behind size bytes do not
// matter. They are old contents of the clusters.
func LZNT1Unit(src []byte, size int) ([]byte, error) { return lznt1(src, size, true) }

func lznt1(src []byte, size int, unit bool) ([]byte, error) {
	out := make([]byte, 0, size)
	for len(src) >= 2 && !(unit && len(out) == size) {
		head := binary.LittleEndian.Uint16(src)
		if head == 0 {
			break
		}
		if head&lznt1Signature != 0x3000 {
			return nil, fmt.Errorf("%w: an LZNT1 chunk begins with %#x", ErrDamaged, head)
		}
		if len(out)%lznt1Chunk != 0 {
			return nil, fmt.Errorf("%w: an LZNT1 chunk that is not the last one unpacks to %d bytes", ErrDamaged, len(out)%lznt1Chunk)
		}
		n := int(head&0xfff) + 1
		if n > len(src)-2 {
			return nil, fmt.Errorf("%w: an LZNT1 chunk is truncated", ErrDamaged)
		}
		chunk := src[2 : 2+n]
		src = src[2+n:]
		begin := len(out)
		if head&lznt1Compressed == 0 {
			out = append(out, chunk...)
		} else if out = lznt1Tokens(out, chunk); out == nil {
			return nil, fmt.Errorf("%w: LZNT1", ErrDamaged)
		}
		if len(out)-begin > lznt1Chunk || len(out) > size {
			return nil, fmt.Errorf("%w: an LZNT1 chunk unpacks to too much", ErrDamaged)
		}
	}
	return out, nil
}

// lznt1Tokens appends the unpacked content of a compressed chunk, or returns nil when it is damaged. A bit of a byte
// of flags says whether one of the eight tokens behind it is a byte or a match; the place in the chunk divides a
// match's bits between distance and length.
func lznt1Tokens(out, chunk []byte) []byte {
	begin := len(out)
	for len(chunk) > 0 {
		flags := chunk[0]
		chunk = chunk[1:]
		for bit := 0; bit < 8 && len(chunk) > 0; bit++ {
			if flags>>bit&1 == 0 {
				out = append(out, chunk[0])
				chunk = chunk[1:]
				continue
			}
			if len(chunk) < 2 {
				return nil
			}
			token := int(binary.LittleEndian.Uint16(chunk))
			chunk = chunk[2:]
			shift := lznt1Shift(len(out) - begin)
			distance, length := token>>shift+1, token&(1<<shift-1)+3
			if distance > len(out)-begin || len(out)-begin+length > lznt1Chunk {
				return nil
			}
			for range length {
				out = append(out, out[len(out)-distance])
			}
		}
	}
	return out
}

// lznt1Shift returns how many bits of a match at that place of a chunk are its length.
func lznt1Shift(at int) int {
	shift := 12
	for n := at - 1; n >= 0x10; n >>= 1 {
		shift--
	}
	return shift
}
