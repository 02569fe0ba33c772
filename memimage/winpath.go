package memimage

import (
	"slices"
	"strings"
)

// pathRelation is how the path that a process claims relates to the kernel's.
type pathRelation uint8

const (
	sameFile    pathRelation = iota // as far as paths show
	otherFolder                     // the same name in another folder
	otherFile
)

// comparePaths compares a path of the kernel, "\Device\HarddiskVolume1\Windows\a.exe" or without the device, with a
// path that a process has, "C:\Windows\a.exe". root is the folder of Windows, "C:\WINDOWS". Forms of one path are
// equal: letter case, prefixes such as \??\ and \SystemRoot, short names, and the folders to which 32-bit programs are
// redirected. Only the system's drive is known to be a volume; any other letter may stand for a folder or a share.
func comparePaths(kernel, claimed, root string) pathRelation {
	k, c := components(kernel, root), components(claimed, root)
	if len(k.parts) == 0 || len(c.parts) == 0 {
		return sameFile // nothing to compare
	}
	kernelFile, claimedFile := k.parts[len(k.parts)-1], c.parts[len(c.parts)-1]
	if !sameName(kernelFile, claimedFile) {
		return otherFile
	}
	n := min(len(k.parts), len(c.parts))
	if !slices.EqualFunc(k.parts[len(k.parts)-n:], c.parts[len(c.parts)-n:], sameName) {
		return otherFolder
	}
	switch {
	case len(c.parts) > n: // the process claims folders that the kernel's path lacks
		if k.rooted {
			return otherFolder
		}
	case c.onSystemVolume(root) && !isVolume(k.parts[:len(k.parts)-n]):
		return otherFolder
	}
	return sameFile
}

// winPath is a path taken apart.
type winPath struct {
	drive  string // "C:"; empty where the path has none
	rooted bool   // it begins at a root, so that no folder is left out
	parts  []string
}

// onSystemVolume reports whether the path begins at the root of the system's volume, or of a volume without a name.
func (p *winPath) onSystemVolume(root string) bool {
	return p.rooted && (p.drive == "" || strings.EqualFold(p.drive, drive(root)))
}

