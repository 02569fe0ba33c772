//go:build unix

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file until it is closed or the process ends. The error is errLocked if another process has locked it.
func tryLock(f *os.File) error {
	const how = unix.LOCK_EX | unix.LOCK_NB
	err := unix.Flock(int(f.Fd()), how)
	for errors.Is(err, unix.EINTR) { // a signal, of which Go sends its own threads some, ends the call on network file systems
		err = unix.Flock(int(f.Fd()), how)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
