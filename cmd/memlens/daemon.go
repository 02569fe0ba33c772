package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// daemon starts the program a second time, without the terminal, and returns when the image is mounted.
type daemon struct {
	log     string // file; empty: a temporary file
	pidFile string
	stdin   bool // the image comes from standard input
}

// daemonEnv is set in the environment of the program in the background.
const daemonEnv = "MEMLENS_IN_BACKGROUND"

// inBackground reports whether this is the program in the background.
func inBackground() bool { return os.Getenv(daemonEnv) != "" }

// daemonLogEnv is the temporary file of its messages in the environment of the program in the background. It is empty if the
// user has named a file.
const daemonLogEnv = "MEMLENS_BACKGROUND_LOG"

// temporaryLog is the temporary file with the messages of this program in the background. Nil: there is none.
type temporaryLog struct {
	path string
	size int64 // when the image was mounted
}

func ownLog() *temporaryLog {
	path := os.Getenv(daemonLogEnv)
	if !inBackground() || path == "" {
		return nil
	}
	return &temporaryLog{path: path}
}

// mounted notes that the first program prints all messages up to now.
func (l *temporaryLog) mounted() {
	if l == nil {
		return
	}
	if info, err := os.Lstat(l.path); err == nil {
		l.size = info.Size()
	}
}

// end removes the file if the program ends well, and has had nothing to say since the image was mounted.
func (l *temporaryLog) end(err error) {
	if l == nil || err != nil {
		return
	}
	if info, err := os.Lstat(l.path); err == nil && info.Size() == l.size {
		os.Remove(l.path)
	}
}

// run starts the program with the arguments of this one, and prints its message about the mount. Without a file for the log it also
// prints the messages up to then.
func (d *daemon) run(ctx context.Context, args []string, out io.Writer) error {
	log, err := d.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, args...)
	temporary := ""
	if d.log == "" {
		temporary = log.Name()
	}
	cmd.Env = append(os.Environ(), daemonEnv+"=1", daemonLogEnv+"="+temporary)
	cmd.Stderr, cmd.SysProcAttr = log, withoutTerminal()
	if d.stdin {
		cmd.Stdin = os.Stdin
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	undisturbed := context.AfterFunc(ctx, func() { cmd.Process.Signal(os.Interrupt) }) // Ctrl-C in the terminal does not reach it
	line, _ := bufio.NewReader(ready).ReadString('\n')                                 // the line ends early if the program ends
	undisturbed()
	if line == "" {
		return d.failed(cmd, log.Name())
	}
	if err := d.writePID(cmd.Process.Pid); err != nil {
		return errors.Join(err, cmd.Process.Signal(os.Interrupt))
	}
	if temporary != "" {
		printFile(temporary)
	}
	fmt.Fprintf(out, "%s; process %d; log: %s\n", strings.TrimSuffix(strings.TrimSpace(line), "; Ctrl-C unmounts"), cmd.Process.Pid, log.Name())
	return cmd.Process.Release()
}

func (d *daemon) openLog() (*os.File, error) {
	if d.log == "" {
		return os.CreateTemp("", "memlens-*.log")
	}
	f, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--log: %w", err)
	}
	return f, nil
}

// failed prints the log of the program in the background, which says why there is no mount, and returns the error to end
// with. It removes the log unless the user has named it.
func (d *daemon) failed(cmd *exec.Cmd, log string) error {
	err := cmd.Wait()
	printFile(log)
	if d.log == "" {
		os.Remove(log)
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() > 0 {
		return &exitError{ended.ExitCode(), nil}
	}
	return errors.New("the program in the background ended without a mount")
}

// printFile prints the messages in a log.
func printFile(log string) {
	said, _ := os.ReadFile(log)
	os.Stderr.Write(said)
}

func (d *daemon) writePID(pid int) error {
	if d.pidFile == "" {
		return nil
	}
	if err := os.WriteFile(d.pidFile, fmt.Appendln(nil, pid), 0o644); err != nil {
		if info, failed := os.Lstat(d.pidFile); failed == nil && info.Mode().IsRegular() && info.Size() == 0 {
			os.Remove(d.pidFile) // it would be taken for one
		}
		return fmt.Errorf("--pid-file: %w", err)
	}
	return nil
}

// removePID removes the file with the id of this program in the background. It leaves the file of another program.
func (d *daemon) removePID() {
	if d.pidFile == "" || !inBackground() {
		return
	}
	if text, err := os.ReadFile(d.pidFile); err == nil && string(text) == fmt.Sprintln(os.Getpid()) {
		os.Remove(d.pidFile)
	}
}
