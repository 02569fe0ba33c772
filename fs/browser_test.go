package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"memlens/fs/httpfs"
	"memlens/memimage"
	"memlens/memimage/reference"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// browser is a page in a headless Chromium that notes every address it asks for, and everything it complains of.
type browser struct {
	t         *testing.T
	ctx       context.Context
	mu        sync.Mutex
	asked     []string
	complaint []string
}

// newBrowser opens a tab of the one browser of all tests.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	parent, err := chromium()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("MEMLENS_REQUIRE_TOOLS") != "1" {
		t.Skip("Chromium is not installed (Debian: chromium)")
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	var cancelTime context.CancelFunc
	b.ctx, cancelTime = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancelTime)
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	return b
}

// chromium starts the browser, once. To start it takes seconds.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := chromiumPath()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "memlens-chromium-*")
	if err != nil {
		return nil, err
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), chromedp.NoFirstRun, chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoSandbox, chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 1400),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewContext(alloc)
	stopChromium = func() {
		cancel()
		cancelAlloc()
		os.RemoveAll(profile)
	}
	return ctx, chromedp.Do(ctx)
})

// stopChromium ends the browser, after all tests.
var stopChromium = func() {}

func chromiumPath() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	return path, err
}

// call sends a command to the page.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, ev.Request.URL)
	case *log.EventEntryAdded:
		b.complaint = append(b.complaint, ev.Entry.Text+" "+ev.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complaint = append(b.complaint, ev.ExceptionDetails.Text)
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](b *browser, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// do evaluates statements in the page.
func (b *browser) do(js string) {
	b.t.Helper()
	eval[chromedp.Void](b, "(() => { "+js+" })()")
}

func (b *browser) text(js string) string {
	b.t.Helper()
	return eval[string](b, "String("+js+")")
}

// wait waits until an expression is true.
func (b *browser) wait(js string) {
	b.t.Helper()
	for range 200 {
		if eval[bool](b, "!!("+js+")") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.t.Fatalf("never true: %s\ncomplaints: %q", js, b.complaint)
}

// stayed checks that all requests were for addresses that begin with base, and that there was no complaint.
func (b *browser) stayed(base string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, url := range b.asked {
		if !strings.HasPrefix(url, base) && !strings.HasPrefix(url, "data:") {
			b.t.Errorf("the page asked for %s", url)
		}
	}
	if len(b.asked) == 0 {
		b.t.Error("no request was seen")
	}
	for _, c := range b.complaint {
		b.t.Errorf("the browser complains: %s", c)
	}
}

// frames waits until the page has been laid out anew, and its scripts have seen that: the event of a new size comes with the next
// frame.
func (b *browser) frames() {
	b.do("window.framed = false; requestAnimationFrame(() => requestAnimationFrame(() => { framed = true }))")
	b.wait("framed")
}

// screenshot keeps a picture of the page in $MEMLENS_SCREENSHOTS, to be looked at.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("MEMLENS_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// point moves the mouse to a dot of the stage.
func (b *browser) point(x, y float64) {
	b.t.Helper()
	b.do(`document.getElementById("stage").scrollIntoView()`)
	box := eval[struct{ X, Y float64 }](b, `(() => { const r = document.getElementById("stage").getBoundingClientRect(); return {X: r.left, Y: r.top} })()`)
	b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, box.X+x, box.Y+y))
}

