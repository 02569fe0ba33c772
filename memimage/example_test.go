package memimage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"memlens/memimage"
	"memlens/memimage/synth"
)

// An image is opened, and the program of one of its processes is restored. Here the image is built; an image of a real machine is
// opened in the same way, in whatever container it comes.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "xp.raw")
	if err := writeExample(path); err != nil {
		fmt.Println(err)
		return
	}

	im, err := memimage.Open(context.Background(), path, memimage.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	processes, damage := im.Processes()
	fmt.Println(len(processes), "processes,", len(damage), "errors in their list")
	for _, p := range processes {
		if p.PID != 3256 {
			continue
		}
		file, err := p.Restored()
		if err != nil {
			fmt.Println(err)
			return
		}
		data, err := io.ReadAll(io.NewSectionReader(file.Reader, 0, file.Reader.Size())) // a hole is an error
		fmt.Printf("%s has %d bytes, %v\n", p.RawName, len(data), err)
		fmt.Println("left as found:", file.Summary().Changed)
		fmt.Println("equal to the original:", bytes.Equal(data, synth.DemoOriginals()["cmd.exe"]))
	}
	// Output:
	// 12 processes, 0 errors in their list
	// cmd.exe has 77824 bytes, <nil>
	// left as found: 0
	// equal to the original: true
}

// writeExample writes the memory of a small Windows XP system.
func writeExample(path string) error {
	system := synth.Demo()
	system.RAM = 16 << 20
	mem, err := synth.Build(system)
	if err != nil {
		return err
	}
	return mem.WriteFile(path)
}
