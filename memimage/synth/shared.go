package synth

import (
	"encoding/binary"
	"unicode/utf16"
)

// fillShared writes _KUSER_SHARED_DATA.
func (b *builder) fillShared() {
	b.k.mapPage(b.regions.shared, b.m.alloc(), pteKernelPage)
	r := b.record("_KUSER_SHARED_DATA", b.regions.shared)
	v := b.version()
	r.bytes("SystemTime", systemTime(fileTime(b.Time)))
	r.bytes("InterruptTime", systemTime(36000*10000000))
	r.bytes("NtSystemRoot", utf16le(`C:\WINDOWS`))
	r.set("NtMajorVersion", uint64(v.Major))
	r.set("NtMinorVersion", uint64(v.Minor))
	r.set("NtProductType", 1)
	r.set("NtBuildNumber", uint64(v.Build))
	r.set("KdDebuggerEnabled", 0)
	r.set("ImageNumberLow", map[bool]uint64{false: 0x14c, true: 0x8664}[b.x64()])
}

// systemTime is a _KSYSTEM_TIME.
func systemTime(t uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, t)
	return append(b, b[4:8]...)
}

func utf16le(s string) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// record is a kernel structure at an address.
func (b *builder) record(name string, va uint64) record { return record{b.k, b.l, name, va} }

// Offsets in the processor control region, the same in all versions.
const (
	kpcrSelfX86, kpcrPrcbX86, kpcrVersionX86, kpcrPrcbDataX86 = 0x1c, 0x20, 0x34, 0x120
	kpcrSelfX64, kpcrPrcbX64, kpcrPrcbDataX64                 = 0x18, 0x20, 0x180
)

// fillProcessor writes the members of _KPCR that are the same in all versions.
func (b *builder) fillProcessor() {
	va := b.regions.kpcr
	if va == 0 {
		va = b.nonpaged.allocPages(2 * pageSize)
	} else {
		b.k.mapPage(va, b.m.alloc(), pteKernelPage)
	}
	b.kernel.kpcr = va
	self, prcb, data := uint64(kpcrSelfX64), uint64(kpcrPrcbX64), va+kpcrPrcbDataX64
	if !b.x64() {
		self, prcb, data = kpcrSelfX86, kpcrPrcbX86, va+kpcrPrcbDataX86
		b.k.write(va+kpcrVersionX86, le(b.variable("KdVersionBlock"), 4))
	}
	b.k.write(va+self, le(va, b.l.ptr))
	b.k.write(va+prcb, le(data, b.l.ptr))
	b.setVar("KiProcessorBlock", data)
}

// fillLowStub writes the processor start block (PROCESSOR_START_BLOCK): a jump,
// the kernel's entry point and its CR3.
func (b *builder) fillLowStub() {
	const page = 1
	if !b.m.free(page) && b.Lowest > 0 {
		b.m.claim(page)
	}
	b.m.write(page<<pageShift, []byte{0xe9, 0x4d, 0x06, 0x00, 0x01})
	b.m.write(page<<pageShift+0x70, le(b.kernel.base+0x1000, 8))
	b.m.write(page<<pageShift+0xa0, le(b.k.top, 8))
}
