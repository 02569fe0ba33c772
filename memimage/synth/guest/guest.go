// Package guest runs machines in QEMU for tests, and makes QEMU's monitor write their memory.
package guest

import (
	"bytes"
	"io"
	"os/exec"
	"testing"
	"time"
)

// timeout is how long the monitor may take for its commands.
const timeout = time.Minute

// Run runs a program of QEMU in a folder, with QEMU's own processor, and without display and network. After wait
// it stops the guest, gives the commands to the monitor, and ends.
func Run(t testing.TB, dir, program string, wait time.Duration, args []string, commands ...string) {
	t.Helper()
	cmd := exec.Command(program, append(args, "-accel", "tcg", "-display", "none", "-net", "none", "-monitor", "stdio")...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(wait+timeout, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	time.Sleep(wait)
	for _, c := range append(append([]string{"stop"}, commands...), "quit") {
		if _, err := io.WriteString(in, c+"\n"); err != nil {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
}
