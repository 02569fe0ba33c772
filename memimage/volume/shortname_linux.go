package volume

import "golang.org/x/sys/unix"

// shortName returns the 8.3 name of a file, if the tool that mounts the volume provides it: ntfs-3g does. Empty: not
// known.
func (t *folderTree) shortName(path string) string {
	f, err := t.fs.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	var name [64]byte
	n, err := unix.Fgetxattr(int(f.Fd()), "system.ntfs_dos_name", name[:])
	if err != nil {
		return ""
	}
	return string(name[:n])
}
