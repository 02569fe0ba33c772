//go:build linux

package fusefs

import (
	"context"
	"errors"
	iofs "io/fs"
	"log/slog"
	"sync"
	"syscall"
)

// errno is the one place where an error of the tree becomes a number for the kernel.
// What is neither absence nor refusal is damage: EIO, and the reason goes to the log,
// for the number cannot carry it.
func (t *tree) errno(op, p string, err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && t.work.ctx.Err() != nil:
		return syscall.ENOTCONN // as of a mount that is gone: nobody should try again
	case errors.Is(err, context.Canceled):
		return syscall.EINTR
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, syscall.EROFS):
		return syscall.EROFS
	case errors.Is(err, iofs.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, iofs.ErrInvalid):
		return syscall.EINVAL
	case errors.Is(err, syscall.EMFILE):
		return syscall.EMFILE
	}
	t.damage.report(op, p, err)
	return syscall.EIO
}

// maxReports bounds the memory that reports of damage may take: the image decides how
// much of it there is.
const maxReports = 1000

// damageLog reports each damaged file once.
type damageLog struct {
	logger *slog.Logger
	mu     sync.Mutex
	seen   map[string]bool
}

func (d *damageLog) report(op, p string, err error) {
	if !d.first(p) {
		return
	}
	var panicked interface{ Stack() []byte } // in a goroutine of the tree
	if errors.As(err, &panicked) {
		d.logger.Error("cannot "+op, "path", p, "err", err, "stack", string(panicked.Stack()))
		return
	}
	d.logger.Warn("cannot "+op, "path", p, "err", err)
}

// first reports whether p has not been seen and there is room to remember it.
func (d *damageLog) first(p string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[p] || len(d.seen) >= maxReports {
		return false
	}
	if d.seen == nil {
		d.seen = make(map[string]bool)
	}
	d.seen[p] = true
	return true
}
