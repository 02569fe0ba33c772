package rescue

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestCall(t *testing.T) {
	if err := Call(func() error { return nil }); err != nil {
		t.Error(err)
	}
	if err := Call(func() error { return io.EOF }); err != io.EOF {
		t.Error(err)
	}
	var numbers []int
	err := Call(func() error { numbers[3]++; return nil })
	var p *PanicError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(string(p.Stack()), "TestCall") {
		t.Errorf("%v", err)
	}
}
