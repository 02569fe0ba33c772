// Package stack finds the machines that have a file: it groups the sightings of all images by file, and the changes
// of code in memory by change. It works on facts that other packages have found, and reads no image.
package stack

import (
	"time"
)

// Sighting is a file as it was seen in one image: in one process, or in several processes that have the same.
type Sighting struct {
	Image string `json:"image"`
	// Time is the image's own clock; zero if it is not known.
	Time time.Time `json:"time"`
	File File      `json:"file"`
	// Paths are the paths of the file in that image.
	Paths []string `json:"paths"`
	// Processes is the number of processes that have the file.
	Processes int64 `json:"processes"`
	// Size and Missing describe the restored file with the fewest missing bytes, in bytes.
	Size    int64 `json:"size"`
	Missing int64 `json:"missing"`
	// Changed is the number of processes in which its code differs from the file.
	Changed int64 `json:"changed"`
	// Known is the result of the sets of known files; empty if there are no sets.
	Known string `json:"known"`
	// PID and Base are the place with the fewest missing bytes; a PID of -1 stands for the kernel.
	PID  int64  `json:"pid"`
	Base uint64 `json:"base"`
}

// File holds the facts that identify a file. A digest that is not known is empty.
type File struct {
	Name         string `json:"name"`
	SHA256       string `json:"sha256"`       // of a file that is restored completely
	Authentihash string `json:"authentihash"` // of a file whose signed part is complete
	TLSH         string `json:"tlsh"`         // of any other file
	Size         int64  `json:"size"`         // of any other file, in bytes; 0 if it is not certain
}

// Kind is the way in which a file is identified.
type Kind string

// The kinds, the surest first.
const (
	BySHA256       Kind = "sha256"
	ByAuthentihash Kind = "authentihash"
	ByTLSH         Kind = "tlsh" // it is similar to other files with its name
	ByName         Kind = "name" // only its name is known
)

// Key is the same for sightings that may be of one file. Files with different keys differ, or cannot be shown to be
// the same.
func (f *File) Key() string {
	switch {
	case f.Authentihash != "":
		return "authentihash:" + f.Authentihash
	case f.SHA256 != "":
		return "sha256:" + f.SHA256
	}
	return "name:" + fold(f.Name)
}
