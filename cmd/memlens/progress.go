package main

import (
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bars draws a progress bar on standard error for work that takes long. It is silent where that is no terminal.
type bars struct {
	out   io.Writer
	mu    sync.Mutex
	quiet bool
	what  string
	bar   *progressbar.ProgressBar
}

func newBars() *bars { return &bars{out: os.Stderr, quiet: !term.IsTerminal(int(os.Stderr.Fd()))} }

// silentBars are bars that are not drawn.
func silentBars() *bars { return &bars{out: io.Discard, quiet: true} }

// progress shows how far what has come; done and total are in bytes.
func (b *bars) progress(what string, done, total int64) { b.show(what, done, total, true) }

// count shows how many of some things are done.
func (b *bars) count(what string, done, total int64) { b.show(what, done, total, false) }

func (b *bars) show(what string, done, total int64, bytes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.quiet {
		return
	}
	if b.bar == nil || b.what != what {
		b.clear()
		if total <= 0 {
			total = -1
		}
		b.what = what
		b.bar = progressbar.NewOptions64(total, progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(b.out),
			progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6), progressbar.OptionSetWidth(30))
	}
	b.bar.Set64(done)
}

// finish takes the bar away.
func (b *bars) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
}

func (b *bars) clear() {
	if b.bar != nil {
		b.bar.Clear()
		b.bar = nil
	}
}
