//go:build linux

package fusefs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Serve mounts fsys on dir, calls ready once the mount can be used, and returns when it is gone, whoever unmounted it:
// nil if its last user left in peace.
//
// SIGINT, SIGTERM, SIGHUP or the end of ctx ask it to unmount. Long work, such as digesting, then ends at once, and a
// program that waits for it gets an error. While others use the mount, Serve says who, and goes on trying. A second
// signal takes the mount out of sight at once, and Serve goes on for the programs that use it until they leave; a third
// ends the wait, with an error. A broken pipe at standard output ends nothing.
func Serve(ctx context.Context, dir string, fsys iofs.FS, o Options, ready func(*Server)) error {
	signals, stop := catchSignals() // before there is a mount that a signal could orphan
	defer stop()
	s, err := Mount(dir, fsys, o)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(s)
	}
	return s.serve(ctx, signals)
}

// catchSignals takes the signals that ask a program to end, except the signals that it was started to ignore, as nohup
// does. SIGPIPE is taken to be dropped: if nobody catches it, it ends a program whose reader has gone, and a mount with
// it.
func catchSignals() (<-chan os.Signal, func()) {
	signals, pipes := make(chan os.Signal, 4), make(chan os.Signal, 1)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	signal.Notify(pipes, syscall.SIGPIPE)
	return signals, func() {
		signal.Stop(signals)
		signal.Stop(pipes)
	}
}

// retryEvery is the time between two attempts to unmount a mount that is in use.
const retryEvery = 500 * time.Millisecond

// serve waits for the end of the mount, and works towards it once it has been asked to.
func (s *Server) serve(ctx context.Context, signals <-chan os.Signal) error {
	c := closing{Server: s}
	asked := ctx.Done()
	var retry <-chan time.Time
	for {
		select {
		case <-s.done:
			return nil
		case <-asked:
			asked = nil // heard; a closed channel would be heard for ever
			s.work.end()
		case <-signals:
			c.signals++
			s.work.end()
		case <-retry:
		}
		if c.ended() { // by the time that a signal is heard
			return nil
		}
		if err := c.step(); err != nil {
			return err
		}
		retry = time.After(retryEvery)
	}
}

// ended reports whether the mount is gone and its last user with it.
func (s *Server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// closing is how far a server has come in closing down.
type closing struct {
	*Server
	signals int
	gone    bool   // the mount is out of sight
	heeded  int    // signals that had come by then; one more ends the wait
	busy    bool   // it has been said who uses it
	told    string // the last message, not to be repeated
}

// step takes the next possible step to end the mount.
func (c *closing) step() error {
	switch {
	case c.gone && c.signals > c.heeded:
		return fmt.Errorf("fusefs: ended while %s, though unmounted, was in use: its readers get errors", c.dir)
	case c.gone:
		return nil
	case c.signals > 1:
		return c.detach()
	}
	c.tryUnmount()
	return nil
}

// tryUnmount tries to unmount in order, and says why it cannot.
func (c *closing) tryUnmount() {
	err := c.unmountPatiently()
	switch {
	case err == nil:
		c.leave()
	case errors.Is(err, unix.EBUSY):
		if !c.busy { // to look for users takes time; once is enough
			c.busy = true
			c.tell(c.dir+" is in use; it will be unmounted when it no longer is. Interrupt again to take it away now", "by", describeUsers(c.dir, c.users()))
		}
	default:
		c.tell("cannot unmount", "err", err)
	}
}

// leave waits for the kernel to let go of a mount that nobody here uses, and says so if
// it does not: a container started meanwhile has the mount too.
func (c *closing) leave() {
	c.gone, c.heeded = true, max(c.signals, 1) // the first signal may also have ended the context
	select {
	case <-c.done:
	case <-time.After(time.Second):
		c.tell(c.dir + " is unmounted, but another mount namespace, such as a container's, still has it. Interrupt again to end now")
	}
}

// detach takes the mount out of sight. After three signals it ends even if that fails.
func (c *closing) detach() error {
	err := c.unmount(lazy)
	switch {
	case err == nil:
		c.gone, c.heeded = true, c.signals
		c.tell(c.dir + " is unmounted; files that are open can be read until they are closed. Interrupt again to end now")
	case c.signals > 2:
		return fmt.Errorf("fusefs: ended while mounted; clear the mount with: %s: %w", c.host.clearCommand(c.dir), err)
	default:
		c.tell("cannot unmount", "err", err)
	}
	return nil
}

// tell logs a message, unless it is the same as the last one.
func (c *closing) tell(msg string, args ...any) {
	if text := fmt.Sprint(append(args, msg)...); text != c.told {
		c.told = text
		c.logger.Warn(msg, args...)
	}
}
