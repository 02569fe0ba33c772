package sparse

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestKept finds a value while a read fails, and later while none does.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var faults Faults
		found, broken := 0, true
		get := Kept(&faults, func() int {
			if found++; broken {
				faults.Check(errors.New("the disk"), 0)
			}
			return found
		})
		for _, c := range []struct {
			what        string
			first       func()
			value       int
			countsFault bool
		}{
			{"found in a fault", func() {}, 1, true},
			{"in that second", func() {}, 1, true},
			{"after it", func() { time.Sleep(keptFailed) }, 2, true},
			{"when the places are forgotten", faults.Forget, 3, true},
			{"healed, in the second", func() { broken = false }, 3, true},
			{"healed, after it", func() { time.Sleep(keptFailed) }, 4, false},
			{"in a later fault", func() { broken = true; time.Sleep(time.Hour); faults.Forget() }, 4, false},
		} {
			c.first()
			before := faults.Count()
			if got := get(); got != c.value || faults.Count() != before != c.countsFault {
				t.Errorf("%s: value %d, want %d; counted as a failed read: %v", c.what, got, c.value, faults.Count() != before)
			}
		}
	})
}

// TestOutcomeOfAnError: where nothing was found, the earlier outcome is not replaced by nothing.
func TestOutcomeOfAnError(t *testing.T) {
	var faults Faults
	var o Outcome[int]
	find := func(v int, err error) (int, error) {
		return o.Find(&faults, func() time.Duration { return time.Hour }, func() (int, error) { return v, err })
	}
	wrong := errors.New("interrupted")
	if _, err := find(7, wrong); err != wrong {
		t.Error(err)
	}
	if v, ok := o.Get(&faults); ok {
		t.Errorf("%d was found", v)
	}
	find(8, nil)
	find(9, wrong)
	if v, ok := o.Get(&faults); !ok || v != 8 {
		t.Errorf("%d, %v", v, ok)
	}
}

// TestKeptOnceFound: an error is not kept, a value is.
func TestKeptOnceFound(t *testing.T) {
	asked := 0
	get := KeptOnceFound(func() (int, error) {
		if asked++; asked < 3 {
			return 0, errors.New("not yet")
		}
		return asked, nil
	})
	for _, want := range []int{0, 0, 3, 3} {
		if v, err := get(); v != want || (err == nil) != (want > 0) {
			t.Errorf("%d, %v, want %d", v, err, want)
		}
	}
}
