package format

import (
	"fmt"
	"slices"
	"strings"
)

// memory finds the resource that holds the memory. When there is none, the error says what kind of volume this is.
func (a *aff4File) memory() (string, error) {
	found, claimed := a.candidates()
	if len(found) == 0 || !claimed {
		if a.lacksImage() {
			a.lookAround()
			found, claimed = a.candidates()
		}
	}
	if len(found) == 0 {
		a.lacks = true
		return "", a.refusal()
	}
	if len(found) > 1 {
		a.note("The AFF4 volume holds %s; %s is opened. The others: %s.",
			count(len(found), "image", "images"), a.label(found[0]), a.labels(found[1:]))
	}
	if others := a.others(found); claimed && len(others) > 0 {
		a.note("Beside the memory the AFF4 volume holds %s: %s.", count(len(others), "stream", "streams"), a.labels(others))
	}
	if !claimed && slices.ContainsFunc(a.images(found[0]), func(urn string) bool { return a.is(urn, "DiskImage", "VolumeImage", "device") }) {
		a.note("The description of the AFF4 volume calls %s an image of a disk, not of memory.", a.label(found[0]))
	}
	return found[0], nil
}

// candidates returns the resources that may be the memory: the resources that are said to be it. If there are none,
// it goes through the kinds of resources and takes the first kind that the volumes have: all resources of that kind
// that are not said to be something else, the largest first.
func (a *aff4File) candidates() (found []string, claimed bool) {
	if found := a.targets(a.isMemory); len(found) > 0 {
		return found, true
	}
	for _, class := range [][]string{{"Map"}, {"ImageStream", "stream"}, {"Image", "DiskImage"}, {"zip_segment", "file"}} {
		found := a.targets(func(urn string) bool { return a.is(urn, class...) && !a.isOther(urn) })
		slices.SortStableFunc(found, func(x, y string) int { return int(min(max(a.size(y)-a.size(x), -1), 1)) })
		if len(found) > 0 {
			return found, false
		}
	}
	return nil, false
}

// others returns the resources that are neither images, nor streams of images, nor page files.
func (a *aff4File) others(images []string) []string {
	under := map[string]bool{}
	for _, urn := range images {
		under[urn] = true
		for _, t := range a.terms(urn, "dependentStream", "contains") {
			under[t.text] = true
		}
	}
	found := a.targets(func(urn string) bool {
		return a.is(urn, "Map", "ImageStream", "stream", "Image", "DiskImage", "FileImage") && a.category(urn) == ""
	})
	return slices.DeleteFunc(found, func(urn string) bool {
		return under[urn] || under[a.fact(urn, "target")] || under[strings.TrimSuffix(urn, "/data")]
	})
}

// isMemory reports whether a resource is said to be physical memory.
func (a *aff4File) isMemory(urn string) bool {
	return a.category(urn) == "physical" || a.is(urn, "PhysicalMemoryImage", "MemoryImage")
}

// isOther reports whether a resource is said to be something that is no memory.
func (a *aff4File) isOther(urn string) bool {
	return a.is(urn, "FileImage", "EncryptedStream") || a.category(urn) != ""
}

// targets returns the resources that hold the data of every resource for which is returns true, each once.
func (a *aff4File) targets(is func(urn string) bool) []string {
	var found []string
	seen := map[string]bool{"": true}
	for _, urn := range a.subjects() {
		if !is(urn) {
			continue
		}
		if t := a.target(urn); !seen[t] {
			seen[t] = true
			found = append(found, t)
		}
	}
	return found
}

// size returns the size of a resource in bytes; 0 when it is not known.
func (a *aff4File) size(urn string) int64 {
	if n := a.number(urn, "size"); n > 0 {
		return n
	}
	if s, ok := a.entry(urn); ok {
		return int64(min(s.file.UncompressedSize64, maxPhysical))
	}
	return 0
}

// lacksImage reports whether the description speaks of an image whose data are not in the volume.
func (a *aff4File) lacksImage() bool {
	return slices.ContainsFunc(a.subjects(), func(urn string) bool {
		return (a.isMemory(urn) || a.is(urn, "Image", "DiskImage", "Map", "ImageStream", "stream")) && a.target(urn) == ""
	})
}

// refusal says what kind of volume this is, which has no memory in it.
func (a *aff4File) refusal() error {
	e := &NotMemoryError{Name: a.Name(), What: "an AFF4 volume without an image in it"}
	files := a.targets(func(urn string) bool { return a.is(urn, "FileImage") || a.category(urn) != "" })
	switch {
	case a.isEncrypted():
		e.What = "an AFF4 volume that is encrypted"
		e.Do = "decrypt it with the tool that wrote it and its password or key, and open what comes out"
	case len(a.missingVolumes()) > 0:
		e.What = "an AFF4 volume without the image that it describes"
		e.Do = "that is stored in " + strings.Join(a.missingVolumes(), ", ") + ": put the file of this volume into the same folder"
	case len(files) > 0:
		e.What = fmt.Sprintf("an AFF4 volume of %s (%s) without an image of memory", count(len(files), "file", "files"), a.labels(files))
		e.Do = "if one of the files is an image, extract it from the volume and open it"
	default:
		e.Do = "its description names neither a map nor a stream; the image may be in another volume"
	}
	return e
}

// isEncrypted reports whether the volume holds its streams encrypted.
func (a *aff4File) isEncrypted() bool {
	return slices.ContainsFunc(a.subjects(), func(urn string) bool {
		return a.is(urn, "EncryptedStream") || len(a.terms(urn, "keyBag")) > 0
	})
}

// maxLabels bounds the names in a sentence.
const maxLabels = 8

// labels returns the names of resources for a sentence.
func (a *aff4File) labels(urns []string) string {
	var names []string
	for _, urn := range urns[:min(len(urns), maxLabels)] {
		names = append(names, a.label(urn))
	}
	if more := len(urns) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
