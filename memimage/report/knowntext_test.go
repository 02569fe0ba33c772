package report

import (
	"strings"
	"testing"
)

func TestTextsOfSetsFit(t *testing.T) {
	long := strings.Repeat("é", 200)
	for _, c := range []struct {
		all  []string
		want string
	}{
		{[]string{"a"}, "a"}, {[]string{"a", "b"}, "a; b"}, {[]string{within(long, 200), "b"}, within(long, 200) + "; b"},
		{[]string{within(long, 200), within(long, 100)}, within(long, 200) + "; and in 1 more"},
		{[]string{long, "b", "c"}, within(within(long, MaxKnownText), MaxKnownText-more) + "; and in 2 more"},
	} {
		if got := inAll(c.all); got != c.want || len(got) > MaxKnownText {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := tail("/a/very/long/path/of/x.dll", 9); got != "…/x.dll" && got != "…x.dll" {
		t.Errorf("the end is %q", got)
	}
	for n := 4; n < 20; n++ {
		if got := tail(long, n); len(got) > n || !strings.HasSuffix(long, strings.TrimPrefix(got, "…")) {
			t.Errorf("the end in %d bytes is %q", n, got)
		}
	}
}
