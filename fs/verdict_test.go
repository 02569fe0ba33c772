package fs

import (
	"bytes"
	"fmt"
	"image/png"
	iofs "io/fs"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"memlens/fs/httpfs"
	"memlens/memimage/integrity"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
	"memlens/render/figure"
)

const (
	hollowedPage = "1912-svchost.exe/" + indexName
	hookedPage   = "1724-explorer.exe/" + indexName
)

// TestVerdictsOnPages reads the pages of the demo's hollowed process, of its hooked one, and of a clean one.
func TestVerdictsOnPages(t *testing.T) {
	f, _ := demo(t)
	for _, c := range []struct{ page, want string }{
		{indexName, `data-pid="1912"[^>]*data-grade="4"[^>]*><article class="card v4">\s*<p class="verdict v4"><bdi>not the file that it claims to be`},
		{indexName, `data-pid="1724"[^>]*data-grade="3"[^>]*><article class="card v3">\s*<p class="verdict v3"><bdi>ntdll.dll: 5 bytes of code changed`},
		{indexName, `data-pid="3256"[^>]*data-grade="0"[^>]*><article class="card v0">\s*<p class="verdict v0"><bdi>no change found<`},
		{indexName, `<p class="alarm v4"><strong><bdi>svchost<wbr>.exe, process 1912</bdi></strong> [^\n]*<a href="./1912-svchost.exe/index.html">`},
		{indexName, `<a href="drivers.csv">`},
		{hollowedPage, `<p class="alarm v4"><strong><bdi>svchost<wbr>.exe</bdi></strong> [^\n]*<a href="#beside">`},
		{hollowedPage, `<span class="badge v4">not the file that it claims to be: the header in memory is of another program`},
		{hookedPage, `<p class="alarm v3"><strong><bdi>ntdll<wbr>.dll</bdi></strong> <span><bdi>5 bytes of code changed</bdi></span> <a href="#m2">`},
		{hookedPage, `<span class="badge v0">equal to its file in all`},
		{hookedPage, `<section class="module" id="ntdll.dll"`},
		{hookedPage, `<img src="./modules/7c900000-ntdll.dll/modified.png"`},
	} {
		if page := read(t, f, c.page); !regexp.MustCompile(c.want).MatchString(page) {
			t.Errorf("%s does not match %s", c.page, c.want)
		}
	}
	if page := read(t, f, "3256-cmd.exe/"+indexName); strings.Contains(page, `class="alarm`) {
		t.Error("a clean process has an alarm")
	}
}

// TestPagesHaveTheirSizes compares sizes that are known without verdicts with the bytes, of processes of every kind.
func TestPagesHaveTheirSizes(t *testing.T) {
	corpus.Long(t)
	f, _ := demo(t)
	g := hostile(t)
	for _, f := range []*FS{f, g} {
		pages := []string{indexName, "scanned/" + indexName}
		dirs, err := iofs.Glob(f, "*-*/"+indexName)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(pages, dirs...) {
			info, err := iofs.Stat(f, name)
			if err != nil {
				t.Fatal(err)
			}
			if page := read(t, f, name); int64(len(page)) != info.Size() || !strings.HasSuffix(strings.TrimRight(page, " \n"), "</html>") {
				t.Errorf("%s: %d bytes, %d were announced", name, len(page), info.Size())
			}
		}
	}
}

// TestModifiedPictures draws the images of the demo's processes, and finds the colours of the changes to them.
func TestModifiedPictures(t *testing.T) {
	f, _ := demo(t)
	red, code := [3]uint32{0xc8, 0x00, 0x20}, [3]uint32{0xfd, 0x30, 0x00}
	for name, want := range map[string]map[[3]uint32]bool{
		"1912-svchost.exe/modified.png":                              {red: true, code: false},
		"1912-svchost.exe/modules/01000000-svchost.exe/modified.png": {red: true, code: false},
		"1724-explorer.exe/modified.png":                             {red: false, code: false},
		"1724-explorer.exe/modules/7c900000-ntdll.dll/modified.png":  {red: false, code: true},
	} {
		info, err := iofs.Stat(f, name)
		if err != nil {
			t.Fatal(err)
		}
		data := read(t, f, name)
		if int64(len(data)) != info.Size() {
			t.Errorf("%s: %d bytes, %d were announced", name, len(data), info.Size())
		}
		p, err := png.Decode(bytes.NewReader([]byte(data)))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[[3]uint32]int{}
		for y := 150; y < 660; y++ { // of the plot, not of the legend
			for x := range p.Bounds().Dx() {
				r, g, b, _ := p.At(x, y).RGBA()
				seen[[3]uint32{r >> 8, g >> 8, b >> 8}]++
			}
		}
		for color, there := range want {
			if n := seen[color]; n > 0 != there {
				t.Errorf("%s: %d pixels are %x", name, n, color)
			}
		}
	}
}

// TestEachCauseHasAClass asks for the class of all causes, and of one that there is not: that is the gravest.
func TestEachCauseHasAClass(t *testing.T) {
	seen := map[figure.Class]bool{}
	for c := range 14 {
		seen[causeClass(integrity.Cause(c))] = true
	}
	if len(seen) != 9 {
		t.Errorf("%d classes: %v", len(seen), seen)
	}
}

