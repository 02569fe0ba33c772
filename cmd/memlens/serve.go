package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"memlens/fs/httpfs"
	"memlens/memimage"
)

func serveCommand() *cobra.Command {
	var image imageFlags
	var tree treeFlags
	var listen string
	cmd := &cobra.Command{
		Use:   "serve IMAGE",
		Short: "Serve an image over HTTP, read-only, until interrupted",
		Long: `Serves the tree that mount shows, over HTTP: pages to look at, and every file to download, with ranges. It needs no FUSE.
It listens on this machine alone unless told otherwise: there is neither password nor encryption.`,
		Example: `  memlens serve xp.raw
  memlens serve xp.raw --listen 127.0.0.1:9000 --reference ./originals
  curl -O http://127.0.0.1:8080/3256-cmd.exe/procexedump.exe`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen %s: %w", listen, err)
			}
			defer listener.Close()
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			return serveTree(cmd.Context(), im, &tree, listener)
		},
	}
	image.add(cmd)
	tree.add(cmd)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "the `address` and port to listen on; port 0 takes a free one")
	return cmd
}

// How long clients may take: to ask, and to end when the server stops.
const (
	requestTimeout  = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 5 * time.Second
)

// serveTree serves the tree of an image until the context ends.
func serveTree(ctx context.Context, im *memimage.Image, flags *treeFlags, listener net.Listener) error {
	tree, err := flags.tree(ctx, im)
	if err != nil {
		return err
	}
	addr := listener.Addr().(*net.TCPAddr)
	if !addr.IP.IsLoopback() {
		slog.Warn("other machines can read the image: the server listens on "+addr.String(), "safer", "--listen 127.0.0.1:8080")
	}
	server := &http.Server{
		Handler: httpfs.Handler(tree, httpfs.Options{Local: addr.IP.IsLoopback(), Failed: func(name string, err error) {
			slog.Warn("a file could not be read", "file", name, "error", err)
		}}),
		ReadHeaderTimeout: requestTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		err := server.Shutdown(end)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // a download that takes longer is cut off
		}
		stopped <- err
	}()
	listed, _ := im.Processes()
	fmt.Printf("memlens: %s is at http://%s/: %s, %d processes; Ctrl-C stops\n", im.Name(), addr, describe(im), len(listed))
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
