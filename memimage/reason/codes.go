package reason

import "slices"

// Code is a reason in a word that does not change. A code never gets another meaning; new codes may be added.
type Code string

// Failures below the evidence, and around the work.
const (
	ReadFailed   Code = "read-failed"
	Missing      Code = "missing"
	Deadline     Code = "deadline"
	Cancelled    Code = "cancelled"
	Crashed      Code = "crashed"
	OutOfMemory  Code = "out-of-memory"
	NoSuchFile   Code = "no-such-file"
	NoPermission Code = "no-permission"
	Refused      Code = "refused-by-server"
	BadAnswer    Code = "bad-answer"
	Changed      Code = "changed-meanwhile"
	Other        Code = "other"
)

// Why an image cannot be opened, or cannot be trusted.
const (
	NotAFile        Code = "not-a-file"
	NotMemory       Code = "not-memory"
	Empty           Code = "empty"
	BadContainer    Code = "container-unreadable"
	Truncated       Code = "truncated"
	NoWindows       Code = "no-windows"
	NoProfile       Code = "no-profile"
	OtherMachine    Code = "other-machine"
	LeftOutMemory   Code = "left-out-memory"
	DigestDiffers   Code = "digest-differs"
	DamagedChunk    Code = "container-damaged"
	Doubtful        Code = "container-doubtful"
	PageFileRefused Code = "page-file-refused"
)

// Why a process, or its executable, cannot be read.
const (
	NoExecutable    Code = "no-executable"
	Exited          Code = "exited"
	Trustlet        Code = "trustlet"
	NoPEB           Code = "no-peb"
	PEBUnreadable   Code = "peb-unreadable"
	TablesGone      Code = "page-tables-gone"
	AddressUnknown  Code = "address-unknown"
	NotLoaded       Code = "not-loaded"
	NoImage         Code = "no-image"
	ListDamaged     Code = "list-damaged"
	EntryUnreadable Code = "entry-unreadable"
	TooMuch         Code = "too-much"
)

// Why a header cannot be used.
const (
	HeaderMissing     Code = "header-missing"
	HeaderNoMZ        Code = "header-no-mz"
	HeaderNoPE        Code = "header-no-pe"
	HeaderBad         Code = "header-bad"
	SectionBad        Code = "section-bad"
	SectionsMissing   Code = "section-table-missing"
	FileNotExecutable Code = "not-an-executable"
)

// Why a page is missing.
const (
	PageInPageFile Code = "page-in-page-file"
	PageInStore    Code = "page-in-store"
	PageFileOnly   Code = "page-in-file-only"
	PageNotPresent Code = "page-not-present"
	PageNotInTable Code = "page-not-in-table"
	PageNotInImage Code = "page-not-in-image"
	PageNotDumped  Code = "page-not-dumped"
	NoSuchAddress  Code = "no-such-address"
	NoOwnCopy      Code = "no-own-copy"
	NotCached      Code = "not-cached"
)

// Why an image is not compared with its file.
const (
	DumpHasNoFile   Code = "dump-without-file-pages"
	DriverHasNoFile Code = "driver-without-file-pages"
)

// Differences between a process's own account of itself and the kernel's.
const (
	PEBNamesOtherFile   Code = "peb-names-other-file"
	PEBNamesOtherFolder Code = "peb-names-other-folder"
	PEBNamesOtherBase   Code = "peb-names-other-base"
	OtherSection        Code = "made-from-other-file"
	BaseUnbacked        Code = "base-without-file"
	BaseUnmapped        Code = "base-unmapped"
	Overwritten         Code = "program-overwritten"
)

// Results of comparing an image with its file.
const (
	Equal           Code = "equal"
	CodeDiffers     Code = "code-differs"
	OtherDiffers    Code = "other-differs"
	NotItsFile      Code = "not-its-file"
	NoFile          Code = "no-file"
	NothingCompared Code = "nothing-compared"
)

// Results of looking a restored file up in sets of known files.
const (
	Known         Code = "known"
	KnownNotRun   Code = "known-but-not-what-runs"
	NotKnown      Code = "not-known"
	NotComparable Code = "not-comparable"
)

// Meaning is a code and its meaning.
type Meaning struct {
	Code  Code
	Of    string // the kind of thing that has the code
	Means string
}