// exported is the tree as files, as extract writes it, and its address.
func exported(t *testing.T, f *FS) string {
	t.Helper()
	dir := t.TempDir()
	err := iofs.WalkDir(f, ".", func(name string, d iofs.DirEntry, err error) error {
		if err != nil || name == "memory.raw" {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		return os.WriteFile(filepath.Join(dir, name), []byte(read(t, f, name)), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return "file://" + dir + "/"
}

// TestPagesInChromium opens the pages as files and over HTTP, uses them, and checks that they send no requests to other
// sites.
func TestPagesInChromium(t *testing.T) {
	f, _ := demo(t)
	server := httptest.NewServer(httpfs.Handler(f, httpfs.Options{Local: true}))
	defer server.Close()
	bases := map[string]string{"http": server.URL + "/"}
	if !testing.Short() { // the browser reads files that nothing serves
		bases["file"] = exported(t, f)
	}
	for name, base := range bases {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t)
			b.run(chromedp.Navigate(base + "index.html"))
			testGallery(b, name)
			b.run(chromedp.Navigate(base + "2284-notepad.exe/index.html"))
			testProcess(b, f, name)
			b.stayed(base)
		})
	}
}

func testGallery(b *browser, name string) {
	t := b.t
	b.wait(`[...document.querySelectorAll(".thumb img")].slice(0, 6).every(i => i.complete && i.naturalWidth > 0)`)
	b.screenshot("gallery-" + name)
	if got := b.text(`document.querySelectorAll("#gallery > li").length`); got != "12" {
		t.Errorf("%s processes", got)
	}
	b.run(chromedp.SendKeys(chromedp.CSS("#filter"), "svchost netsvcs"))
	if got := b.text(`[...document.querySelectorAll("#gallery > li:not([hidden]) h2")].map(h => h.textContent).join()`); got != "svchost.exe" {
		t.Errorf("filtered: %s", got)
	}
	if got := b.text(`document.getElementById("count").textContent`); got != "1 of 12 processes" {
		t.Errorf("count: %s", got)
	}
	b.do(`const f = document.getElementById("filter"); f.value = ""; f.dispatchEvent(new Event("input")); const s = document.getElementById("sort"); s.value = "name"; s.dispatchEvent(new Event("change"))`)
	if got := b.text(`document.querySelector("#gallery h2").textContent`); got != "cmd.exe" {
		t.Errorf("first by name: %s", got)
	}
}

func testProcess(b *browser, f *FS, name string) {
	t := b.t
	b.wait(`[...document.querySelectorAll(".layer img")].length === 2 && [...document.querySelectorAll(".layer img")].every(i => i.complete && i.naturalWidth === 88)`)
	b.screenshot("process-" + name)
	data := []byte(read(t, f, "2284-notepad.exe/procexedump.exe"))
	original := synth.DemoOriginals()["notepad.exe"]
	zoom := 12.0 // 1,098 pixels for 88 columns

	// Left of the slider's middle is the reference, right of it procexedump.exe; its page at 0x7000 is there.
	at := func(off int) (x, y float64) { return (float64(off/512) + .5) * zoom, float64(off%512) + .5 }
	readout := func() string {
		return b.text(`["file", "offset", "rva", "section", "byte", "source"].map(i => document.getElementById("at-" + i).textContent).join(" | ")`)
	}
	byteText := func(c byte) string {
		if c > ' ' && c < 0x7f {
			return fmt.Sprintf("%02x %c", c, c)
		}
		return fmt.Sprintf("%02x", c)
	}
	b.point(at(0x410))
	want := fmt.Sprintf("notepad.exe (reference) | 0x410 | 0x1010 | .text | %s | the reference file", byteText(original[0x410]))
	b.wait(`document.getElementById("at-byte").textContent !== "…"`)
	if got := readout(); got != want {
		t.Errorf("the pointer on the reference: %s\nwant %s", got, want)
	}
	b.point(at(0x7010))
	b.wait(`document.getElementById("at-byte").textContent !== "…"`)
	want = fmt.Sprintf("procexedump.exe | 0x7010 | 0x8010 | .rdata | %s | valid, by page table", byteText(data[0x7010]))
	if got := readout(); got != want {
		t.Errorf("the pointer on the dump: %s\nwant %s", got, want)
	}
	b.point(at(0xa100)) // .data, whose page is in no page table
	b.wait(`document.getElementById("at-byte").textContent === "not recovered"`)

	// The slider.
	b.do(`const s = document.getElementById("slider"); s.value = 0; s.dispatchEvent(new Event("input"))`)
	b.point(at(0x410))
	b.wait(`document.getElementById("at-file").textContent === "procexedump.exe"`)
	if got := b.text(`document.getElementById("layer-right").style.clipPath`); !strings.HasSuffix(got, "0px)") && got != "inset(0px)" {
		t.Errorf("the right picture is clipped to %s", got)
	}
	b.run(chromedp.Focus(chromedp.CSS("#slider")), chromedp.KeyEvent(kb.ArrowRight))
	if got := b.text(`document.getElementById("slider").value`); got != "1" {
		t.Errorf("the slider is at %s after a key", got)
	}

	// The probe, by the keyboard.
	b.run(chromedp.Focus(chromedp.CSS("#stage")), chromedp.KeyEvent(kb.Home))
	b.wait(`document.getElementById("spoken").textContent.includes("offset 0x0, RVA 0x0, section headers, byte 4d M")`)
	b.run(chromedp.KeyEvent(kb.ArrowDown))
	b.wait(`document.getElementById("spoken").textContent.includes("offset 0x1, ")`)

	// Blink.
	b.run(chromedp.Click(chromedp.CSS("#blink")))
	b.wait(`document.getElementById("blink").getAttribute("aria-pressed") === "true"`)
	b.wait(`document.getElementById("layer-left").style.clipPath.includes("0px 0px 0px") || document.getElementById("layer-left").style.clipPath === "inset(0px)"`)
	b.wait(`document.getElementById("divider").style.left === "0px"`)
	b.run(chromedp.Click(chromedp.CSS("#blink")))
	b.wait(`document.getElementById("blink").getAttribute("aria-pressed") === "false"`)

	// Whoever wants no motion switches by hand.
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-color-scheme", Value: "dark"}}})
	b.wait(`document.getElementById("blink").textContent === "Switch"`)
	b.run(chromedp.Click(chromedp.CSS("#blink")))
	b.wait(`document.getElementById("divider").style.left !== "0px"`)
	b.screenshot("process-dark-" + name)

	// Other pictures.
	b.do(`const s = document.getElementById("right"); s.value = "procmemdump.exe"; s.dispatchEvent(new Event("change"))`)
	b.wait(`document.querySelector("#layer-right img").naturalWidth === 144`)
}

// TestLargeFileInChromium points at bytes that are too many to lie in the page.
func TestLargeFileInChromium(t *testing.T) {
	corpus.Long(t)
	data := bytes.Repeat([]byte("0123456789abcde"), (2<<20)/15)
	exe := (&synth.PE{Bits: 32, Base: 0x400000, Sections: []synth.PESection{{Name: ".text", Data: data, Flags: synth.SectionCode}}}).Bytes()
	system := synth.Demo()
	system.Processes = append(system.Processes, synth.Process{PID: 777, PPID: 4, Name: "large.exe", Path: `C:\large.exe`, Image: &synth.Executable{File: exe}, Created: system.Time})
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	const off = 1_000_000
	original := bytes.Clone(exe)
	original[off] = '~' // which is in the reference alone
	f := tree(t, mem, Options{References: references(t, folder(t, map[string][]byte{"large.exe": original}))})
	server := httptest.NewServer(httpfs.Handler(f, httpfs.Options{Local: true}))
	defer server.Close()
	page := filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(page, []byte(read(t, f, "777-large.exe/index.html")), 0o644); err != nil {
		t.Fatal(err)
	}
	const nowhere = "not in this document (memlens serve shows it)"
	for base, want := range map[string][2]string{
		server.URL + "/777-large.exe/":       {"7e ~", fmt.Sprintf("%02x %c", exe[off], exe[off])},
		"file://" + filepath.Dir(page) + "/": {nowhere, nowhere},
	} {
		b := newBrowser(t)
		b.run(chromedp.Navigate(base + "index.html"))
		b.do(`const s = document.getElementById("scale"); s.value = "1"; s.dispatchEvent(new Event("change")); document.querySelector(".scroll").scrollLeft = 1500`)
		for i, of := range []string{"large.exe (reference)", "procexedump.exe"} { // left and right of the slider
			b.do(fmt.Sprintf(`const s = document.getElementById("slider"); s.value = %d; s.dispatchEvent(new Event("input"))`, 1000-1000*i))
			b.point(off/512+.5, off%512+.5)
			b.wait(`document.getElementById("at-file").textContent === "` + of + `" && !["…", "–"].includes(document.getElementById("at-byte").textContent)`)
			if got := b.text(`document.getElementById("at-offset").textContent + " " + document.getElementById("at-byte").textContent`); got != fmt.Sprintf("%#x %s", off, want[i]) {
				t.Errorf("%s of %s: %s, want %s at %#x", of, base, got, want[i], off)
			}
		}
		if strings.HasPrefix(base, "http") {
			b.stayed(server.URL + "/")
		}
		b.screenshot("large")
	}
}

// brokenTitles lists the titles of a page in which an extension is on two lines.
const brokenTitles = `[...document.querySelectorAll("h1, h2, h3, .alarm strong, .crumb")].flatMap((title) => {
	const out = [], walk = document.createTreeWalker(title, NodeFilter.SHOW_TEXT);
	for (let text = walk.nextNode(); text; text = walk.nextNode())
		for (const m of text.data.matchAll(/\.[A-Za-z]\w{0,4}(?!\w)/g)) {
			const range = document.createRange();
			range.setStart(text, m.index);
			range.setEnd(text, m.index + m[0].length);
			if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) out.push(title.textContent);
		}
	return out;
}).join()`

// TestTitlesOnAPhoneInChromium shows long names in a narrow window, of many widths: no extension is on two lines, and nothing is
// wider than the window.
func TestTitlesOnAPhoneInChromium(t *testing.T) {
	corpus.Long(t)
	system := synth.Demo()
	system.RAM = 16 << 20
	for i := range system.Processes {
		if p := &system.Processes[i]; p.PID == 2284 {
			p.Path = `C:\Program Files\Common Files\aprogramwithsuchalongnamethatitdoesnotfit.exe`
		}
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	im, err := memimage.OpenMemory(t.Context(), "accountingworkstationwin10x64fullmemory.raw.zst", mem.Reader, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := New(im, Options{References: references(t, folder(t, map[string][]byte{
		"averylongnameofareferencewithoutanyhyphenorspace.dll.exe": synth.DemoOriginals()["notepad.exe"]}))})
	server := httptest.NewServer(httpfs.Handler(f, httpfs.Options{Local: true}))
	defer server.Close()
	b := newBrowser(t)
	for _, page := range []string{"index.html", "2284-notepad.exe/index.html", "scanned/index.html"} {
		b.run(chromedp.Navigate(server.URL + "/" + page))
		for width := int64(342); width <= 430; width += 8 {
			call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: false})
			b.frames()
			if got := b.text(brokenTitles); got != "" {
				t.Errorf("%s, %d pixels wide: an extension is on two lines in %s", page, width, got)
			}
			if got := b.text(`document.documentElement.scrollWidth - innerWidth`); got != "0" {
				t.Errorf("%s, %d pixels wide: %s pixels are beside the window", page, width, got)
			}
			if width == 390 {
				b.screenshot("narrow-" + strings.ReplaceAll(page, "/", "-"))
			}
		}
	}
}

// TestHostileNamesInChromium shows names that try to run as scripts.
func TestHostileNamesInChromium(t *testing.T) {
	corpus.Long(t)
	f := hostile(t)
	server := httptest.NewServer(httpfs.Handler(f, httpfs.Options{Local: true}))
	defer server.Close()
	b := newBrowser(t)
	b.run(chromedp.Navigate(server.URL + "/index.html"))
	b.wait(`document.readyState === "complete"`)
	b.screenshot("hostile")
	link := b.text(`[...document.querySelectorAll("#gallery a")].find(a => a.href.includes("666-")).href`)
	b.run(chromedp.Navigate(link))
	b.wait(`document.readyState === "complete" && document.getElementById("stage").clientWidth > 0`)
	b.screenshot("hostile-process")
	if got := b.text(`window.pwned`); got != "undefined" {
		t.Errorf("a name ran as a script: %s", got)
	}
	if got := b.text(`document.querySelector(".facts .mono").textContent`); !strings.Contains(got, hostileText) {
		t.Errorf("the command line is shown as %q", got)
	}
	if got := b.text(`document.body.textContent`); strings.Contains(got, "\u202e") || !strings.Contains(got, `\u{202e}exe.fdp`) {
		t.Error("a name turns the direction of writing")
	}
	if got := b.text(`document.querySelectorAll("img[src=x], base, iframe, object").length`); got != "0" {
		t.Errorf("%s elements came out of names", got)
	}
	b.stayed(server.URL + "/")
}

const hostileText = `</script><script>window.pwned=1</script><img src=x onerror="window.pwned=2">`

// hostile is a system with a process whose names all attack the program that shows them.
func hostile(t *testing.T) *FS {
	t.Helper()
	system := synth.Demo()
	system.RAM = 16 << 20
	exe := (&synth.PE{Bits: 32, Base: 0x400000, Sections: []synth.PESection{
		{Name: "<script>", Data: bytes.Repeat([]byte("<script>window.pwned=3</script>"), 300), Flags: synth.SectionCode},
		{Name: `"'</td>`, Data: bytes.Repeat([]byte{1, 2, 3, 4}, 2000), Flags: synth.SectionReadOnly},
	}}).Bytes()
	system.Processes = append(system.Processes, synth.Process{
		PID: 666, PPID: 4, Name: `"><img src=x>`, Path: `C:\` + hostileText, CommandLine: "x " + hostileText + "\u202eexe.fdp",
		Image: &synth.Executable{File: exe}, Created: system.Time,
	})
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{`<svg onload=window.pwned=4>`, `"onmouseover="window.pwned=5`} {
		if err := os.WriteFile(filepath.Join(dir, name), exe, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	refs, err := reference.Open(context.Background(), []string{filepath.Join(dir, `<svg onload=window.pwned=4>`), filepath.Join(dir, `"onmouseover="window.pwned=5`)}, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tree(t, mem, Options{References: refs})
}
