package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bars is standard error: lines are written to it, and a progress bar is drawn there for work that takes long. The
// bar is taken away before a line is written. It is not drawn if standard error is no terminal, or while another
// program uses the terminal.
type bars struct {
	out     io.Writer
	columns func() int // of the terminal; 0: nothing is drawn

	mu    sync.Mutex
	off   bool
	what  string
	bar   *progressbar.ProgressBar
	drawn bytes.Buffer // the output of the bar
	shown int          // how many columns of the terminal the bar takes now
}

// newBars returns the bars of standard error. A program has only one, so it always knows which bar is on the screen.
func newBars() *bars {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return linesOnly(os.Stderr)
	}
	return &bars{out: os.Stderr, columns: func() int { return columnsOf(os.Stderr) }}
}

// linesOnly returns bars that are never drawn. Lines are written to out.
func linesOnly(out io.Writer) *bars { return &bars{out: out, columns: func() int { return 0 }} }

// columnsOf returns the width of a terminal; 0 while another program has it.
func columnsOf(terminal *os.File) int {
	if !inForeground(terminal) {
		return 0
	}
	if width, _, err := term.GetSize(int(terminal.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

type barsKey struct{}

// withBars returns a context for commands whose standard error is b.
func withBars(ctx context.Context, b *bars) context.Context {
	return context.WithValue(ctx, barsKey{}, b)
}

// barsOf returns the bars of a command's context.
func barsOf(ctx context.Context) *bars {
	if b, ok := ctx.Value(barsKey{}).(*bars); ok {
		return b
	}
	return linesOnly(os.Stderr)
}

// Write implements [io.Writer]. The bar is taken away first; the next progress draws it again.
func (b *bars) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
	return b.out.Write(p)
}

// stdout is standard output, which may be the same terminal as the bar's.
func (b *bars) stdout() io.Writer { return behindBar{b} }

type behindBar struct{ bars *bars }

// Write implements [io.Writer].
func (o behindBar) Write(p []byte) (int, error) {
	o.bars.mu.Lock()
	defer o.bars.mu.Unlock()
	o.bars.wipe()
	return os.Stdout.Write(p)
}

// silence takes the bar away, and draws no other, because a command that the program runs has the terminal.
func (b *bars) silence() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
	b.off = true
}

// progress shows the progress of the work called what; done and total are in bytes, and total is 0 if it is not known.
func (b *bars) progress(what string, done, total int64) { b.show(what, done, total, true) }

// count shows the progress of work that is counted in things, not in bytes.
func (b *bars) count(what string, done, total int64) { b.show(what, done, total, false) }

func (b *bars) show(what string, done, total int64, inBytes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	columns := b.columns()
	if b.off || columns == 0 {
		b.bar, b.shown = nil, 0
		return
	}
	if b.bar == nil || b.what != what {
		b.begin(what, total, inBytes, columns)
	}
	b.bar.Set64(done)
	b.draw(columns)
}

// besideBar is how many columns the numbers beside the bar take.
const besideBar = 52

// begin makes a new bar for other work. The bar draws to a buffer.
func (b *bars) begin(what string, total int64, inBytes bool, columns int) {
	if total <= 0 {
		total = -1
	}
	b.what = what
	b.drawn.Reset()
	b.bar = progressbar.NewOptions64(total, progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(&b.drawn), progressbar.OptionSpinnerCustom([]string{" "}),
		progressbar.OptionShowBytes(inBytes), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6), progressbar.OptionSetWidth(min(max(columns-len(what)-besideBar, 5), 30)),
		progressbar.OptionUseANSICodes(true), progressbar.OptionSetSpinnerChangeInterval(0)) // with an interval, the bar would draw by itself
}

// draw shows the bar's last output, cut to a line of the terminal. A longer text could not be taken away again.
func (b *bars) draw(columns int) {
	_, line, ok := strings.Cut(b.drawn.String(), "\r")
	if b.drawn.Reset(); !ok {
		return // nothing new
	}
	line, _, _ = strings.Cut(line, "\033")
	line = strings.TrimSpace(line)
	if n := utf8.RuneCountInString(line); n >= columns {
		line = string([]rune(line)[:columns-1])
	}
	if line == "" {
		return
	}
	n := utf8.RuneCountInString(line)
	io.WriteString(b.out, "\r"+line+strings.Repeat(" ", max(0, b.shown-n)))
	b.shown = n
}

// wipe clears the line of the bar.
func (b *bars) wipe() {
	if b.shown > 0 {
		io.WriteString(b.out, "\r"+strings.Repeat(" ", b.shown)+"\r")
		b.shown = 0
	}
}

// finish takes the bar away.
func (b *bars) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
	b.bar = nil
}
