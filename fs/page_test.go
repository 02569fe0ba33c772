package fs

import "testing"

func TestBreakable(t *testing.T) {
	for name, want := range map[string]string{
		"explorer.exe":        "explorer<wbr>.exe",
		"disk.raw.zst":        "disk<wbr>.raw<wbr>.zst",
		`C:\a\b.exe`:          `C:\<wbr>a\<wbr>b<wbr>.exe`,
		"/usr/b":              "/<wbr>usr/<wbr>b",
		`<img src="x.png">&'`: "&lt;img src=&#34;x<wbr>.png&#34;&gt;&amp;&#39;",
		"":                    "",
	} {
		if got := string(breakable(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
