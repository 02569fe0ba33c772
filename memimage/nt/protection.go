package nt

// Protection is the protection of memory, in the memory manager's 5 bits (MM_PROTECTION_MASK): the low three for the
// access, the high two for caching and guards.
type Protection uint8

// NoProtection is the protection of a descriptor when its place is not known for the kernel.
const NoProtection Protection = 0xff

// The protections of the low three bits, and the ways of the high two.
const (
	protectionBits  = 7
	protectionNoAll = 0 // PAGE_NOACCESS
)

var protectionNames = [...]string{
	"PAGE_NOACCESS", "PAGE_READONLY", "PAGE_EXECUTE", "PAGE_EXECUTE_READ",
	"PAGE_READWRITE", "PAGE_WRITECOPY", "PAGE_EXECUTE_READWRITE", "PAGE_EXECUTE_WRITECOPY",
}

var protectionWays = [...]string{"", "PAGE_NOCACHE | ", "PAGE_GUARD | ", "PAGE_WRITECOMBINE | "}

// String is the protection as the Windows interface names it, in Volatility's spelling; empty for NoProtection.
func (p Protection) String() string {
	if p > 31 {
		return ""
	}
	what := p & protectionBits
	if what == protectionNoAll { // the high bits then say other things
		return protectionNames[0]
	}
	return protectionWays[p>>3] + protectionNames[what]
}

// Executable reports whether the memory was allocated as executable.
func (p Protection) Executable() bool {
	const execute = 1 << 1 // and bit 2 alone is PAGE_READWRITE, with bit 0 PAGE_WRITECOPY
	return p <= 31 && p&execute != 0
}

// Writable reports whether the memory was allocated as writable, also by copy on write.
func (p Protection) Writable() bool { return p <= 31 && p&protectionBits >= 4 }
