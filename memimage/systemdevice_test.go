package memimage

import "testing"

func TestDeviceOf(t *testing.T) {
	for path, want := range map[string]string{
		`\Device\HarddiskVolume2\WINDOWS\system32\smss.exe`:      `\Device\HarddiskVolume2`,
		`\Device\Harddisk0\Partition1\Windows\System32\smss.exe`: `\Device\Harddisk0\Partition1`,
		`\Device\HarddiskVolume2\Users\a\smss.exe`:               ``, `\Device\HarddiskVolume2\Windows\System32\cmd.exe`: ``, `\Device\HarddiskVolume3\old\Windows\System32\smss.exe`: ``,
		`\Device\HarddiskVolume2\Windows\System32\wbem\wmi.exe`: ``,
		`\Windows\System32\smss.exe`:                            ``,
		`\Device\Mup\server\share\Windows\System32x\cmd.exe`:    ``,
		``: ``,
	} {
		if got := deviceOf(path, "Windows"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
