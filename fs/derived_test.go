package fs

import "testing"

// TestDerived asks for values made from lists: a value is made anew when the list changes, and only then.
func TestDerived(t *testing.T) {
	var d derived[int, int]
	made := 0
	sum := func(list []int) (n int) {
		made++
		for _, v := range list {
			n += v
		}
		return n
	}
	list := []int{1, 2}
	for _, c := range []struct {
		list      []int
		sum, made int
	}{
		{nil, 0, 1}, {[]int{}, 0, 1}, {list, 3, 2}, {list, 3, 2}, {[]int{1, 2}, 3, 2}, {[]int{2, 2}, 4, 3}, {list, 3, 4}, {list[:1], 1, 5},
	} {
		if got := d.of(c.list, sum); got != c.sum || made != c.made {
			t.Errorf("of %v: %d after making it %d times, want %d and %d", c.list, got, made, c.sum, c.made)
		}
	}
}
