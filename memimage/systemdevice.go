package memimage

import "strings"

// SystemDevice returns the device of the volume that Windows runs from, such as "\Device\HarddiskVolume2". The kernel's
// paths of the system's own programs begin with it. Empty where no such path can be read.
func (im *Image) SystemDevice() string { return im.systemDevice() }

func (im *Image) findSystemDevice() string {
	_, folder, ok := strings.Cut(im.Kernel.Root, `:\`)
	if !ok || folder == "" {
		return ""
	}
	processes, _ := im.Processes()
	for _, p := range processes {
		if device := deviceOf(p.AuditPath(), folder); device != "" {
			return device
		}
	}
	return ""
}

// deviceOf returns the device of the path of one of the system's first programs, which run from Windows' own volume only; empty
// for another path.
func deviceOf(path, windows string) string {
	for _, program := range []string{"smss.exe", "csrss.exe"} {
		end := `\` + windows + `\System32\` + program
		n := len(path) - len(end)
		if n > 0 && strings.EqualFold(path[n:], end) && hasPrefixFold(path, `\Device\`) && isVolume(strings.Split(path[1:n], `\`)) {
			return path[:n]
		}
	}
	return ""
}
