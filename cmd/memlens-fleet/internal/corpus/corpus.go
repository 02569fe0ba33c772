// Package corpus builds the memories of many machines with known content: common programs, a few rare ones, two
// machines with a hooked function, and damaged images. Tests and measurements run the pipeline on it.
//
// It uses only memlens's package synth, which shares no code with the readers of images.
package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// Corpus says which images are built. Equal descriptions give the same images, byte for byte.
type Corpus struct {
	Images int  // number of images, at least [Least]
	Small  bool // all images have the least size, for ordinary tests
}

// Least is how many images a corpus has at least.
const Least = 16

// Truth holds the known facts about a corpus.
type Truth struct {
	Files    []File    // of all programs, the rarest first
	Hooks    []Hook    // code that was changed in memory
	Problems []Problem // images that are damaged
	Images   []string  // names of all images
}

// File is a program on the disks of machines.
type File struct {
	Name, SHA256 string
	Images       []string // images whose memory has the whole file
	Partly       []string // images whose memory has parts of the file
}

// Hook is a change of code.
type Hook struct {
	Module string // the module that has the code
	RVA    uint32
	Was    string // hexadecimal
	Is     string
	Images []string
}

// Problem is a damaged image.
type Problem struct {
	Image string
	What  string
	Opens bool // parts of it can be read: its files are in Truth.Files
}

// builder builds a corpus.
type builder struct {
	Corpus
	dir      string
	disks    [2]*disk // of 32-bit and 64-bit systems
	profiles []*profile.Profile
	truth    Truth
}

// Build writes the images into a folder, with holes for zeros.
func Build(dir string, c Corpus) (*Truth, error) {
	if c.Images < Least {
		return nil, fmt.Errorf("corpus: a corpus has at least %d images", Least)
	}
	b := &builder{Corpus: c, dir: dir, disks: [2]*disk{newDisk(32), newDisk(64)}}
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64", "Win10x64_19041"} {
		p, err := profile.Builtin().ByName(name)
		if err != nil {
			return nil, fmt.Errorf("corpus: %w", err)
		}
		b.profiles = append(b.profiles, p)
	}
	for i := range c.Images - len(damages()) - 2 {
		if err := b.write(i, synth.Hostile{}); err != nil {
			return nil, err
		}
	}
	if err := b.damaged(); err != nil {
		return nil, err
	}
	b.finish()
	return &b.truth, nil
}

// name returns the name of the i-th image; the images are in several folders.
func name(i int) string { return fmt.Sprintf("site-%d/host-%04d.raw", i%3, i) }

// write writes the memory of the i-th machine.
func (b *builder) write(i int, damage synth.Hostile) error {
	m, err := b.machine(i, damage)
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, name(i))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	b.truth.Images = append(b.truth.Images, name(i))
	return m.WriteFile(path)
}

// machine builds the memory of the i-th machine, and notes its content.
func (b *builder) machine(i int, damage synth.Hostile) (*synth.Memory, error) {
	p := b.profiles[i%len(b.profiles)]
	ram := int64(16+8*(i%7)) << 20
	if b.Small {
		ram = 16 << 20
	}
	d := b.disks[1]
	sys := synth.System{Profile: p, RAM: ram, Seed: uint64(i + 1), Hostile: damage}
	if i%len(b.profiles) == 0 {
		d, sys.Paging, sys.LargePages = b.disks[0], synth.X86, true
	}
	sys.Time = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(i) * 37 * time.Minute)
	sys.Processes = d.processes(i, sys.Time, b.Images)
	return synth.Build(sys)
}

func digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}
