// Package stack says on which machines a file is: it groups what was seen in each image by what the file is, and what was changed
// of its code in memory by what the change is. It works on facts that others have found, and reads no image.
package stack

import (
	"time"
)

// Sighting is a file as it was seen in one image: in one process, or in several that have it alike.
type Sighting struct {
	Image string `json:"image"`
	// Time is the image's own clock; zero where it is not known.
	Time time.Time `json:"time"`
	File File      `json:"file"`
	// Paths are those of the file in that image.
	Paths []string `json:"paths"`
	// Processes is in how many processes it is.
	Processes int64 `json:"processes"`
	// Size and Missing are of the restored file with the least that is missing, in bytes.
	Size    int64 `json:"size"`
	Missing int64 `json:"missing"`
	// Changed is in how many processes its code differs from the file.
	Changed int64 `json:"changed"`
	// Known is what sets of known files say of it; empty where there are none.
	Known string `json:"known"`
	// PID and Base are of a place where it lies with the least that is missing; a PID of -1 stands for the kernel.
	PID  int64  `json:"pid"`
	Base uint64 `json:"base"`
}

// File is what is known of which file it is. A digest is empty that is not known.
type File struct {
	Name         string `json:"name"`
	SHA256       string `json:"sha256"`       // of a file that is restored whole
	Authentihash string `json:"authentihash"` // of one of which all is there that is signed
	TLSH         string `json:"tlsh"`         // of any other
	Size         int64  `json:"size"`         // of any other, in bytes; 0 where it is not known for certain
}

// Kind is by what a file is identified.
type Kind string

// The kinds, the surest first.
const (
	BySHA256       Kind = "sha256"
	ByAuthentihash Kind = "authentihash"
	ByTLSH         Kind = "tlsh" // it is like others of its name
	ByName         Kind = "name" // it has its name, and nothing else is known
)

// Key is what sightings have in common that may be of one file. Files that have different keys differ, or cannot be told to be the
// same.
func (f *File) Key() string {
	switch {
	case f.Authentihash != "":
		return "authentihash:" + f.Authentihash
	case f.SHA256 != "":
		return "sha256:" + f.SHA256
	}
	return "name:" + fold(f.Name)
}
