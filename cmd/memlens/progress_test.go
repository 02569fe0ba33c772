package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// drawing returns bars that draw to out, as to a terminal with so many columns.
func drawing(out *bytes.Buffer, columns int) *bars {
	return &bars{out: out, columns: func() int { return columns }}
}

// screen returns the lines that a terminal shows after this output, without blanks at their ends.
func screen(written string, columns int) (lines []string) {
	line, at := []rune{}, 0
	end := func() {
		lines = append(lines, strings.TrimRight(string(line), " "))
		line, at = line[:0], 0
	}
	for _, r := range written {
		switch r {
		case '\r':
			at = 0
		case '\n':
			end()
		default:
			if at == columns {
				end()
			}
			line = append(line[:min(at, len(line))], append([]rune{r}, line[min(at+1, len(line)):]...)...)
			at++
		}
	}
	end()
	return lines
}

// TestBars draws a bar for long work, then for other work, and takes the bar away.
func TestBars(t *testing.T) {
	var out bytes.Buffer
	b := drawing(&out, 120)
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
	if got := screen(out.String(), 120); len(got) != 1 || got[0] != "" {
		t.Errorf("the bar stays: %q", got)
	}
	out.Reset()
	quiet := drawing(&out, 0)
	quiet.progress("searching for the kernel", 1, total)
	if quiet.finish(); out.Len() > 0 {
		t.Errorf("drawn where there is no terminal: %q", out.String())
	}
}

// TestLinesOverABar writes lines while a bar is drawn, on terminals of several widths. In the end the screen shows
// the lines, and no rest of a bar.
func TestLinesOverABar(t *testing.T) {
	for _, columns := range []int{10, 40, 80, 200} {
		for _, total := range []int64{64 << 30, 0} {
			var out bytes.Buffer
			b := drawing(&out, columns)
			b.progress("scanning for processes that the list lacks", 1<<30, total)
			if got := screen(out.String(), columns); len(got) != 1 || !strings.HasPrefix(got[0], "scanning") || utf8.RuneCountInString(got[0]) >= columns {
				t.Errorf("%d columns: the bar is %q", columns, got)
			}
			if b.bar == nil {
				t.Fatal("there is no bar")
			}
			b.Write([]byte("ab\n"))
			b.progress("scanning for processes that the list lacks", 2<<30, total)
			time.Sleep(2 * time.Millisecond)
			b.finish()
			b.Write([]byte("cd\n"))
			b.progress("copying", 1, 10)
			b.silence()
			b.progress("copying", 5, 10)
			if got := screen(out.String(), columns); len(got) != 3 || got[0] != "ab" || got[1] != "cd" || got[2] != "" {
				t.Errorf("%d columns, total %d: the screen shows %q", columns, total, got)
			}
		}
	}
}
