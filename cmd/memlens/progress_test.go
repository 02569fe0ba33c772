package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestBars draws work that takes long, then other work, and takes the bar away.
func TestBars(t *testing.T) {
	var out bytes.Buffer
	b := &bars{out: &out}
	const total = 64 << 30
	for _, what := range []string{"searching for the kernel", "searching for the System process"} {
		for _, done := range []int64{0, total / 4, total / 2} {
			b.progress(what, done, total)
			time.Sleep(120 * time.Millisecond)
		}
	}
	b.finish()
	drawn := strings.Split(out.String(), "\r")
	for _, want := range []string{"searching for the kernel", "searching for the System process"} {
		for _, share := range []string{" 25% ", " 50% "} {
			if !strings.Contains(out.String(), want+" "+share) {
				t.Errorf("%s at %s is not drawn:\n%s", want, share, strings.Join(drawn, "\n"))
			}
		}
	}
	if last := drawn[len(drawn)-1]; strings.TrimSpace(last) != "" {
		t.Errorf("the bar stays: %q", last)
	}
	out.Reset()
	quiet := &bars{out: &out, quiet: true}
	quiet.progress("searching for the kernel", 1, total)
	if quiet.finish(); out.Len() > 0 {
		t.Errorf("drawn where there is no terminal: %q", out.String())
	}
}
