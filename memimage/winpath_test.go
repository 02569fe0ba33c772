package memimage

import "testing"

func TestPathsOfOneFile(t *testing.T) {
	for _, c := range []struct {
		kernel, claimed string
		want            pathRelation
	}{
		{`\Device\HarddiskVolume1\WINDOWS\system32\svchost.exe`, `C:\WINDOWS\system32\svchost.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\Explorer.EXE`, `C:\WINDOWS\explorer.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\system32\smss.exe`, `\SystemRoot\System32\smss.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\system32\csrss.exe`, `\??\C:\WINDOWS\system32\csrss.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\system32\csrss.exe`, `%SystemRoot%\system32\csrss.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\system32\csrss.exe`, `\\?\C:\WINDOWS\system32\csrss.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\system32\csrss.exe`, `csrss.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\system32\csrss.exe`, `C:/WINDOWS/temp/../system32/./csrss.exe`, sameFile},
		{`\WINDOWS\system32\csrss.exe`, `C:\WINDOWS\system32\csrss.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\SysWOW64\cmd.exe`, `C:\WINDOWS\System32\cmd.exe`, sameFile},
		{`\Device\HarddiskVolume1\WINDOWS\System32\cmd.exe`, `C:\WINDOWS\Sysnative\cmd.exe`, sameFile},
		{`\Device\HarddiskDmVolumes\HostDg0\Volume1\WINDOWS\a.exe`, `C:\WINDOWS\a.exe`, sameFile},
		{`\Device\Harddisk0\Partition1\WINDOWS\a.exe`, `C:\WINDOWS\a.exe`, sameFile},
		{`\Device\HarddiskVolume5\tools\a.exe`, `D:\tools\a.exe`, sameFile},
		{`\Device\HarddiskVolume5\tools\a.exe`, `\\?\Volume{12345678-0000-0000-0000-100000000000}\tools\a.exe`, sameFile},
		{`\Device\HarddiskVolume1\Users\u\tools\a.exe`, `S:\a.exe`, sameFile}, // subst
		{`\Device\Mup\server\share\tools\a.exe`, `Z:\tools\a.exe`, sameFile},
		{`\Device\Mup\server\share\a.exe`, `\\server\share\a.exe`, sameFile},
		{`\Device\Mup\server\share\a.exe`, `\\?\UNC\server\share\a.exe`, sameFile},
		{`\Device\LanmanRedirector\;Z:000000000000abcd\server\share\a.exe`, `\\server\share\a.exe`, sameFile},
		{`\Device\HarddiskVolume1\Program Files\A Program\program.exe`, `C:\PROGRA~1\APROGR~1\program.exe`, sameFile},
		{`\Device\HarddiskVolume1\PROGRA~1\APROGR~1\LONGNA~1.EXE`, `C:\Program Files\A Program\long name here.exe`, sameFile},
		{`\Device\HarddiskVolume1\tools\LO12AB~1.EXE`, `C:\tools\long name here.exe`, sameFile},
		{`\Device\HarddiskVolume1\tools\a.exe`, ``, sameFile},
		{``, `C:\tools\a.exe`, sameFile},

		{`\Device\HarddiskVolume1\Users\user\Dev\peb_masquerade.exe`, `C:\Windows\notepad.exe`, otherFile},
		{`\Users\user\Dev\peb_masquerade.exe`, `C:\Windows\notepad.exe`, otherFile},
		{`\Device\HarddiskVolume1\tools\LONGNA~1.EXE`, `C:\tools\svchost.exe`, otherFile},
		{`\Device\HarddiskVolume1\tools\svchost.exe`, `C:\tools\svchost.com`, otherFile},
		{`\Device\HarddiskVolume1\tools\svch0st.exe`, `C:\tools\svchost.exe`, otherFile},
		{`\Device\HarddiskVolume1\Users\u\svchost.exe`, `C:\WINDOWS\system32\svchost.exe`, otherFolder},
		{`\Users\u\svchost.exe`, `C:\WINDOWS\system32\svchost.exe`, otherFolder},
		{`\Device\HarddiskVolume1\Users\u\svchost.exe`, `\SystemRoot\system32\svchost.exe`, otherFolder},
		{`\Device\HarddiskVolume1\svchost.exe`, `C:\WINDOWS\system32\svchost.exe`, otherFolder},
		{`\Device\HarddiskVolume1\Users\u\WINDOWS\system32\svchost.exe`, `C:\WINDOWS\system32\svchost.exe`, otherFolder},
		{`\Device\HarddiskVolume1\Users\u\WINDOWS\system32\svchost.exe`, `\WINDOWS\system32\svchost.exe`, otherFolder},
	} {
		if got := comparePaths(c.kernel, c.claimed, `C:\WINDOWS`); got != c.want {
			t.Errorf("%s and %s: %d, want %d", c.kernel, c.claimed, got, c.want)
		}
	}
}

func TestShortNames(t *testing.T) {
	for _, c := range []struct {
		name, short string
		want        bool
	}{
		{"svchost.exe", "svchost.exe", true},
		{"SVCHOST.EXE", "svchost.exe", true},
		{"a_name_longer_than_it.exe", "a_name_longer_t", true},
		{"a_name_longer_than_it.exe", "a_name_longer_", true},
		{"notepad.exe", "peb_masquerade", false},
		{"notepad.exe", "evil.exe", false},
		{"a_name_longer.exe", "a_name_longer_t", false},
		{"notepad.exe", "", true},
		{"Zo€.exe", "Zo?.exe", true},
	} {
		if got := sameShortName(c.name, c.short); got != c.want {
			t.Errorf("%q and %q: %v", c.name, c.short, got)
		}
	}
}

func FuzzComparePaths(f *testing.F) {
	f.Add(`\Device\HarddiskVolume1\a~1.exe`, `C:\..\a.exe`, `C:\WINDOWS`)
	f.Add(`;`, `\??\`, ``)
	f.Fuzz(func(t *testing.T, kernel, claimed, root string) {
		comparePaths(kernel, claimed, root)
		if got := comparePaths(kernel, kernel, root); got == otherFile {
			t.Errorf("%q is not itself", kernel)
		}
	})
}

func TestPathKey(t *testing.T) {
	for path, want := range map[string]string{
		`\Device\HarddiskVolume1\Windows\System32\ntdll.dll`:           `\windows\system32\ntdll.dll`,
		`\Windows\System32\ntdll.dll`:                                  `\windows\system32\ntdll.dll`,
		`C:\WINDOWS\system32\NTDLL.DLL`:                                `\windows\system32\ntdll.dll`,
		`\??\C:\a\..\b.exe`:                                            `\b.exe`,
		`\SystemRoot\system32\drivers\a.sys`:                           `\windows\system32\drivers\a.sys`,
		`\Device\Harddisk0\Partition1\a.exe`:                           `\a.exe`,
		`\Device\HarddiskDmVolumes\group\Volume1\a.exe`:                `\a.exe`,
		`\??\Volume{8a7a7c0e-0000-0000-0000-100000000000}\a.exe`:       `\a.exe`,
		`\Device\Mup\server\share\a.exe`:                               ``,
		`\Device\LanmanRedirector\;Z:0000000000000\server\share\a.exe`: ``,
		`\??\UNC\server\share\a.exe`:                                   ``,
		`\\server\share\a.exe`:                                         ``,
		`\Device\HarddiskVolume1`:                                      ``,
		``:                                                             ``,
	} {
		if got := PathKey(path, `C:\WINDOWS`); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
