//go:build linux

package fusefs

import (
	"time"

	"memlens/fs"
)

// reads notes whether reads of the data below the tree fail while an answer is made, also for another answer at that
// time. The zero value is for a tree that does not know.
type reads struct {
	of     fs.Faulter
	before int64
}

func (t *tree) watchReads() reads {
	f, ok := t.fsys.(fs.Faulter)
	if !ok {
		return reads{}
	}
	return reads{f, f.Faults()}
}

// failed returns the error of a read that failed since then, or nil.
func (r reads) failed() error {
	if r.of == nil {
		return nil
	}
	return r.of.FaultSince(r.before)
}

// valid returns how long the kernel may keep the answer.
func (r reads) valid() time.Duration {
	if r.failed() != nil {
		return 0
	}
	return forever
}