// meanings are all codes, in the order of a table for people.
var meanings = []Meaning{
	{ReadFailed, "any", "reading failed below the evidence: the disk, the network, a file that has become shorter. The bytes there are not known"},
	{Missing, "any", "the bytes are not in the image"},
	{Deadline, "any", "the work took longer than it may"},
	{Cancelled, "any", "the work was cancelled"},
	{Crashed, "any", "the program met a mistake of its own, or the process that did the work died"},
	{OutOfMemory, "any", "the work needed more memory than it may have"},
	{NoSuchFile, "any", "the file does not exist"},
	{NoPermission, "any", "the file may not be read"},
	{Refused, "any", "the server refuses what was asked for, for instance because credentials are missing"},
	{BadAnswer, "any", "the server sent another answer than was asked for"},
	{Changed, "any", "the object has changed since it was opened"},
	{Other, "any", "none of these: the sentence says it"},

	{NotAFile, "image", "the path is that of a folder, a pipe or a device, not of a file"},
	{NotMemory, "image", "the file was recognised, and is not a memory image"},
	{Empty, "image", "the file has no bytes"},
	{BadContainer, "image", "the container cannot be read"},
	{Truncated, "image", "the file is shorter than its own headers say"},
	{NoWindows, "image", "no Windows kernel was found"},
	{NoProfile, "image", "a kernel was found, but no profile fits it"},
	{OtherMachine, "image", "it is from a kind of processor that is not supported"},
	{LeftOutMemory, "image", "the file leaves out ranges, so that its parts are not at their addresses"},
	{DigestDiffers, "image", "a digest that the container carries is not that of its content"},
	{DamagedChunk, "image", "a part of the container is damaged, and its bytes are missing"},
	{Doubtful, "image", "something is wrong with the container, and its place is not known: no byte is sure"},
	{PageFileRefused, "image", "a page file that was given cannot be used"},

	{NoExecutable, "process", "it has no executable of its own: Idle, System, and other processes of the kernel"},
	{Exited, "process", "it has exited, and the data that was asked for is gone"},
	{Trustlet, "process", "the secure kernel runs it, and its own pages are hidden from an acquisition"},
	{NoPEB, "process", "it has no environment block (PEB), or nothing leads to it"},
	{PEBUnreadable, "process", "its environment block cannot be read"},
	{TablesGone, "process", "its page tables are gone, or reused"},
	{AddressUnknown, "process, module", "the address of the executable is not known"},
	{NotLoaded, "module", "it is in memory in its layout on disk, and was not loaded"},
	{NoImage, "driver", "nothing of its image is in memory"},
	{ListDamaged, "image, process", "a list of the kernel or of a process is damaged: there may be more than was found"},
	{EntryUnreadable, "image, process", "an entry of a list cannot be read"},
	{TooMuch, "image, process", "there is more than a healthy system can have, and not all of it was read"},

	{HeaderMissing, "executable", "the page of its header, or a part of it, is missing"},
	{HeaderNoMZ, "executable", "its header does not begin with MZ"},
	{HeaderNoPE, "executable", "e_lfanew does not lead to a PE signature"},
	{HeaderBad, "executable", "a value in its header is impossible"},
	{SectionBad, "executable", "a section in its header is impossible: Volatility 2 stops there"},
	{SectionsMissing, "executable", "a part of its section table is missing"},
	{FileNotExecutable, "executable", "it is not a portable executable (PE)"},

	{PageInPageFile, "page", "in a page file that is not given, or not readable there"},
	{PageInStore, "page", "in the compressed store, which cannot be read there"},
	{PageFileOnly, "page", "only in the mapped file on disk"},
	{PageNotPresent, "page", "nothing is mapped at the address"},
	{PageNotInTable, "page", "not in the page table, and other sources were not asked"},
	{PageNotInImage, "page", "in memory that the image does not hold"},
	{PageNotDumped, "page", "not in the dump of the process"},
	{NoSuchAddress, "page", "not an address of this processor"},
	{NoOwnCopy, "page", "not in memory, and the process has no copy of its own"},
	{NotCached, "page", "not in the file cache"},

	{DumpHasNoFile, "comparison", "the dump of a process does not have the pages that the system keeps of the file"},
	{DriverHasNoFile, "comparison", "the kernel has its drivers in pages of its own, which no file is mapped to"},

	{PEBNamesOtherFile, "warning", "the environment block names another file than the one the process was made from"},
	{PEBNamesOtherFolder, "warning", "the environment block names the file in another folder"},
	{PEBNamesOtherBase, "warning", "the environment block has the executable at another address than the kernel"},
	{OtherSection, "warning", "the process was made from another file than the one at its image base"},
	{BaseUnbacked, "warning", "the memory at the image base is not mapped from an executable"},
	{BaseUnmapped, "warning", "nothing is mapped at the image base"},
	{Overwritten, "warning", "the header in memory is not that of the file that is mapped there"},

	{Equal, "verdict", "every difference from the file is explained"},
	{CodeDiffers, "verdict", "code was changed"},
	{OtherDiffers, "verdict", "no code was changed, but something else was that Windows does not change"},
	{NotItsFile, "verdict", "the memory does not belong to the file that it claims to be"},
	{NoFile, "verdict", "there is no file behind it"},
	{NothingCompared, "verdict", "no page could be compared"},

	{Known, "known", "the restored file, or its authentihash, is in a set of known files"},
	{KnownNotRun, "known", "the mapped file is known, but memory does not belong to it"},
	{NotKnown, "known", "it is in no set"},
	{NotComparable, "known", "no digest of it can be compared: bytes are missing, or there is no restored file"},
}

// Meanings returns all codes in the order of a table for people.
func Meanings() []Meaning { return slices.Clone(meanings) }
