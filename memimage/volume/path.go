package volume

import (
	"fmt"
	"strings"
)

// Path is the path of a module in the form of the memory image.
type Path struct {
	// Name is the path, in any of the forms that the kernel or the loader has: `\Device\HarddiskVolume2\Windows\a.dll`,
	// `\??\C:\Windows\a.dll`, `C:\Windows\a.dll`, `\SystemRoot\a.dll`, `%SystemRoot%\a.dll`, `\Windows\a.dll`,
	// `system32\drivers\a.sys`.
	Name string
	// SystemRoot is the folder of Windows, `C:\Windows`. Empty: the volume's folder of Windows.
	SystemRoot string
	// SystemDevice is the device of the volume of Windows, `\Device\HarddiskVolume2`, if it is known.
	SystemDevice string
	// Redirected says that the path belongs to a 32-bit process: if the volume has a SysWOW64, System32 means
	// SysWOW64.
	Redirected bool
}

// reach says which volumes a path may mean.
type reach uint8

const (
	anyVolume    reach = iota // all volumes, with Windows first
	systemVolume              // volumes with Windows
	otherVolume               // volumes without Windows
)

// place is a path taken apart.
type place struct {
	reach reach
	label string   // the name of the volume: `\Device\HarddiskVolume2`, "D:"; empty: not named
	root  bool     // the parts begin at the folder of Windows of the volume, which may have any name
	parts []string // the names
	note  string   // the assumption, if a file is found there
	plain *place   // the place without WoW64 redirection, which a 32-bit Windows lacks; nil: the same place
}

// OutsideError says that a path leads to something that is on no volume of this disk.
type OutsideError struct {
	Path string
	What string // "a network share"
}

func (e *OutsideError) Error() string {
	return fmt.Sprintf("volume: %s is on %s, not on a volume of the disk", e.Path, e.What)
}

