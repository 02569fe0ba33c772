package restore_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// builder compiles and links the programs of testdata/mapper in its own folder.
type builder struct {
	t    testing.TB
	dir  string
	objs map[string]string // by target and flags
}

// mapperTools are the tools that build the programs.
var mapperTools = []string{"clang", "lld-link", "llvm-dlltool", "i686-w64-mingw32-gcc", "x86_64-w64-mingw32-gcc", "openssl", "osslsigncode"}

// requireTools skips the test where a tool is missing, or fails it where the tools are required.
func requireTools(t testing.TB) {
	for _, tool := range mapperTools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		} else if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed (Debian: clang lld llvm gcc-mingw-w64 openssl osslsigncode)", tool)
	}
}

func newBuilder(t testing.TB) *builder {
	return &builder{t, t.TempDir(), map[string]string{}}
}

func (b *builder) path(name string) string { return filepath.Join(b.dir, name) }

// run runs a tool in the folder of the sources.
func (b *builder) run(name string, args ...string) {
	b.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join("testdata", "mapper")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// target is a processor by its names in the tools.
type target struct{ clang, machine string }

var (
	x86   = target{"i686", "i386"}
	x64   = target{"x86_64", "i386:x86-64"}
	arm64 = target{"aarch64", "arm64"}
)

// importLibrary makes an import library.
func (b *builder) importLibrary(t target, name string) string {
	key := name + "-" + t.clang + ".lib"
	if b.objs[key] == "" {
		b.objs[key] = b.path(key)
		b.run("llvm-dlltool", "-m", t.machine, "-d", name+".def", "-l", b.objs[key])
	}
	return b.objs[key]
}

// object compiles clang.c.
func (b *builder) object(t target, defines string) string {
	key := t.clang + " " + defines
	if b.objs[key] == "" {
		b.objs[key] = b.path(fmt.Sprintf("%d.obj", len(b.objs)))
		args := []string{"-target", t.clang + "-windows-msvc", "-O1", "-ffreestanding", "-fno-stack-protector", "-mno-stack-arg-probe", "-w", "-c"}
		if strings.Contains(defines, "GUARD") {
			args = append(args, "-Xclang", "-cfguard")
		}
		for _, d := range strings.Fields(defines) {
			args = append(args, "-D"+d)
		}
		b.run("clang", append(args, "clang.c", "-o", b.objs[key])...)
	}
	return b.objs[key]
}

// clang compiles and links a program with lld.
func (b *builder) clang(t target, defines, flags string) []byte {
	out := b.path("out.exe")
	args := []string{"/nologo", "/entry:start", "/subsystem:console", "/nodefaultlib", "/timestamp:0", "/out:" + out, b.object(t, defines)}
	if t == x86 {
		args = append(args, "/safeseh:no")
	}
	for _, l := range [][2]string{{"IMPORTS", "other"}, {"DELAY", "late"}, {"CLR", "mscoree"}} {
		if strings.Contains(defines, l[0]) {
			args = append(args, b.importLibrary(t, l[1]))
		}
	}
	if strings.Contains(defines, "DELAY") {
		args = append(args, "/delayload:late.dll")
	}
	b.run("lld-link", append(args, strings.Fields(flags)...)...)
	return b.file(out)
}

// mingw builds a program with a C library. It compiles mingw.c once for each set of definitions.
func (b *builder) mingw(arch, defines, flags string) []byte {
	compiler, key := arch+"-w64-mingw32-gcc", arch+" "+defines
	if b.objs[key] == "" {
		b.objs[key] = b.path(fmt.Sprintf("%d.o", len(b.objs)))
		b.run(compiler, append([]string{"-O1", "-c", "mingw.c", "-o", b.objs[key]}, strings.Fields(defines)...)...)
	}
	out := b.path("out.exe")
	b.run(compiler, append([]string{b.objs[key], "-o", out, "-Wl,--no-insert-timestamp"}, strings.Fields(flags)...)...)
	return b.file(out)
}

func (b *builder) file(path string) []byte {
	raw, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	os.Remove(path)
	return raw
}

// signed signs a file with a certificate that the test makes.
func (b *builder) signed(raw []byte) []byte {
	key, cert, in, out := b.path("key.pem"), b.path("cert.pem"), b.path("in.exe"), b.path("out.exe")
	if _, err := os.Stat(cert); err != nil {
		b.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=memlens test")
	}
	if err := os.WriteFile(in, raw, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.run("osslsigncode", "sign", "-certs", cert, "-key", key, "-in", in, "-out", out)
	return b.file(out)
}

// most are the features that a program of Microsoft's linker has.
const most = "IMPORTS POINTERS TLS DELAY GUARD"

// built compiles all programs, by name.
func (b *builder) built() map[string][]byte {
	files := map[string][]byte{}
	for name, t := range map[string]target{"x86": x86, "x64": x64, "arm64": arm64} {
		b.clangPrograms(files, name, t)
	}
	for name, arch := range map[string]string{"x86": "i686", "x64": "x86_64"} {
		files["mingw "+name] = b.mingw(arch, "", "-s")
		files["mingw symbols "+name] = b.mingw(arch, "-DSHARED", "")
		files["mingw fixed "+name] = b.mingw(arch, "", "-s -Wl,--disable-dynamicbase -Wl,--disable-reloc-section")
		files["mingw not dynamic "+name] = b.mingw(arch, "", "-s -Wl,--disable-dynamicbase -Wl,--image-base,0x3210000")
		files["mingw dll "+name] = b.mingw(arch, "-DDLL", "-s -shared -Wl,--dynamicbase")
		files["mingw file alignment "+name] = b.mingw(arch, "", "-s -Wl,--file-alignment,4096 -Wl,--dynamicbase -Wl,--image-base,0x6680000")
		files["mingw signed "+name] = b.signed(files["mingw "+name])
	}
	files["big x64"] = b.big()
	files["bound x86"] = bind(files["all x86"])
	files["import table not lookup x64"] = otherThunks(files["all x64"])
	files[".net x86"] = clr(b.clang(x86, "IMPORTS CLR", "/dynamicbase"))
	return files
}

func (b *builder) clangPrograms(files map[string][]byte, name string, t target) {
	add := func(what, defines, flags string) []byte {
		raw := b.clang(t, defines, flags)
		files[what+" "+name] = raw
		return raw
	}
	all := add("all", most, "/guard:cf /debug:none")
	files["all, sum "+name] = withCheckSum(bytes.Clone(all))
	files["signed "+name] = b.signed(all)
	add("plain", "IMPORTS", "/dynamicbase")
	add("base", most, "/guard:cf "+unusual(t, 0x0234))
	files["base, sum "+name] = withCheckSum(add("base, sum", "IMPORTS POINTERS", unusual(t, 0x2100)))
	files["base, signed "+name] = b.signed(add("base, signed", "IMPORTS POINTERS DELAY", unusual(t, 0x1357)))
	add("dll", most, "/guard:cf /dll /noentry")
	if t != arm64 { // it has no programs that cannot be moved
		add("not dynamic", most, "/dynamicbase:no /guard:no "+unusual(t, 0x4400))
		add("fixed", "IMPORTS POINTERS TLS", "/fixed "+unusual(t, 0x0500))
	}
	add("merged", most, "/guard:cf /merge:.rdata=.text /merge:.00cfg=.text")
	add("writable", most+" SHARED SELFMODIFYING", "/guard:cf /section:.shr,rws /section:.smc,erw /section:.text,erw")
	add("low alignment", "IMPORTS POINTERS", "/align:512 /filealign:512 /driver /subsystem:native")
	add("file alignment", "IMPORTS POINTERS", "/filealign:4096")
	add("debug", "IMPORTS POINTERS", "/debug /pdb:"+b.path("x.pdb"))
}

// unusual names a base that no linker chooses by itself.
func unusual(t target, n int) string {
	if t == x86 {
		return fmt.Sprintf("/base:%#x", n<<16)
	}
	return fmt.Sprintf("/base:%#x", 0x140000000+n<<16)
}

// big builds a file of three megabytes in many sections.
func (b *builder) big() []byte {
	obj, out := b.path("big.obj"), b.path("out.dll")
	b.run("clang", "-target", "x86_64-windows-msvc", "-c", "big.s", "-o", obj)
	b.run("lld-link", "/nologo", "/noentry", "/dll", "/timestamp:0", "/out:"+out, obj)
	return b.file(out)
}

// the DLL that imports are bound to
const (
	boundBase  = 0x77e4_0000
	boundStamp = 0x3b7d8400
)

// bind binds the imports of a file as Microsoft's bind.exe does: the import address table holds the addresses that the
// functions had in DLLs of that time.
func bind(raw []byte) []byte {
	raw = bytes.Clone(raw)
	f, err := parsePE("", raw)
	if err != nil {
		panic(err)
	}
	directory := make([]byte, 0, 64)
	for d := f.offset(int64(f.dirs[dirImport].rva)); f.raw.u32(d+12) != 0; d += 20 {
		binary.LittleEndian.PutUint32(raw[d+4:], 0xffffffff)
		directory = binary.LittleEndian.AppendUint32(directory, boundStamp)
		directory = binary.LittleEndian.AppendUint32(directory, 24)
		for at := f.offset(int64(f.raw.u32(d + 16))); f.raw.uint(at, f.pointer()) != 0; at += int64(f.pointer()) {
			copy(raw[at:], binary.LittleEndian.AppendUint64(nil, boundBase+0x1230+uint64(at))[:f.pointer()])
		}
	}
	// IMAGE_BOUND_IMPORT_DESCRIPTORs and a name behind the section table
	at := f.tableAt + 40*int64(len(f.sections))
	directory = append(directory[:8:8], make([]byte, 16)...)
	copy(raw[at:], append(directory, "other.dll\x00"...))
	binary.LittleEndian.PutUint32(raw[f.dirsAt+8*dirBound:], uint32(at))
	binary.LittleEndian.PutUint32(raw[f.dirsAt+8*dirBound+4:], uint32(len(directory)+10))
	return raw
}

// otherThunks makes the import address table hold other numbers than the lookup table.
func otherThunks(raw []byte) []byte {
	raw = bytes.Clone(raw)
	f, err := parsePE("", raw)
	if err != nil {
		panic(err)
	}
	for d := f.offset(int64(f.dirs[dirImport].rva)); f.raw.u32(d+12) != 0; d += 20 {
		for at := f.offset(int64(f.raw.u32(d + 16))); f.raw.uint(at, f.pointer()) != 0; at += int64(f.pointer()) {
			raw[at] ^= 0x31
		}
	}
	return raw
}

// clr points the directory of the common language runtime at the header in the file.
func clr(raw []byte) []byte {
	f, err := parsePE("", raw)
	if err != nil {
		panic(err)
	}
	mark := []byte{72, 0, 0, 0, 2, 0, 5, 0}
	at := int64(bytes.Index(raw, mark))
	for _, s := range f.sections {
		if in := at - int64(s.rawPointer); s.rawPointer != 0 && in >= 0 && in < int64(s.rawSize) {
			binary.LittleEndian.PutUint32(raw[f.dirsAt+8*dirCLR:], s.rva+uint32(in))
			binary.LittleEndian.PutUint32(raw[f.dirsAt+8*dirCLR+4:], 72)
			return raw
		}
	}
	panic("no CLR header in the file")
}
