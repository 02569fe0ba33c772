package fs

import "testing"

func TestPadded(t *testing.T) {
	for _, c := range []struct {
		name, data string
		size       int64
		want       string
	}{
		{"filled before the line feed", "{}\n", 6, "{}   \n"},
		{"as long as announced", "{}\n", 3, "{}\n"},
		{"could not be made", "", 6, ""},
	} {
		if got := string(padded([]byte(c.data), c.size)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
