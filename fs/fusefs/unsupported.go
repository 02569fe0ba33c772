//go:build !linux

package fusefs

import (
	"context"
	iofs "io/fs"
)

// Server would serve a mounted tree; there is none on this system.
type Server struct{}

// Preflight returns ErrUnsupported.
func Preflight(dir string, o Options) error { return ErrUnsupported }

// Mount returns ErrUnsupported.
func Mount(dir string, fsys iofs.FS, o Options) (*Server, error) { return nil, ErrUnsupported }

// Serve returns ErrUnsupported.
func Serve(ctx context.Context, dir string, fsys iofs.FS, o Options, ready func(*Server)) error {
	return ErrUnsupported
}

// Dir returns "".
func (s *Server) Dir() string { return "" }

// Wait returns at once.
func (s *Server) Wait() {}

// Unmount returns ErrUnsupported.
func (s *Server) Unmount() error { return ErrUnsupported }

// Detach returns ErrUnsupported.
func (s *Server) Detach() error { return ErrUnsupported }
