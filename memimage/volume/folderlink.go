package volume

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// link implements [node]. Tools present the junctions and links of a volume in their own ways: ntfs-3g and others as
// a path of this machine, below the folder where the volume is mounted, or relative; others as Windows writes it.
// Links out of the folder are not followed.
func (n *folderNode) link(context.Context) (*link, error) {
	if n.mode&fs.ModeSymlink == 0 {
		return nil, nil
	}
	text, err := n.tree.fs.Readlink(n.path)
	if err != nil {
		return nil, readingFailed(err)
	}
	if hasPrefixFold(text, "unsupported reparse") {
		return nil, n.unsupported(text)
	}
	if filepath.IsAbs(text) {
		if to, ok := n.tree.below(text); ok {
			return &link{text: text, parts: split(strings.ReplaceAll(to, "/", `\`)), rooted: true}, nil
		}
	}
	to, ok := parseLink(strings.ReplaceAll(text, "/", `\`))
	if !ok {
		return nil, &UnreadableError{Why: "it is a link to " + text + ", which is outside of the volume"}
	}
	to.text = text
	return to, nil
}

// unsupported returns why a file is not read, for files that ntfs-3g shows as links with a text of its own.
func (n *folderNode) unsupported(text string) error {
	why := "it is a reparse point that the tool which mounts the volume does not read"
	if strings.Contains(text, fmt.Sprintf("%#x", uint32(tagWOF))) {
		why = "it is compressed by WOF, and the tool which mounts the volume does not read that"
	}
	return &UnreadableError{Why: why + ": give the disk image itself (" + text + ")"}
}

// below returns the part of a path below the folder of the volume.
func (t *folderTree) below(path string) (string, bool) {
	const separator = string(filepath.Separator)
	path = filepath.Clean(path)
	for _, dir := range []string{t.dir, t.real} {
		if path == dir {
			return "", true
		}
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, separator)+separator); ok {
			return rest, true
		}
	}
	return "", false
}

// parseLink takes apart the target of a link, in the forms of Windows. false: the target is on no volume, or on a
// volume without a drive letter.
func parseLink(s string) (*link, bool) {
	to := link{text: s}
	for _, prefix := range []string{`\??\`, `\\?\`, `\DosDevices\`} {
		if rest, ok := cutFold(s, prefix); ok {
			if to.drive = driveOf(rest); to.drive == "" {
				return nil, false
			}
			s = rest
			break
		}
	}
	if to.drive = driveOf(s); to.drive != "" {
		s = s[len(to.drive):]
		to.rooted = true
	} else if strings.HasPrefix(s, `\`) {
		return nil, false
	}
	to.parts = split(s)
	return &to, true
}
