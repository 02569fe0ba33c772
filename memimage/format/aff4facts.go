package format

import (
	"slices"
	"strconv"
	"strings"
)

const (
	aff4Schema = "http://aff4.org/Schema#"
	aff4Legacy = "http://afflib.org/2009/aff4#" // the namespace of Evimetry before the standard
	aff4Memory = aff4Schema + "memory/"         // categories that WinPmem and Rekall give
)

// aff4Schemas are the namespaces in which tools have written the same words.
var aff4Schemas = []string{aff4Schema, aff4Legacy}

// terms returns the values that the volumes give a resource under any of the names.
func (a *aff4File) terms(urn string, names ...string) []term {
	var out []term
	for _, v := range a.volumes {
		for _, name := range names {
			for _, schema := range aff4Schemas {
				out = append(out, v.facts[urn][schema+name]...)
			}
		}
	}
	return out
}

// fact returns the first of the terms, or "".
func (a *aff4File) fact(urn string, names ...string) string {
	if t := a.terms(urn, names...); len(t) > 0 {
		return t[0].text
	}
	return ""
}

// number returns a fact that is a count of bytes or of chunks; 0 when there is none that makes sense. The first volumes
// of several were finished before the size was known, and say 0.
func (a *aff4File) number(urn string, names ...string) int64 {
	for _, t := range a.terms(urn, names...) {
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil && n > 0 && n <= maxPhysical {
			return n
		}
	}
	return 0
}

// is reports whether a resource is of a class. Tools have written "Map" and "map", and so on.
func (a *aff4File) is(urn string, classes ...string) bool {
	for _, v := range a.volumes {
		for _, t := range v.facts[urn][turtleType] {
			if slices.ContainsFunc(classes, func(class string) bool { return strings.EqualFold(withoutSchema(t.text), class) }) {
				return true
			}
		}
	}
	return false
}

// withoutSchema returns a word of AFF4 without its namespace; other words stay as they are.
func withoutSchema(iri string) string {
	for _, schema := range aff4Schemas {
		if word, ok := strings.CutPrefix(iri, schema); ok {
			return word
		}
	}
	return iri
}

// category returns the kind of a stream as WinPmem and Rekall state it, such as "physical" or "pagefile"; "" in the
// volumes of other tools.
func (a *aff4File) category(urn string) string {
	word, ok := strings.CutPrefix(a.fact(urn, "category"), aff4Memory)
	if !ok {
		return ""
	}
	return word
}

// isMap reports whether a resource is a map whose entries are in a volume.
func (a *aff4File) isMap(urn string) bool {
	_, ok := a.entry(urn + "/map")
	return ok
}

// isStream reports whether a resource is described as a stream of chunks.
func (a *aff4File) isStream(urn string) bool { return a.chunkSize(urn) > 0 }

func (a *aff4File) chunkSize(urn string) int64 { return a.number(urn, "chunkSize", "chunk_size") }

// target follows an image to the map, the stream or the file that holds its data; "" when none is in the volumes.
func (a *aff4File) target(urn string) string {
	for range 4 {
		if a.isMap(urn) || a.isStream(urn) {
			return urn
		}
		next := a.fact(urn, "dataStream")
		if next == "" {
			break
		}
		urn = next
	}
	if _, ok := a.entry(urn); ok {
		return urn
	}
	return ""
}

// images returns the resources that have the data of target: target itself, and the images over it.
func (a *aff4File) images(target string) []string {
	if a.over == nil {
		a.over = map[string][]string{}
		for _, urn := range a.subjects() {
			if t := a.target(urn); t != "" {
				a.over[t] = append(a.over[t], urn)
			}
		}
	}
	return a.over[target]
}

// label returns the name of a resource for notes: its path in the volume, or its URN.
func (a *aff4File) label(urn string) string {
	for _, v := range a.volumes {
		if path := v.path(urn); path != urn {
			return path
		}
	}
	return urn
}
