package format

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// pageFiles returns the resources that hold page files of the machine: the resources that are said to be page files
// or, when there are none, the resources with the name of a page file.
func (a *aff4File) pageFiles() []string {
	if found := a.targets(func(urn string) bool { return a.category(urn) == "pagefile" }); len(found) > 0 {
		return found
	}
	return a.targets(func(urn string) bool {
		return a.category(urn) == "" && strings.EqualFold(path.Base(a.label(urn)), "pagefile.sys")
	})
}

// offerPageFiles notes which page files the volumes have beside the memory.
func (a *aff4File) offerPageFiles() {
	switch found := a.pageFiles(); {
	case len(found) == 1:
		a.note("The AFF4 volume holds a page file of the machine, %s (%s): --pagefile %s reads it.", a.label(found[0]), sizeText(uint64(a.size(found[0]))), a.Name())
	case len(found) > 1:
		a.note("The AFF4 volume holds %d page files of the machine, %s: --pagefile N=%s/%s reads the first as number N, and so on.",
			len(found), a.labels(found), a.Name(), a.label(found[0]))
	}
}

// pageFile opens the page file that the user chose.
func (a *aff4File) pageFile(want PageFileChoice) (*PageFile, error) {
	urn, err := a.choosePageFile(want)
	if err != nil {
		return nil, err
	}
	p := &PageFile{Name: a.label(urn) + " in " + a.Name(), Volume: a.Name()}
	if a.isMap(urn) {
		im, err := a.openMap(urn)
		if err != nil {
			return nil, err
		}
		p.Source = im.Memory
		return p, nil
	}
	content, err := a.content(urn)
	if err != nil {
		return nil, err
	}
	p.Source = content.Source
	return p, nil
}

// choosePageFile finds the page file that the user chose, or fails with a list of the page files in the volumes.
func (a *aff4File) choosePageFile(want PageFileChoice) (string, error) {
	found := a.pageFiles()
	switch {
	case want.Member != "":
		named := a.targets(func(urn string) bool { return a.isCalled(urn, want.Member) })
		if len(named) == 1 {
			return named[0], nil
		}
		return "", fmt.Errorf("format: the AFF4 volume %s holds no %s; its page files: %s", a.Name(), want.Member, cmp.Or(a.labels(found), "none"))
	case len(found) == 0:
		return "", fmt.Errorf("format: the AFF4 volume %s holds no page file", a.Name())
	case len(found) == 1:
		return found[0], nil
	}
	numbered := slices.DeleteFunc(slices.Clone(found), func(urn string) bool {
		n, err := strconv.Atoi(a.fact(urn, "memory/pagefile_number"))
		return err != nil || n != want.Number
	})
	if len(numbered) == 1 {
		return numbered[0], nil
	}
	return "", fmt.Errorf("format: the AFF4 volume %s holds %d page files, %s, and does not say which of them is number %d: name it, as in --pagefile %d=%s/%s",
		a.Name(), len(found), a.labels(found), want.Number, want.Number, a.Name(), a.label(found[0]))
}

// isCalled reports whether a resource has a name. Upper or lower case, and the direction of slashes, make no
// difference.
func (a *aff4File) isCalled(urn, name string) bool {
	plain := func(s string) string { return strings.Trim(strings.ReplaceAll(unescape(s), `\`, "/"), "/") }
	return urn == name || strings.EqualFold(plain(a.label(urn)), plain(name))
}
