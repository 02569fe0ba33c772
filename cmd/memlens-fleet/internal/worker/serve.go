package worker

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"
)

// Serve answers requests until there are no more: the processes of a [Pool] run it. answer passes each line but the
// last to line, and returns the last one. A panic ends only this process: that is its purpose.
func Serve(in io.Reader, out io.Writer, answer func(ctx context.Context, request []byte, line func([]byte) error) []byte) error {
	limit, _ := strconv.ParseInt(os.Getenv(memoryVar), 10, 64)
	if err := limitMemory(limit); err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<16)
	for request := range requests(in) {
		last := answer(context.Background(), request, func(b []byte) error { return writeLine(w, markLine, b) })
		if err := writeLine(w, markLast, last); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// requests yields the requests. The asking program may end while a request is answered: then nobody waits for the
// answer, and the process ends.
func requests(in io.Reader) <-chan []byte {
	out := make(chan []byte)
	go func() {
		lines := bufio.NewReader(in)
		for {
			b, err := readLine(lines)
			if err != nil {
				close(out)
				time.AfterFunc(time.Second, func() { os.Exit(1) })
				return
			}
			out <- bytes.Clone(b)
		}
	}()
	return out
}

func writeLine(w *bufio.Writer, mark byte, b []byte) error {
	if bytes.IndexByte(b, '\n') >= 0 {
		return fmt.Errorf("worker: an answer of several lines: %.100q", b)
	}
	_ = w.WriteByte(mark)
	_, _ = w.Write(b)
	return w.WriteByte('\n') // it returns the errors of earlier writes, too
}

// garbage is how much garbage is allowed, in percent of the memory in use, as long as the limit is far away, for
// collecting takes time.
const garbage = 400

// limitMemory makes the runtime collect garbage near the limit, and ends the process when it still uses more. The
// system's limit catches memory that is requested between two checks.
func limitMemory(limit int64) error {
	if limit <= 0 {
		return nil
	}
	debug.SetMemoryLimit(limit - limit/4)
	debug.SetGCPercent(garbage)
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			if inUse() > uint64(limit) {
				os.Exit(memoryExit)
			}
		}
	}()
	return limitData(limit + limit/4 + 128<<20)
}

// inUse returns how many bytes of memory the process has.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
