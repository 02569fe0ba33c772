package format

import (
	"fmt"
	"strings"
)

// Form is a form of container, or several forms under one description, and the evidence that it is read as other
// programs write it.
type Form struct {
	What string // a description in a few words
	// Names are the beginnings of its names in [Image.Format]. If the beginnings of several forms fit, the longest
	// counts.
	Names []string
	// Writers names programs of others whose files were read back byte for byte; empty: no such file was available.
	Writers string
	// After names the sources that the reader was written from, if there is no such file: documentation, and public
	// code of two authors.
	After string
}

// Forms lists all forms that are opened.
func Forms() []Form {
	return []Form{
		{What: "raw, also with --memmap; .vmem alone", Names: []string{"raw", "VMware .vmem alone"}, Writers: "any: the bytes are those of the memory"},
		{What: "split files: .001, xaa, x00, image.raw.aa, image.raw.1", Names: []string{"split"}, Writers: "split (coreutils), 7-Zip"},
		{What: "Microsoft crash dump, full", Names: []string{"Microsoft crash dump, 64-bit, full", "Microsoft crash dump, 32-bit, full"}, Writers: "elf2dmp (QEMU), Bin2Dmp"},
		{What: "Microsoft crash dump of active or kernel memory, by bitmap or page ranges", Names: []string{"Microsoft crash dump", "Microsoft crash dump, 64-bit, full by bitmap", "Microsoft crash dump, 32-bit, full by bitmap"},
			After: "Microsoft's documentation, volatility 3 and kdmp-parser"},
		{What: "ELF core: QEMU, libvirt, Xen, pmem, 32-bit", Names: []string{"ELF core"}, Writers: "QEMU, libvirt, Xen's libxenguest, c-aff4"},
		{What: "ELF core of VirtualBox", Names: []string{"ELF core, 64-bit, VirtualBox", "ELF core, 32-bit, VirtualBox"}, After: "the source of VirtualBox, and Reven's reader of its cores"},
		{What: "LiME, AVML", Names: []string{"LiME", "AVML"}, Writers: "LiME, AVML"},
		{What: "hibernation file, Windows XP to 11 25H2", Names: []string{"Windows hibernation file"},
			After: "Microsoft's symbols, LeechCore, volatility 2 and Hibr2Bin; its compression was tried on what Windows and wimlib packed"},
		{What: "VMware .vmss, .vmsn, and .vmem with one of them", Names: []string{"VMware"}, After: "crash and volatility"},
		{What: "kdump, also flattened", Names: []string{"kdump-compressed", "makedumpfile flattened"}, Writers: "QEMU, makedumpfile, libvirt"},
		{What: "QEMU migration stream, libvirt save", Names: []string{"QEMU migration stream", "libvirt save"}, Writers: "QEMU, libvirt"},
		{What: "DumpIt .zdmp", Names: []string{"DumpIt .zdmp"}, After: "Z2Dmp of its maker, and of another; a block that DumpIt had packed was unpacked"},
		{What: "EWF: .E01, .s01", Names: []string{"EWF"}, Writers: "ewfacquire (libewf)"},
		{What: "AFF4", Names: []string{"AFF4"}, Writers: "c-aff4 (WinPmem 2 and 3), pyaff4, Evimetry"},
		{What: "AFF", Names: []string{"AFF"}, Writers: "AFFLIB"},
		{What: "HPAK of FDPro", Names: []string{"HPAK"}, After: "volatility 2, its reader and its documentation"},
		{What: "minidump of one process, with its memory", Names: []string{"Windows minidump of a process"}, Writers: "Wine's dbghelp"},
		{What: "any of them in zip, gzip, bzip2, xz, lzma, zstd, lz4, zlib, snappy or S2", Names: []string{"zip", "gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "zlib", "snappy", "S2"},
			Writers: "Info-ZIP, 7-Zip, gzip, pigz, bzip2, pbzip2, xz, zstd, pzstd, lz4, LiME, WinPmem 4"},
	}
}

// FormsTable is the table of forms in Markdown.
func FormsTable() string {
	var b strings.Builder
	b.WriteString("| Form | Known to be read rightly by |\n|---|---|\n")
	for _, f := range Forms() {
		by := "files of " + f.Writers
		switch {
		case f.After != "":
			by = "the documentation only: " + f.After
		case strings.HasPrefix(f.Writers, "any"):
			by = f.Writers
		}
		fmt.Fprintf(&b, "| %s | %s |\n", f.What, by)
	}
	return b.String()
}

// formOf returns the form of one container by its name in [Image.Format], and which of the form's names fits; "" when
// no form does.
func formOf(name string) (form Form, by string) {
	for _, f := range Forms() {
		for _, n := range f.Names {
			if strings.HasPrefix(name, n) && len(n) > len(by) {
				form, by = f, n
			}
		}
	}
	return form, by
}

// unproved returns the note on a container for which no file of another program was available; none for other
// containers. It is called before the image is taken out of the container around it.
func (im *Image) unproved() []string {
	own, _, _ := strings.Cut(im.Format, ": ")
	if f, _ := formOf(own); f.After != "" {
		return []string{fmt.Sprintf("This form (%s) is read from the documentation only: the reader follows %s, and no file of another program could be had to try it on.", own, f.After)}
	}
	return nil
}
