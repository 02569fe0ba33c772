package worker

import "golang.org/x/sys/unix"

// limitData bounds what the system gives to the process, in bytes. The race detector takes terabytes, of which it uses little.
func limitData(n int64) error {
	if raceEnabled {
		return nil
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)})
}
