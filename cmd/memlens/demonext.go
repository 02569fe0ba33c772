package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"memlens/fs/fusefs"
)

// hollowedDemo is the directory of the demo's hollowed process: it runs another program than the file that is mapped there.
const hollowedDemo = "1912-svchost.exe"

// nextMounted prints what to do while the demo is mounted on dir.
func nextMounted(w io.Writer, dir, image string) {
	fmt.Fprintf(w, "\nIt stays mounted until Ctrl-C. Three things to do next, in another terminal:\n")
	nextPages(w, dir)
	nextOwn(w, fusefs.ShellQuote(image), "mkdir -p ~/memory && %s mount %s ~/memory")
}

// nextCopied prints what to do with the demo when it could not be mounted and was copied to dir, beside the image.
func nextCopied(w io.Writer, dir, image string) {
	fmt.Fprintf(w, "\nThe copy and its image stay there until you remove them: rm -r %s\nThree things to do next:\n", fusefs.ShellQuote(filepath.Dir(image)))
	nextPages(w, dir)
	nextOwn(w, fusefs.ShellQuote(image), "%s extract %s --out ~/memory")
}

// nextAnew prints what to do when the demo is gone.
func nextAnew(w io.Writer) {
	fmt.Fprintf(w, "\nIt is unmounted and gone now. Three things to do next:\n")
	nextStep(w, 1, "Make the demo's image again, and see all processes at http://127.0.0.1:8080/",
		fmt.Sprintf("%[1]s demo --write demo.raw && %[1]s serve demo.raw --reference demo.raw.originals", ownCommand()))
	nextStep(w, 2, "Look at the red one, in which another program runs than the file that is mapped there:", "http://127.0.0.1:8080/"+hollowedDemo+"/")
	nextOwn(w, "demo.raw", "mkdir -p ~/memory && %s mount %s ~/memory")
}

func nextPages(w io.Writer, dir string) {
	nextStep(w, 1, "See all processes in a browser:", opening(filepath.Join(dir, "index.html")))
	nextStep(w, 2, "Look at the red one, "+hollowedDemo+", in which another program runs than the file that is mapped there:",
		opening(filepath.Join(dir, hollowedDemo, "index.html")))
}

// nextOwn prints how to look into the user's own image. In the command, the demo's image stands for it.
func nextOwn(w io.Writer, image, command string) {
	nextStep(w, 3, fmt.Sprintf("Look into an image of your own, with its path in the place of %s:", image), fmt.Sprintf(command, ownCommand(), image))
}

func nextStep(w io.Writer, n int, what, command string) {
	fmt.Fprintf(w, "%d. %s\n   %s\n", n, what, command)
}

// opening returns the command that opens a page in a browser, or the page's address if there is no such command.
func opening(page string) string {
	command := "xdg-open"
	if runtime.GOOS == "darwin" {
		command = "open"
	}
	if _, err := exec.LookPath(command); err != nil {
		return (&url.URL{Scheme: "file", Path: filepath.ToSlash(page)}).String()
	}
	return command + " " + fusefs.ShellQuote(page)
}

// ownCommand returns the shell command that calls this program in the current folder.
func ownCommand() string {
	self, err := os.Executable()
	if err == nil && strings.Contains(filepath.ToSlash(self), "/go-build") { // "go run" puts the program there for a short time
		return "go run ./cmd/memlens"
	}
	return fusefs.ShellQuote(os.Args[0])
}
