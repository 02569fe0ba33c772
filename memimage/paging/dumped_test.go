package paging

import (
	"bytes"
	"errors"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// TestDumpedSpace reads the memory of a process with ranges that begin and end anywhere.
func TestDumpedSpace(t *testing.T) {
	mem, err := sparse.NewReader(0x9000, sparse.Extent{Off: 0x1000, Len: 0x1000, Src: sparse.Bytes(bytes.Repeat([]byte{1}, 0x1000))},
		sparse.Extent{Off: 0x2000, Len: 0x10, Src: sparse.Bytes(bytes.Repeat([]byte{2}, 0x10))},
		sparse.Extent{Off: 0x4ff8, Len: 0x10, Src: sparse.Bytes(bytes.Repeat([]byte{3}, 0x10))})
	if err != nil {
		t.Fatal(err)
	}
	s := NewDumpedSpace(X64, mem)
	page, err := s.Translate(0x1123)
	if err != nil || page.VA != 0x1000 || page.State != Dumped || page.Off != 0x1000 || page.Size != 0x1000 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, ok := page.Physical(); ok {
		t.Error("a page of a dump has a physical address")
	}
	b := make([]byte, 0x2000)
	if n, err := s.ReadVirt(b, 0x1000); n != 0x1010 || b[0xfff] != 1 || b[0x100f] != 2 || !isNotDumped(err, 0x2010, 0xff0) {
		t.Errorf("%#x bytes, %v", n, err)
	}
	if n, err := s.ReadVirt(b[:0x10], 0x4ff8); n != 0x10 || err != nil || b[15] != 3 {
		t.Errorf("across two pages: %d bytes, %v", n, err)
	}
	for va, size := range map[Virt]int64{0: 0x1000, 0x3000: 0x1ff8, 0x5008: 0x3ff8, 0x9000: 1<<47 - 0x9000, 0xffff800000000000: 0x1000} {
		if _, err := s.Translate(va); !isNotDumped(err, va, size) {
			t.Errorf("%#x: %v", uint64(va), err)
		}
	}
	var fault *FaultError
	if _, err := s.Translate(1 << 50); !errors.As(err, &fault) || fault.State != NotCanonical {
		t.Errorf("%v", err)
	}
	if err := sparsetest.Check(s.Window(0x800, 0x6000)); err != nil {
		t.Error(err)
	}
	s.Walk(&Walk{To: 1 << 47, Enter: func(Frame) bool { t.Error("there are no tables"); return false }})
}

func isNotDumped(err error, va Virt, size int64) bool {
	fault, ok := errors.AsType[*FaultError](err)
	return ok && fault.State == NotDumped && fault.VA == va && fault.Size == size
}

func TestDumpedReason(t *testing.T) {
	if got := (&FaultError{State: NotDumped, Err: errors.New("cut off")}).Reason(); got != "not in the dump: cut off" {
		t.Error(got)
	}
	if got := (&FaultError{State: NotDumped}).Reason(); got != "not in the dump" {
		t.Error(got)
	}
}
