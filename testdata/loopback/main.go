// Command loopback shows a folder on a mount point through go-fuse's own loopback file system, read-only, until it is
// interrupted. bench.sh measures memlens against it.
//
//	loopback [-passthrough] MOUNTPOINT FOLDER
//
// With -passthrough the kernel reads the folder's files itself; only root may do so. That is as fast as the files
// themselves, but the file system does not learn of errors.
package main

import (
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	passthrough := flag.Bool("passthrough", false, "let the kernel read the files")
	flag.Parse()
	root, err := fs.NewLoopbackRoot(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	o := &fs.Options{MountOptions: fuse.MountOptions{DirectMount: true, Name: "loopback", Options: []string{"ro"}}}
	if !*passthrough {
		o.DisabledCapabilities = fuse.CAP_PASSTHROUGH
	}
	server, err := fs.Mount(flag.Arg(0), root, o)
	if err != nil {
		log.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range signals {
			if err := server.Unmount(); err != nil {
				log.Print(err)
			}
		}
	}()
	server.Wait()
}
