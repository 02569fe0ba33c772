package report

import (
	"memlens/memimage/reason"
)

// Recovery says whether a dump as in Volatility 2 is possible.
type Recovery struct {
	NotRecovered     reason.Code `json:"not_recovered" doc:"why there is no dump in the layout on disk (procexedump.exe, dlldump.dll, moddump.sys); empty: there is one"`
	NotRecoveredText string      `json:"not_recovered_text" doc:"the reason for not_recovered, as a sentence"`
}

// Restored describes the recovered part of the file itself, with the loader's changes undone.
type Restored struct {
	RestoredOf            *string     `json:"restored_of" doc:"the path of the file that is mapped there, empty where its name cannot be read; null: no file is mapped, or nothing is restored"`
	RestoredSize          *int64      `json:"restored_size" doc:"the size of the restored file in bytes; null: there is none"`
	RestoredSizeCertainty string      `json:"restored_size_certainty" doc:"how sure the size is: exact or assumed"`
	RestoredComplete      bool        `json:"restored_complete" doc:"the size and every byte of the restored file are exact"`
	BytesExact            int64       `json:"bytes_exact" doc:"bytes of the restored file that are proved"`
	BytesAssumed          int64       `json:"bytes_assumed" doc:"bytes of it that depend on an assumption"`
	BytesLeft             int64       `json:"bytes_left" doc:"bytes of it that are changed, or perhaps changed, and left as found"`
	BytesMissing          int64       `json:"bytes_missing" doc:"bytes of it that are missing"`
	OriginalBase          Address     `json:"original_base" doc:"the ImageBase that the file was linked for"`
	OriginalBaseCertainty string      `json:"original_base_certainty" doc:"how sure the ImageBase is: exact, assumed, or left (not known)"`
	NotRestored           reason.Code `json:"not_restored" doc:"why there is no restored file; empty: there is one"`
	NotRestoredText       string      `json:"not_restored_text" doc:"the reason for not_restored, as a sentence"`
}

// Counts are the pages of an executable in memory, by where they were found.
type Counts struct {
	PagesTotal     int64 `json:"pages_total" doc:"pages of the executable in memory"`
	PagesPresent   int64 `json:"pages_present" doc:"pages of it that were found anywhere"`
	PagesTable     int64 `json:"pages_page_table" doc:"pages found in the page table itself"`
	PagesPrototype int64 `json:"pages_prototype" doc:"pages found by a prototype entry that the page table names"`
	PagesVAD       int64 `json:"pages_vad" doc:"pages found by the prototype entry of the address descriptor"`
	PagesPageFile  int64 `json:"pages_page_file" doc:"pages found in a page file"`
	PagesStore     int64 `json:"pages_compressed_store" doc:"pages found in the compressed store"`
	PagesZero      int64 `json:"pages_zero" doc:"pages that are zeros by definition"`
	PagesMissing   int64 `json:"pages_missing" doc:"pages that were not found"`
	PagesDump      int64 `json:"pages_dump" doc:"pages found in the dump of a process"`
}

// Comparison says how memory differs from the file that it was mapped from.
type Comparison struct {
	Verdict                  reason.Code   `json:"verdict" doc:"the result of the comparison with its file, or why there is none"`
	VerdictText              string        `json:"verdict_text" doc:"the verdict as a sentence"`
	Compared                 bool          `json:"compared" doc:"it was compared with its file"`
	PagesCompared            int64         `json:"pages_comparable" doc:"pages that are known to be equal to the file or different from it"`
	NotCompared              []reason.Code `json:"not_compared" doc:"why other pages could not be compared, the most frequent reason first"`
	BytesRelocation          int64         `json:"bytes_relocation" doc:"bytes that differ: numbers that the loader moved with the image"`
	BytesImportBinding       int64         `json:"bytes_import_binding" doc:"bytes that differ: imports that lead to the functions that they name"`
	BytesDelayImport         int64         `json:"bytes_delay_import" doc:"bytes that differ: the same, for DLLs that are loaded on first use"`
	BytesGuardPointer        int64         `json:"bytes_guard_pointer" doc:"bytes that differ: pointers of control flow guard"`
	BytesLoaderSlot          int64         `json:"bytes_loader_slot" doc:"bytes that differ: other values that the loader sets"`
	BytesDataSection         int64         `json:"bytes_data_section" doc:"bytes that differ: in sections that are meant to be written"`
	BytesHotPatch            int64         `json:"bytes_hot_patch" doc:"bytes that differ: functions that Windows itself replaced (hot patch)"`
	BytesImportChanged       int64         `json:"bytes_import_changed" doc:"bytes that differ: imports that lead elsewhere"`
	BytesExportChanged       int64         `json:"bytes_export_changed" doc:"bytes that differ: the table of exports"`
	BytesGuardPointerChanged int64         `json:"bytes_guard_pointer_changed" doc:"bytes that differ: guard pointers that lead to no module"`
	BytesCodeChanged         int64         `json:"bytes_code_changed" doc:"bytes that differ: code"`
	BytesReadOnlyDataChanged int64         `json:"bytes_read_only_data_changed" doc:"bytes that differ: read-only data"`
	BytesHeaderChanged       int64         `json:"bytes_header_changed" doc:"bytes that differ: the header"`
	BytesHeaderErased        int64         `json:"bytes_header_erased" doc:"bytes that differ: a header that was overwritten with zeros"`
}

// Digests are the requested digests: of the restored file, with zeros for missing bytes, and of the dump in the disk
// layout. Each is empty where it was not requested or cannot be made.
type Digests struct {
	MD5                   string `json:"md5" doc:"digest of the restored file; its missing bytes read as zeros"`
	SHA256                string `json:"sha256" doc:"digest of the restored file; its missing bytes read as zeros"`
	Imphash               string `json:"imphash" doc:"import hash; empty if the name of an import is missing"`
	Authentihash          string `json:"authentihash" doc:"digest of the part that Authenticode signs (SHA-256); empty if a byte of that part is missing or left as found"`
	AuthentihashCertainty string `json:"authentihash_certainty" doc:"how sure the authentihash is: exact or assumed"`
	Ssdeep                string `json:"ssdeep" doc:"digest of the restored file; its missing bytes read as zeros"`
	TLSH                  string `json:"tlsh" doc:"digest of the restored file; its missing bytes read as zeros"`
	DumpMD5               string `json:"dump_md5" doc:"digest of the dump in the layout on disk; its missing bytes read as zeros"`
	DumpSHA256            string `json:"dump_sha256" doc:"digest of the dump in the layout on disk; its missing bytes read as zeros"`
}

// Knowledge is the result of looking in sets of known files.
type Knowledge struct {
	Known     reason.Code `json:"known" doc:"whether the restored file is in a set of known files; empty: no set was given"`
	KnownText string      `json:"known_text" doc:"the known file, or why there is no match"`
}

// Executable holds the facts about an executable image, of a process or a driver.
type Executable struct {
	Recovery
	Restored
	Counts
	Comparison
	Digests
	Knowledge
}
