package nt

import (
	"errors"
	"fmt"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// UnloadedDriver is the kernel's record of a driver that it has unloaded.
type UnloadedDriver struct {
	Name       string // of its file; empty when it cannot be read
	Start, End paging.Virt
	Time       time.Time // zero when Windows cannot have set it
}

// maxUnloaded is the size of the kernel's array (MI_UNLOADED_DRIVERS).
const maxUnloaded = 50

// UnloadedDrivers returns the drivers that were unloaded last, the last one first, at most 50: the contents of the
// kernel's array MmUnloadedDrivers, which it writes round in a circle. Only the debugger data block leads there;
// without it the error says so. The result goes as far as the array can be read.
func (k *Kernel) UnloadedDrivers() ([]UnloadedDriver, error) {
	if k.debugger == nil {
		return nil, errors.New("nt: the unloaded drivers (MmUnloadedDrivers) are not found: the debugger data block is not in memory")
	}
	m := k.kernel
	variable := k.debugger.ptr(m, kdbgMmUnloadedDrivers)
	if variable == 0 {
		return nil, errors.New("nt: the unloaded drivers (MmUnloadedDrivers) are not found: the debugger data block does not name them")
	}
	array, err := m.ptr(variable)
	if err != nil {
		return nil, fmt.Errorf("nt: the variable MmUnloadedDrivers at %#x cannot be read: %w", uint64(variable), err)
	}
	if array == 0 { // none was unloaded yet
		return nil, nil
	}
	last, _ := m.u32(k.debugger.ptr(m, kdbgMmLastUnloaded))
	size := 3*m.pointer + m.pointer + 8 // _UNLOADED_DRIVERS: name, start, end, time
	r, err := m.record(array, maxUnloaded*size)
	if err != nil {
		err = fmt.Errorf("nt: the array of unloaded drivers at %#x cannot be read: %w", uint64(array), err)
	}
	var out []UnloadedDriver
	for i := range maxUnloaded {
		at := (int(last%maxUnloaded) - 1 - i + 2*maxUnloaded) % maxUnloaded * size
		if at+size > len(r.b) {
			continue
		}
		if d, ok := k.unloaded(record{r.b[at : at+size], m.pointer}); ok {
			out = append(out, d)
		}
	}
	return out, err
}

// unloaded reads a row of the array; false when it holds no driver.
func (k *Kernel) unloaded(r record) (UnloadedDriver, bool) {
	p := profile.Offset(r.pointer)
	d := UnloadedDriver{Start: r.ptr(2 * p), End: r.ptr(3 * p)}
	if !k.inKernelSpace(d.Start) || d.End <= d.Start || d.End-d.Start > maxDriver {
		return d, false
	}
	d.Name, _ = k.kernel.counted(r, 0)
	d.Time, _ = r.time(4 * p)
	return d, true
}