// places returns the places where the file of the path may be, in the order in which they must be tried.
func (p Path) places() ([]place, error) {
	s := strings.ReplaceAll(p.Name, "/", `\`)
	if s == "" || strings.HasSuffix(s, `\`) {
		return nil, fmt.Errorf("%w: %q names no file", ErrNotFound, p.Name)
	}
	if strings.ContainsRune(s, 0) {
		return nil, fmt.Errorf("%w: %q has a zero in it", ErrNotFound, p.Name)
	}
	for _, prefix := range []string{`\SystemRoot\`, `%SystemRoot%\`, `%windir%\`} {
		if rest, ok := cutFold(s, prefix); ok {
			return p.redirect(p.underRoot(rest)), nil
		}
	}
	if rest, ok := cutFold(s, `\Device\`); ok {
		return p.onDevice(rest)
	}
	return p.onDrive(s)
}

// onDrive takes apart a path that does not name a device.
func (p Path) onDrive(s string) ([]place, error) {
	for _, prefix := range []string{`\??\`, `\\?\`, `\\.\`, `\GLOBAL??\`, `\DosDevices\`} {
		if rest, ok := cutFold(s, prefix); ok {
			if _, device := cutFold(rest, `GLOBALROOT\Device\`); device {
				return p.onDevice(rest[len(`GLOBALROOT\Device\`):])
			}
			if _, share := cutFold(rest, `UNC\`); share {
				return nil, &OutsideError{p.Name, "a network share"}
			}
			s = rest
			break
		}
	}
	drive := driveOf(s)
	rest := s[len(drive):]
	switch {
	case drive != "" && !strings.HasPrefix(rest, `\`):
		return nil, fmt.Errorf("%w: %s begins at the folder that a process had on %s, which is not known", ErrNotFound, p.Name, drive)
	case drive != "":
		return p.redirect(place{reach: p.reachOfDrive(drive), label: drive, parts: split(rest)}), nil
	case strings.HasPrefix(s, `\\`):
		return nil, &OutsideError{p.Name, "a network share"}
	}
	if _, volume := cutFold(s, "Volume{"); volume {
		id, rest, _ := strings.Cut(s, `\`)
		return p.redirect(place{label: id, parts: split(rest)}), nil
	}
	if strings.HasPrefix(s, `\`) {
		return p.redirect(place{parts: split(s)}), nil
	}
	return p.redirect(p.relative(s)...), nil
}

// relative returns the places of a path without a beginning: drivers are listed below the folder of Windows, and some
// by their name alone.
func (p Path) relative(s string) []place {
	first := p.underRoot(s)
	if strings.Contains(s, `\`) {
		return []place{first}
	}
	out := []place{first}
	for _, folder := range []string{`System32`, `System32\drivers`} {
		next := p.underRoot(folder + `\` + s)
		next.note = "assumed: the path is a name alone, and " + folder + " has a file of it"
		out = append(out, next)
	}
	return out
}

// reachOfDrive returns the volumes that a drive letter may mean. The drive of Windows is known; another letter is
// another volume.
func (p Path) reachOfDrive(drive string) reach {
	switch system := driveOf(p.SystemRoot); {
	case system == "":
		return anyVolume
	case strings.EqualFold(system, drive):
		return systemVolume
	}
	return otherVolume
}

// underRoot returns a place below the folder of Windows.
func (p Path) underRoot(rest string) place {
	if p.SystemRoot == "" {
		return place{reach: systemVolume, root: true, parts: split(rest)}
	}
	root := split(p.SystemRoot[len(driveOf(p.SystemRoot)):])
	return place{reach: systemVolume, parts: append(root, split(rest)...)}
}

// onDevice takes apart the path of a device, behind `\Device\`.
func (p Path) onDevice(s string) ([]place, error) {
	parts := split(s)
	n := 1
	switch device := parts[0]; {
	case hasPrefixFold(device, "HarddiskVolumeShadowCopy"):
		return nil, &OutsideError{p.Name, "a shadow copy"}
	case strings.EqualFold(device, "HarddiskDmVolumes"):
		n = 3
	case isNumbered(device, "HarddiskVolume"):
	case isNumbered(device, "Harddisk") && len(parts) > 1 && isNumbered(parts[1], "Partition"):
		n = 2
	case strings.EqualFold(device, "Mup"), strings.EqualFold(device, "LanmanRedirector"), strings.EqualFold(device, "WebDavRedirector"):
		return nil, &OutsideError{p.Name, "a network share"}
	default:
		return nil, &OutsideError{p.Name, `the device \Device\` + device}
	}
	if len(parts) <= n {
		return nil, fmt.Errorf("%w: %q names no file", ErrNotFound, p.Name)
	}
	label := `\Device\` + strings.Join(parts[:n], `\`)
	where := place{reach: p.reachOfDevice(label), label: label, parts: parts[n:]}
	return p.redirect(where), nil
}

func (p Path) reachOfDevice(label string) reach {
	switch {
	case p.SystemDevice == "":
		return anyVolume
	case strings.EqualFold(p.SystemDevice, label):
		return systemVolume
	}
	return otherVolume
}

// unredirected are the folders below System32 that are not redirected for a 32-bit process.
var unredirected = [][]string{{"catroot"}, {"catroot2"}, {"driverstore"}, {"drivers", "etc"}, {"logfiles"}, {"spool"}}

// redirect applies WoW64 redirection to places, if the path has it.
func (p Path) redirect(places ...place) []place {
	if !p.Redirected {
		return places
	}
	for i, where := range places {
		at := p.system32(where)
		if at < 0 {
			continue
		}
		to := "SysWOW64"
		switch name := where.parts[at]; {
		case strings.EqualFold(name, "Sysnative"):
			to = "System32"
		case !strings.EqualFold(name, "System32"), isUnredirected(where.parts[at+1:]):
			continue
		}
		parts := append([]string(nil), where.parts...)
		parts[at] = to
		places[i].plain = &where
		places[i].parts = parts
		places[i].note = notes(where.note, "by WoW64 redirection from "+where.parts[at])
	}
	return places
}

// WoW64 returns the path of the file that a 32-bit process on 64-bit Windows gets by a path. systemRoot is the folder
// of Windows, `C:\Windows`; the result is the path itself if systemRoot is empty, or if the path is not redirected.
func WoW64(path, systemRoot string) string {
	places, err := Path{Name: path, SystemRoot: systemRoot, Redirected: true}.places()
	if err != nil || places[0].root || places[0].plain == nil {
		return path
	}
	return places[0].label + `\` + strings.Join(places[0].parts, `\`)
}

// system32 returns the index, among the parts, of a folder directly below the folder of Windows; -1: there is none.
func (p Path) system32(where place) int {
	at := 1
	switch {
	case where.root:
		at = 0
	case p.SystemRoot != "":
		root := split(p.SystemRoot[len(driveOf(p.SystemRoot)):])
		at = len(root)
		if len(where.parts) < at || !strings.EqualFold(strings.Join(where.parts[:at], `\`), strings.Join(root, `\`)) {
			return -1
		}
	}
	if at >= len(where.parts)-1 {
		return -1
	}
	return at
}

func isUnredirected(rest []string) bool {
	for _, folders := range unredirected {
		if len(rest) > len(folders) && strings.EqualFold(strings.Join(rest[:len(folders)], `\`), strings.Join(folders, `\`)) {
			return true
		}
	}
	return false
}

// split returns the names in a path. Like Windows, it drops names that are empty or a dot.
func split(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, `\`) {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts
}

func driveOf(s string) string {
	if len(s) >= 2 && s[1] == ':' && isLetter(s[0]) {
		return s[:2]
	}
	return ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func cutFold(s, prefix string) (string, bool) {
	if !hasPrefixFold(s, prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isNumbered reports whether a name is a word and a number: "HarddiskVolume2".
func isNumbered(name, word string) bool {
	number, ok := cutFold(name, word)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}