// components splits a path, and resolves the prefixes that name a root.
func components(s, root string) winPath {
	s = strings.ReplaceAll(s, "/", `\`)
	for _, prefix := range []string{`\SystemRoot\`, `%SystemRoot%\`, `%windir%\`} {
		if rest, ok := cutPrefixFold(s, prefix); ok && root != "" {
			s = root + `\` + rest
		}
	}
	for _, prefix := range []string{`\??\UNC\`, `\\?\UNC\`, `\??\`, `\\?\`, `\\.\`, `\GLOBAL??\`, `\DosDevices\`} {
		if rest, ok := cutPrefixFold(s, prefix); ok {
			s = rest
			break
		}
	}
	out := winPath{drive: drive(s)}
	s = s[len(out.drive):]
	out.rooted = out.drive != "" || strings.HasPrefix(s, `\`)
	for i, part := range strings.Split(s, `\`) {
		switch {
		case part == "" || part == "." || i == 0 && hasPrefixFold(part, "Volume{"):
		case part[0] == ';': // of a redirector: "\Device\Mup\;LanmanRedirector\;Z:0000\server\share"
		case part == "..":
			out.parts = out.parts[:max(0, len(out.parts)-1)]
		default:
			out.parts = append(out.parts, part)
		}
	}
	return out
}

func drive(s string) string {
	if len(s) >= 2 && s[1] == ':' {
		return s[:2]
	}
	return ""
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// isVolume reports whether the parts are a volume's device: no part, where the path came without a device; "Device" and
// a name; and the devices of dynamic disks, "Device\HarddiskDmVolumes\<group>\<volume>".
func isVolume(parts []string) bool {
	switch {
	case len(parts) == 0:
		return true
	case !strings.EqualFold(parts[0], "Device"):
		return false
	case len(parts) == 4:
		return strings.EqualFold(parts[1], "HarddiskDmVolumes")
	case len(parts) == 3:
		return hasPrefixFold(parts[1], "Harddisk") && hasPrefixFold(parts[2], "Partition")
	}
	return len(parts) == 2
}

func hasPrefixFold(s, prefix string) bool {
	_, ok := cutPrefixFold(s, prefix)
	return ok
}

// redirected are the folders of system programs between which 32-bit programs are redirected.
var redirected = []string{"system32", "syswow64", "sysnative", "sysarm32", "sychpe32"}

// sameName compares the names of a file or folder.
func sameName(a, b string) bool {
	a, b = strings.TrimRight(a, " ."), strings.TrimRight(b, " .")
	if strings.EqualFold(a, b) {
		return true
	}
	if slices.Contains(redirected, strings.ToLower(a)) && slices.Contains(redirected, strings.ToLower(b)) {
		return true
	}
	return isShortOf(a, b) || isShortOf(b, a)
}

// isShortOf reports whether short may be the 8.3 name of long: up to six of its characters, "~", a number, and the first
// three characters of its extension. From the fifth file of a folder with the same beginning on, only two of its
// characters are kept.
func isShortOf(short, long string) bool {
	base, ext, _ := strings.Cut(short, ".")
	head, number, ok := strings.Cut(base, "~")
	if !ok || len(base) > 8 || len(head) > 6 || len(ext) > 3 || number == "" || strings.Trim(number, "0123456789") != "" {
		return false
	}
	longBase, longExt := long, ""
	if i := strings.LastIndexByte(long, '.'); i >= 0 {
		longBase, longExt = long[:i], long[i+1:]
	}
	kept := strings.NewReplacer(" ", "", ".", "", "+", "_", ",", "_", ";", "_", "=", "_", "[", "_", "]", "_").Replace(longBase)
	return strings.EqualFold(ext, longExt[:min(3, len(longExt))]) &&
		(hasPrefixFold(kept, head) || len(head) >= 2 && hasPrefixFold(kept, head[:2]) && isHex(head[2:]))
}

func isHex(s string) bool {
	return len(s) == 4 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// sameShortName compares a file name with _EPROCESS.ImageFileName, which holds its first 14 or 15 bytes. Names that are
// not ASCII are not compared: it is not known how they were converted.
func sameShortName(name, short string) bool {
	const kept = 14
	for _, s := range []string{name, short} {
		if s == "" || strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) >= 0 {
			return true
		}
	}
	if len(short) < kept {
		return sameName(name, short)
	}
	return hasPrefixFold(name, short) || strings.Contains(name, "~")
}

// PathKey returns a file's path, from the kernel or a process, in the form for comparisons: below its volume, without
// it, in small letters, such as "\windows\system32\ntdll.dll". root is the folder of Windows, such as "C:\WINDOWS". It
// is empty for text that is no path, and for a file that is on no volume of the machine.
func PathKey(path, root string) string {
	if hasPrefixFold(path, `\??\UNC\`) || hasPrefixFold(path, `\\`) {
		return ""
	}
	parts := components(path, root).parts
	if len(parts) > 0 && strings.EqualFold(parts[0], "Device") {
		n := deviceParts(parts)
		if n == 0 {
			return ""
		}
		parts = parts[n:]
	}
	if len(parts) == 0 {
		return ""
	}
	return `\` + strings.ToLower(strings.Join(parts, `\`))
}

// deviceParts returns how many parts of a path that begins with "Device" name a volume; 0: they name none, as in the
// paths of redirectors.
func deviceParts(parts []string) int {
	for _, n := range []int{4, 3} {
		if len(parts) > n && isVolume(parts[:n]) {
			return n
		}
	}
	for _, name := range []string{"Mup", "LanmanRedirector", "WinDfs", "NamedPipe", "Null"} {
		if len(parts) > 1 && strings.EqualFold(parts[1], name) {
			return 0
		}
	}
	return min(2, len(parts))
}
