package xpress

// slowLZ77 unpacks plain LZ77 data as the pseudocode of MS-XCA 2.4.4 does, to size bytes.
func slowLZ77(src []byte, size int) (out []byte, ok bool) {
	pos, half, flags, left := 0, 0, 0, 0
	read := func(n int) (v int) {
		if ok = ok && pos+n <= len(src); !ok {
			return 0
		}
		for i := range n {
			v |= int(src[pos+i]) << (8 * i)
		}
		pos += n
		return v
	}
	ok = true
	for len(out) < size {
		if left == 0 {
			flags, left = read(4), 32
		}
		left--
		if flags&(1<<left) == 0 {
			if out = append(out, byte(read(1))); !ok {
				return nil, false
			}
			continue
		}
		token := read(2)
		length, distance := token%8, token/8+1
		if length == 7 && half == 0 {
			half = pos
			length = 7 + read(1)%16
		} else if length == 7 {
			length = 7 + int(src[half])/16
			half = 0
		}
		if length == 7+15 {
			if length += read(1); length == 7+15+255 {
				if length = read(2); length == 0 {
					length = read(4)
				}
				ok = ok && length >= 15+7
			}
		}
		length += 3
		if !ok || distance > len(out) || length > size-len(out) {
			return nil, false
		}
		for range length {
			out = append(out, out[len(out)-distance])
		}
	}
	return out, true
}
