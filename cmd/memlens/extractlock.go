package main

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// lockName is the file in the folder that an extraction keeps locked while it is at work. The system releases the lock when the
// program ends, however it ends; the file itself may stay then, and means nothing.
const lockName = temporaryPrefix + "lock"

// errLocked is the error of tryLock when another process has the lock.
var errLocked = errors.New("another process has the lock")

// folderLock is the lock of a folder. A nil folderLock is of a folder whose file system has no locks.
type folderLock struct{ file *os.File }

// lockFolder locks a folder for this extraction. The error says which process is at work there, if one is.
func lockFolder(folder string) (*folderLock, error) {
	name := filepath.Join(folder, lockName)
	for {
		switch info, err := os.Lstat(name); {
		case err == nil && !info.Mode().IsRegular():
			return nil, fmt.Errorf("--out: %s is no file: remove it", name)
		case err == nil && info.Size() > maxOwner: // sign would overwrite it, and it may be a hard link to a file of worth
			return nil, fmt.Errorf("--out: %s is not as the program writes it: remove it", name)
		}
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
		if _, there := os.Lstat(name); there == nil && errors.Is(err, iofs.ErrPermission) {
			return nil, fmt.Errorf("--out: %w: another user has begun an extraction there: go on as this user or as root, or give another folder", err)
		}
		if err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		switch err := tryLock(file); {
		case errors.Is(err, errLocked):
			defer file.Close()
			return nil, fmt.Errorf("--out %s: another memlens extract is at work in it%s: wait until it ends, or give another folder", folder, ownerOf(file))
		case err != nil:
			slog.Warn("the folder cannot be locked: start no other extraction to it", "folder", folder, "error", err)
			return nil, errors.Join(file.Close(), removeIfThere(name))
		}
		lock := &folderLock{file}
		if lock.holds() {
			lock.sign()
			return lock, nil
		}
		file.Close() // the process before removed the file after it was opened here
	}
}

// holds reports whether the locked file is still the file of that name.
func (l *folderLock) holds() bool {
	own, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(l.file.Name())
	return err == nil && os.SameFile(own, named)
}

// maxOwner is more bytes than sign writes. The names of hosts have up to 255 bytes.
const maxOwner = 400

// sign writes to the file which process has the lock. If that fails, only a message says less.
func (l *folderLock) sign() {
	host, _ := os.Hostname()
	l.file.Truncate(0)
	l.file.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0)
}

// ownerOf returns what the process that has the lock wrote to the file, for a message.
func ownerOf(file *os.File) string {
	buf := make([]byte, maxOwner)
	n, _ := file.ReadAt(buf, 0)
	if text := strings.TrimSpace(string(buf[:n])); text != "" {
		return " (" + plain(text) + ")"
	}
	return ""
}

// release removes the file and unlocks the folder.
func (l *folderLock) release() {
	if l == nil {
		return
	}
	name := l.file.Name()
	if !l.holds() {
		l.file.Close() // somebody removed the file, and it may be another process's now
		return
	}
	err := os.Remove(name) // while it is locked, so that it is no other process's file
	l.file.Close()
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		os.Remove(name) // Windows removes no open file; there this fails if another process has opened it
	}
}
