package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"memlens/fs/httpfs"
	"memlens/memimage"
	"memlens/memimage/report"
	"memlens/memimage/rescue"
)

func serveCommand() *cobra.Command {
	var image imageFlags
	var tree treeFlags
	var listen string
	var names []string
	cmd := &cobra.Command{
		Use:   "serve IMAGE",
		Short: "Serve an image over HTTP, read-only, until interrupted",
		Long: `Serves the tree that mount shows, over HTTP: pages to look at, and every file to download, with ranges. It needs no FUSE.
It listens on this machine alone unless told otherwise: there is neither password nor encryption. It answers to requests for
localhost, for the name of this machine (where it listens beyond it) and for an address, and to no other name, so that no
page of another site can read the image by a name that leads here; --host adds one.

` + urlHelp,
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
			return serveTree(cmd.Context(), im, &tree, listener, names)
		},
	}
	image.add(cmd)
	tree.add(cmd, &image)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "the `address` and port to listen on; with port 0, any free port")
	cmd.Flags().StringArrayVar(&names, "host", nil, "another `name` under which requests may reach this machine; may be given more than once")
	return cmd
}

// The time that clients have: to send a request, to read a piece of a file, until their next request, and to end when the server stops.
const (
	requestTimeout  = 10 * time.Second
	writeTimeout    = time.Minute
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 5 * time.Second
)

// serveTree serves the tree of an image until the context ends.
func serveTree(ctx context.Context, im *memimage.Image, flags *treeFlags, listener net.Listener, names []string) error {
	tree, done, err := flags.tree(ctx, im)
	if err != nil {
		return err
	}
	defer done()
	addr := listener.Addr().(*net.TCPAddr)
	if !addr.IP.IsLoopback() {
		if name, err := os.Hostname(); err == nil {
			names = append(names, name)
		}
		slog.Warn("other machines can read the image: the server listens on "+addr.String(), "safer", "--listen 127.0.0.1:8080")
	}
	server := &http.Server{
		Handler: httpfs.Handler(tree, httpfs.Options{Local: addr.IP.IsLoopback(), Names: names, WriteTimeout: writeTimeout, Failed: func(name string, err error) {
			var panicked *rescue.PanicError
			if errors.As(err, &panicked) {
				slog.Error("a file could not be read", "file", name, "error", err, "stack", string(panicked.Stack()))
				return
			}
			slog.Warn("a file could not be read", "file", name, "error", err)
		}}),
		BaseContext:       func(net.Listener) context.Context { return ctx }, // work for a client ends with the server
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
	found, _ := im.Processes()
	machine, _ := net.InterfaceAddrs() // without the addresses of the machine, only the local address is printed
	here, elsewhere := openAddresses(addr, machine)
	out := barsOf(ctx).stdout()
	fmt.Fprintf(out, "memlens: open %s to see %s: %s, %s; Ctrl-C stops\n", here, im.Name(), describe(im), processes(len(found)))
	if len(elsewhere) > 0 {
		fmt.Fprintf(out, "memlens: other machines open %s\n", report.List(elsewhere))
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
