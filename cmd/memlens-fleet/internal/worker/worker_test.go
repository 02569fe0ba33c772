package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the process that answers.
func TestMain(m *testing.M) {
	if os.Getenv("WORKER_TEST") == "1" {
		if err := Serve(os.Stdin, os.Stdout, behave); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	os.Exit(m.Run())
}

// kept holds the memory that a request wants to keep.
var kept [][]byte

// behave does the thing that a request names.
func behave(_ context.Context, request []byte, line func([]byte) error) []byte {
	switch string(request) {
	case "hang":
		select {}
	case "crash":
		panic("as told")
	case "eat":
		for {
			b := make([]byte, 4<<20)
			for i := range b {
				b[i] = 1
			}
			kept = append(kept, b)
		}
	case "gulp":
		kept = append(kept, bytes.Repeat([]byte{1}, 4<<30))
	case "garbage":
		for range 200 {
			kept = [][]byte{bytes.Repeat([]byte{1}, 4<<20)}
		}
	case "half":
		_ = line([]byte("one"))
		_ = line(bytes.Repeat([]byte{'x'}, 1<<17))
		os.Exit(0)
	case "noise":
		fmt.Println("what somebody prints")
	}
	for i := range 3 {
		if err := line(fmt.Appendf(nil, "%s %d", request, i)); err != nil {
			panic(err)
		}
	}
	return []byte("the end")
}

func pool(t *testing.T, o Options) *Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Command, o.Env = []string{self}, []string{"WORKER_TEST=1"}
	p := New(o)
	t.Cleanup(p.Close)
	return p
}

// do returns the lines of an answer.
func do(p *Pool, request string) (lines []string, err error) {
	last, err := p.Do(context.Background(), []byte(request), func(b []byte) error {
		lines = append(lines, string(b))
		return nil
	})
	return append(lines, string(last)), err
}

func TestAnswer(t *testing.T) {
	p := pool(t, Options{})
	for _, request := range []string{"a", "b"} {
		got, err := do(p, request)
		want := []string{request + " 0", request + " 1", request + " 2", "the end"}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if n := len(p.PIDs()); n != 1 {
		t.Errorf("%d processes, want 1", n)
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		request string
		code    Code
		said    string
	}{
		{"hang", Deadline, ""},
		{"crash", Crashed, "panic: as told"},
		{"eat", Memory, ""},
		{"gulp", Memory, ""},
		{"half", Crashed, "exit status 0"},
		{"noise", Crashed, ""},
	} {
		t.Run(c.request, func(t *testing.T) {
			if raceEnabled && c.request == "gulp" {
				t.Skip("the race detector takes more memory than the system's limit is for")
			}
			o := Options{Memory: 256 << 20, Deadline: 30 * time.Second}
			if c.request == "hang" {
				o.Deadline = 200 * time.Millisecond
			}
			p := pool(t, o)
			_, err := do(p, c.request)
			var f *Failure
			if !errors.As(err, &f) || f.Code != c.code || !strings.Contains(f.Said, c.said) {
				t.Errorf("%v, want %s with %q", err, c.code, c.said)
			}
			if lines, err := do(p, "more"); err != nil || len(lines) != 4 {
				t.Errorf("the next request: %q, %v", lines, err)
			}
		})
	}
}

func TestGarbageIsNoMemory(t *testing.T) {
	if _, err := do(pool(t, Options{Memory: 128 << 20}), "garbage"); err != nil {
		t.Error(err)
	}
}

func TestKilledByOthers(t *testing.T) {
	p := pool(t, Options{})
	if _, err := do(p, "a"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.PIDs()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); len(p.PIDs()) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if lines, err := do(p, "b"); err != nil || len(lines) != 4 { // the process was idle: another one takes its place
		t.Errorf("%q, %v", lines, err)
	}
}

func TestContextEndsRequest(t *testing.T) {
	p := pool(t, Options{})
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, stop)
	_, err := p.Do(ctx, []byte("hang"), func([]byte) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestErrorOfLine(t *testing.T) {
	p := pool(t, Options{})
	want := errors.New("enough")
	if _, err := p.Do(context.Background(), []byte("a"), func([]byte) error { return want }); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
	if _, err := do(p, "b"); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	p := pool(t, Options{Size: 3})
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			request := fmt.Sprint("r", i)
			if i%10 == 9 {
				request = "crash"
			}
			lines, err := do(p, request)
			if (err != nil) != (request == "crash") || err == nil && lines[0] != request+" 0" {
				t.Errorf("%s: %q, %v", request, lines, err)
			}
		})
	}
	all.Wait()
	if n := len(p.PIDs()); n > 3 {
		t.Errorf("%d processes", n)
	}
}

func TestNoProgram(t *testing.T) {
	p := New(Options{Command: []string{"/nowhere/at/all"}})
	for range 2 {
		if _, err := do(p, "a"); err == nil {
			t.Error("no error")
		}
	}
}
