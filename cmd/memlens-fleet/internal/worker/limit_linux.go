package worker

import "golang.org/x/sys/unix"

// limitData bounds the memory that the system gives to the process, in bytes. The race detector reserves terabytes
// and uses little, so it gets no limit.
func limitData(n int64) error {
	if raceEnabled {
		return nil
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)})
}
