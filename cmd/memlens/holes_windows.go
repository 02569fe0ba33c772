package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// sparseUnit is the least length of a hole on NTFS, in bytes.
const sparseUnit = 64 << 10

// allowHoles makes a new file one in which what is not written takes no space, where the file system has such files. If it
// has none, the file is written with its zeros.
func allowHoles(f *os.File, size int64) {
	if size < sparseUnit {
		return
	}
	var n uint32
	windows.DeviceIoControl(windows.Handle(f.Fd()), windows.FSCTL_SET_SPARSE, nil, 0, nil, 0, &n, nil)
}
