package pedump

import "encoding/binary"

// volatility writes the files as Volatility 2's plugins do: a transcription, byte by byte and
// field by field, of get_image, get_sections and sanity_check_section. mem is the address space
// from the base on; pages in missing cannot be read.
type volatility struct {
	mem     []byte
	missing map[int64]bool
}

// crash stands for Volatility's ValueError, SanityCheckException and unhandled exceptions.
type crash struct{}

func (v volatility) valid(va int64) bool {
	return va >= 0 && va < int64(len(v.mem)) && !v.missing[va/pageSize]
}

// read is vm.read: all or nothing.
func (v volatility) read(va, n int64) []byte {
	for i := va; i < va+n; i++ {
		if !v.valid(i) {
			panic(crash{})
		}
	}
	return v.mem[va : va+n]
}

// zread is vm.zread: bytes that cannot be read are zeros.
func (v volatility) zread(va, n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		if v.valid(va + int64(i)) {
			b[i] = v.mem[va+int64(i)]
		}
	}
	return b
}

func (v volatility) u16(va int64) int64 { return int64(binary.LittleEndian.Uint16(v.read(va, 2))) }
func (v volatility) u32(va int64) int64 { return int64(binary.LittleEndian.Uint32(v.read(va, 4))) }

func (v volatility) ntHeader() int64 {
	if v.u16(0) != 0x5a4d {
		panic(crash{})
	}
	nt := int64(int32(v.u32(0x3c)))
	if v.u32(nt) != 0x4550 {
		panic(crash{})
	}
	return nt
}

// sections calls f with the address of each section header, checked just before.
func (v volatility) sections(nt int64, f func(at int64)) {
	image := v.u32(nt + 24 + 56)
	for i := range v.u16(nt + 6) {
		at := nt + 24 + v.u16(nt+20) + i*40
		if v.u32(at+12) > image || v.u32(at+8) > image || v.u32(at+16) > image {
			panic(crash{})
		}
		f(at)
	}
}

func roundDown(n, to int64) int64 {
	if to == 0 {
		panic(crash{})
	}
	return n - n%to
}

// file is a Python file object: seek and write.
type file struct{ b []byte }

func (f *file) write(at int64, b []byte) {
	if at < 0 {
		panic(crash{})
	}
	if len(b) == 0 {
		return
	}
	if end := at + int64(len(b)); end > int64(len(f.b)) {
		f.b = append(f.b, make([]byte, end-int64(len(f.b)))...)
	}
	copy(f.b[at:], b)
}

// exe is procexedump. ok is false where it fails.
func (v volatility) exe() (b []byte, ok bool) {
	defer recoverCrash(&ok)
	var f file
	nt := v.ntHeader()
	f.write(0, v.zread(0, v.u32(nt+24+60)))
	v.sections(nt, func(at int64) {
		foa := roundDown(v.u32(at+20), v.u32(nt+24+36))
		f.write(foa, v.zread(v.u32(at+12), v.u32(at+16)))
	})
	return f.b, true
}

// memory is procmemdump.
func (v volatility) memory() (b []byte, ok bool) {
	defer recoverCrash(&ok)
	var f file
	nt := v.ntHeader()
	f.write(0, v.zread(0, v.u32(nt+24+56)))
	var sizes []int64
	var last int64
	v.sections(nt, func(at int64) {
		if last != 0 {
			sizes = append(sizes, v.u32(at+12)-v.u32(last+12))
		}
		last = at
	})
	if last != 0 {
		align := v.u32(nt + 24 + 32)
		sizes = append(sizes, roundDown(v.u32(last+8)+align-1, align))
	}
	i := 0
	v.sections(nt, func(at int64) {
		header := append([]byte(nil), v.read(at, 40)...)
		if sizes[i] < 0 || sizes[i] > 0xffffffff {
			panic(crash{})
		}
		binary.LittleEndian.PutUint32(header[20:], uint32(v.u32(at+12)))
		binary.LittleEndian.PutUint32(header[16:], uint32(sizes[i]))
		binary.LittleEndian.PutUint32(header[8:], uint32(sizes[i]))
		f.write(at, header)
		i++
	})
	return f.b, true
}

func recoverCrash(ok *bool) {
	if r := recover(); r != nil {
		if _, is := r.(crash); !is {
			panic(r)
		}
		*ok = false
	}
}