// TestAnchors leads to modules by their names: never to a mark of the page itself, and to each of two of one name.
func TestAnchors(t *testing.T) {
	taken := map[string]bool{}
	for _, c := range [][2]string{{"ntdll.dll", "ntdll.dll"}, {"NTDLL.DLL", "NTDLL.DLL~2"}, {"stage", "module.stage"}, {"", "module."}, {"m2", "module.m2"}} {
		if got := anchor(c[0], taken); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

func TestBoundedTexts(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("&", 500), strings.Repeat("é<", 500), strings.Repeat("\u202e", 100), strings.Repeat("'+\"", 100)} {
		if got := bounded(s, 80); len(got) > 80 || strings.ContainsAny(string(got), "<>\"") || strings.HasSuffix(string(got), "&") {
			t.Errorf("%q: %q", s, got)
		}
	}
}

// TestVerdictsInChromium looks at the pages with and without scripts, in light and in the dark.
func TestVerdictsInChromium(t *testing.T) {
	corpus.Long(t)
	f, _ := demo(t)
	server := httptest.NewServer(httpfs.Handler(f, httpfs.Options{Local: true}))
	defer server.Close()
	b := newBrowser(t)
	for _, scheme := range []string{"light", "dark"} {
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		b.run(chromedp.Navigate(server.URL + "/index.html"))
		b.wait(`document.readyState === "complete"`)
		b.wait(`[...document.querySelectorAll(".thumb img")].every(i => (i.loading = "eager", i.complete && i.naturalWidth > 0))`)
		b.screenshot("verdicts-gallery-" + scheme)
		card := `getComputedStyle(document.querySelector("[data-pid='1912'] .verdict")).backgroundColor`
		if got := b.text(card); got != "rgb(200, 0, 32)" {
			t.Errorf("%s: the hollowed process is %s", scheme, got)
		}
		b.run(chromedp.Navigate(server.URL + "/" + hollowedPage))
		b.wait(`document.readyState === "complete"`)
		b.screenshot("verdicts-hollowed-" + scheme)
		b.run(chromedp.Navigate(server.URL + "/" + hookedPage + "#NTDLL.DLL")) // in other letters
		b.wait(`location.hash === "#ntdll.dll" && document.getElementById("ntdll.dll").clientHeight > 0`)
		b.wait(`[...document.querySelectorAll("#ntdll\\.dll img")].every(i => (i.loading = "eager", i.complete && i.naturalWidth > 0))`)
		b.screenshot("verdicts-hooked-" + scheme)
		if got := b.text(`[...document.querySelectorAll(".module")].filter(m => m.clientHeight > 0).length`); got != "1" {
			t.Errorf("%s modules are shown", got)
		}
	}
	b.run(chromedp.Navigate(server.URL + "/index.html"))
	b.do(`const s = document.getElementById("sort"); s.value = "grade"; s.dispatchEvent(new Event("change"))`)
	if got := b.text(`[...document.querySelectorAll("#gallery li")].slice(0, 2).map(l => l.dataset.pid).join()`); got != "1912,1724" {
		t.Errorf("the gravest are %s", got)
	}
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.run(chromedp.Navigate(server.URL + "/" + hookedPage + "#ntdll.dll"))
	b.wait(`document.readyState === "complete" && document.getElementById("ntdll.dll").clientHeight > 0`)
	b.stayed(server.URL + "/")
}

// TestManyModulesOnAPage has modules of hostile names: the sizes of the pages hold.
func TestManyModulesOnAPage(t *testing.T) {
	system := synth.Demo()
	p := &system.Processes[0]
	for i := range 40 {
		name := fmt.Sprintf("lib%d&'+<.dll", i)
		exe := synth.NewProgram(synth.Program{Name: name, Base: 0x10000000 + uint64(i)<<20, Code: 0x800, DLL: true, Bits: 32})
		m := synth.Module{Image: exe, Path: `C:\` + name, Private: i%3 == 0, Protect: synth.ExecuteReadWrite}
		if i%3 == 1 {
			m.Mangle = func(b []byte) { copy(b[0x1000:], "\xe9changed") }
		}
		p.Modules = append(p.Modules, m)
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	f := tree(t, mem, Options{})
	name := "368-smss.exe/" + indexName
	info, err := iofs.Stat(f, name)
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, f, name)
	if int64(len(page)) != info.Size() || strings.Count(page, `class="alarm`) != maxAlarms || strings.Count(page, `class="module"`) != 43 {
		t.Errorf("%d bytes of %d, %d alarms, %d modules", len(page), info.Size(), strings.Count(page, `class="alarm`), strings.Count(page, `class="module"`))
	}
	if gallery := read(t, f, indexName); !strings.Contains(gallery, "; and in 13 more") {
		t.Errorf("the gallery does not count the modules: %q", regexp.MustCompile(`[^>]*; and in [^<]*`).FindAllString(gallery, -1))
	}
}
