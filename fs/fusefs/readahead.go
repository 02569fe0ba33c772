//go:build linux

package fusefs

import (
	"os"
	"path/filepath"
	"strconv"
)

// setReadAhead lets the kernel ask for maxRead at a time of a file that is read from its start to its end. By itself it asks for
// 128 KiB, of every FUSE file system, however large its readers' buffers are: four times the requests. It takes this from root
// alone. It is for this mount only, and for speed only: without it the same bytes are read.
func (h host) setReadAhead(dev string) {
	file, err := os.OpenFile(filepath.Join(h.bdi, dev, "read_ahead_kb"), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = file.WriteString(strconv.Itoa(maxRead >> 10))
}
