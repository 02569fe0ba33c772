package worker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	// maxLine bounds a line of an answer, in bytes.
	maxLine = 64 << 20
	// memoryExit is the status of a process that ends because it uses too much memory.
	memoryExit = 70
	// memoryVar and deadlineVar are the environment variables with the limits of a process.
	memoryVar, deadlineVar = "MEMLENS_FLEET_MEMORY", "MEMLENS_FLEET_DEADLINE"
)

// The marks at the beginning of the lines of an answer.
const (
	markLine = '+' // more lines follow
	markLast = '.'
)

// process is a process that answers.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	pipe   io.Closer // the pipe that out reads
	out    *bufio.Reader
	errors *tail
	done   chan struct{} // closed when the process has ended; cmd says how
}

func startProcess(o Options) (*process, error) {
	w := &process{cmd: exec.Command(o.Command[0], o.Command[1:]...), errors: new(tail), done: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), o.Env...)
	w.cmd.Env = append(w.cmd.Env, memoryVar+"="+strconv.FormatInt(o.Memory, 10), deadlineVar+"="+o.Deadline.String())
	w.cmd.Stderr = w.errors
	in, err1 := w.cmd.StdinPipe()
	r, out, err2 := os.Pipe() // StdoutPipe is closed by Wait, perhaps before everything is read
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	w.cmd.Stdout = out
	err := w.cmd.Start()
	out.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker: %w", err), r.Close())
	}
	w.in, w.pipe, w.out = in, r, bufio.NewReaderSize(r, 1<<16)
	go func() {
		_ = w.cmd.Wait() // the result is in ProcessState
		close(w.done)
	}()
	return w, nil
}

// ended reports whether the process has ended.
func (w *process) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// kill ends the process.
func (w *process) kill() {
	_ = w.in.Close()
	_ = w.cmd.Process.Kill() // fails if the process has ended
	<-w.done
	_ = w.pipe.Close()
}

// ask sends a request and returns the answer. A process that has failed must be ended.
func (w *process) ask(ctx context.Context, request []byte, deadline time.Duration, line func([]byte) error) ([]byte, error) {
	late := make(chan Code, 1)
	end := func(why Code) {
		select {
		case late <- why:
			_ = w.cmd.Process.Kill()
		default:
		}
	}
	if deadline > 0 {
		timer := time.AfterFunc(deadline, func() { end(Deadline) })
		defer timer.Stop()
	}
	defer context.AfterFunc(ctx, func() { end(ended) })()
	last, err := w.answer(request, line)
	if err == nil {
		return last, nil
	}
	select {
	case why := <-late:
		if why == ended {
			return nil, context.Cause(ctx)
		}
		return nil, &Failure{Code: why, Text: fmt.Sprintf("it was not done after %v", deadline)}
	default:
		return nil, err
	}
}

// answer sends a request and reads the lines of the answer.
func (w *process) answer(request []byte, line func([]byte) error) ([]byte, error) {
	if bytes.IndexByte(request, '\n') >= 0 {
		return nil, errors.New("worker: a request is one line")
	}
	if _, err := w.in.Write(append(request, '\n')); err != nil {
		return nil, &Failure{Code: Crashed, Text: "it takes no request"}
	}
	for {
		b, err := readLine(w.out)
		switch {
		case err != nil:
			return nil, &Failure{Code: Crashed, Text: err.Error()}
		case b[0] == markLast:
			return bytes.Clone(b[1:]), nil
		case b[0] != markLine:
			return nil, &Failure{Code: Crashed, Text: "its answer is not one"}
		}
		if err := line(b[1:]); err != nil {
			return nil, err
		}
	}
}

// readLine reads a line that is not empty, without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(all)+len(part) > maxLine {
			return nil, errors.New("a line of its answer is too long")
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			all = append(all, part...)
			continue
		case err != nil:
			return nil, errors.New("it has ended in the middle")
		}
		if all != nil {
			part = append(all, part...)
		}
		if len(part) < 2 {
			return nil, errors.New("a line of its answer is empty")
		}
		return part[:len(part)-1], nil
	}
}

// explain adds how the process ended; it must have ended before.
func (w *process) explain(f *Failure) *Failure {
	state := w.cmd.ProcessState
	said := w.errors.String()
	if f.Code != Crashed {
		return f
	}
	if state.ExitCode() == memoryExit || strings.Contains(said, "out of memory") || strings.Contains(said, "cannot allocate memory") {
		return &Failure{Code: Memory, Text: "it needs more memory than it may have", Said: said}
	}
	return &Failure{Code: Crashed, Text: f.Text, Said: strings.TrimSpace(state.String() + "\n" + said)}
}

// tail keeps the first and the last bytes that are written.
type tail struct {
	first, last []byte
}

const tailKept = 4 << 10

// Write implements [io.Writer]. It is never called by two goroutines at the same time, and its bytes are read when
// the process has ended.
func (t *tail) Write(p []byte) (int, error) {
	n := min(len(p), tailKept-len(t.first))
	t.first = append(t.first, p[:n]...)
	t.last = append(t.last, p[n:]...)
	if over := len(t.last) - tailKept; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.first) + string(t.last) }
