package volume

import (
	"bytes"
	"strings"
	"testing"
)

// TestDamagedUpcase damages the table by which names are compared: with it no name would be found, as if there were
// no Windows.
func TestDamagedUpcase(t *testing.T) {
	disk := bytes.Clone(smallVolume(t))
	var begin []byte
	for u := range byte('a') {
		begin = append(begin, u, 0)
	}
	at := bytes.Index(disk, append(begin, 'A', 0, 'B', 0))
	if at < 0 {
		t.Fatal("the volume has no such table")
	}
	clear(disk[at : at+512])
	_, err := OpenDisk(t.Context(), bytes.NewReader(disk), int64(len(disk)), "disk")
	if err == nil || !strings.Contains(err.Error(), "$UpCase") {
		t.Errorf("it says %v", err)
	}
}
