package report

import (
	"memlens/memimage/reason"
)

// Recovery says whether a dump as in Volatility 2 is possible.
type Recovery struct {
	NotRecovered     reason.Code `json:"not_recovered" doc:"why there is no dump in the layout on disk (procexedump.exe, dlldump.dll, moddump.sys); empty: there is one"`
	NotRecoveredText string      `json:"not_recovered_text" doc:"that reason as a sentence"`
}

// Restored describes the recovered part of the file itself, with the loader's changes undone.
type Restored struct {
	RestoredOf            *string     `json:"restored_of" doc:"the path of the file that is mapped there, empty where its name cannot be read; null: no file is mapped, or nothing is restored"`
	RestoredSize          *int64      `json:"restored_size" doc:"of the restored file in bytes; null: there is none"`
	RestoredSizeCertainty string      `json:"restored_size_certainty" doc:"how sure that is: exact or assumed"`
	RestoredComplete      bool        `json:"restored_complete" doc:"its size and every byte are exact"`
	BytesExact            int64       `json:"bytes_exact" doc:"of it that are proved to be the file's"`
	BytesAssumed          int64       `json:"bytes_assumed" doc:"of it that follow from an assumption"`
	BytesLeft             int64       `json:"bytes_left" doc:"of it that are changed, or perhaps changed, and left as found"`
	BytesMissing          int64       `json:"bytes_missing" doc:"of it that are missing"`
	OriginalBase          Address     `json:"original_base" doc:"the ImageBase that the file was linked for"`
	OriginalBaseCertainty string      `json:"original_base_certainty" doc:"how sure that is: exact, assumed, or left where it is not known"`
	NotRestored           reason.Code `json:"not_restored" doc:"why there is no restored file; empty: there is one"`
	NotRestoredText       string      `json:"not_restored_text" doc:"that reason as a sentence"`
}

// Counts are the pages of an executable in memory, by where they were found.
type Counts struct {
	PagesTotal     int64 `json:"pages_total" doc:"pages of the executable in memory"`
	PagesPresent   int64 `json:"pages_present" doc:"of these, found anywhere"`
	PagesTable     int64 `json:"pages_page_table" doc:"in the page table itself"`
	PagesPrototype int64 `json:"pages_prototype" doc:"by a prototype entry that the page table names"`
	PagesVAD       int64 `json:"pages_vad" doc:"by the prototype entry that the address descriptor knows"`
	PagesPageFile  int64 `json:"pages_page_file" doc:"in a page file"`
	PagesStore     int64 `json:"pages_compressed_store" doc:"in the compressed store"`
	PagesZero      int64 `json:"pages_zero" doc:"zeros by definition"`
	PagesMissing   int64 `json:"pages_missing" doc:"not found"`
	PagesDump      int64 `json:"pages_dump" doc:"in the dump of a process"`
}

// Comparison says how memory differs from the file that it was mapped from.
type Comparison struct {
	Verdict                  reason.Code   `json:"verdict" doc:"what comes of the comparison, or why there is none"`
	VerdictText              string        `json:"verdict_text" doc:"that as a sentence"`
	Compared                 bool          `json:"compared" doc:"it was compared with its file"`
	PagesCompared            int64         `json:"pages_comparable" doc:"pages that are known to be equal to the file or different from it"`
	NotCompared              []reason.Code `json:"not_compared" doc:"why other pages could not be compared, the most frequent reason first"`
	BytesRelocation          int64         `json:"bytes_relocation" doc:"bytes that differ: numbers that the loader moved with the image"`
	BytesImportBinding       int64         `json:"bytes_import_binding" doc:"bytes that differ: imports that lead to the functions that they name"`
	BytesDelayImport         int64         `json:"bytes_delay_import" doc:"bytes that differ: likewise, of DLLs that are loaded late"`
	BytesGuardPointer        int64         `json:"bytes_guard_pointer" doc:"bytes that differ: pointers of control flow guard"`
	BytesLoaderSlot          int64         `json:"bytes_loader_slot" doc:"bytes that differ: what else the loader sets"`
	BytesDataSection         int64         `json:"bytes_data_section" doc:"bytes that differ: in sections that are meant to be written"`
	BytesHotPatch            int64         `json:"bytes_hot_patch" doc:"bytes that differ: functions that Windows led to another version"`
	BytesImportChanged       int64         `json:"bytes_import_changed" doc:"bytes that differ: imports that lead elsewhere"`
	BytesExportChanged       int64         `json:"bytes_export_changed" doc:"bytes that differ: the table of exports"`
	BytesGuardPointerChanged int64         `json:"bytes_guard_pointer_changed" doc:"bytes that differ: guard pointers that lead to no module"`
	BytesCodeChanged         int64         `json:"bytes_code_changed" doc:"bytes that differ: code"`
	BytesReadOnlyDataChanged int64         `json:"bytes_read_only_data_changed" doc:"bytes that differ: read-only data"`
	BytesHeaderChanged       int64         `json:"bytes_header_changed" doc:"bytes that differ: the header"`
	BytesHeaderErased        int64         `json:"bytes_header_erased" doc:"bytes that differ: a header of which zeros are left"`
}

// Digests are the requested digests: of the restored file, with zeros for missing bytes, and of the dump in the disk
// layout. Each is empty where it was not requested or cannot be made.
type Digests struct {
	MD5                   string `json:"md5" doc:"of the restored file; bytes_missing of it read as zeros"`
	SHA256                string `json:"sha256" doc:"of the restored file; bytes_missing of it read as zeros"`
	Imphash               string `json:"imphash" doc:"of its imports; empty where a name that it is of is missing"`
	Authentihash          string `json:"authentihash" doc:"what Authenticode signs (SHA-256); empty where a byte that it is of is missing or left as found"`
	AuthentihashCertainty string `json:"authentihash_certainty" doc:"how sure that is: exact or assumed"`
	Ssdeep                string `json:"ssdeep" doc:"of the restored file; bytes_missing of it read as zeros"`
	TLSH                  string `json:"tlsh" doc:"of the restored file; bytes_missing of it read as zeros"`
	DumpMD5               string `json:"dump_md5" doc:"of the dump in the layout on disk; what is missing of it reads as zeros"`
	DumpSHA256            string `json:"dump_sha256" doc:"of the dump in the layout on disk; what is missing of it reads as zeros"`
}

// Knowledge is the result of looking in sets of known files.
type Knowledge struct {
	Known     reason.Code `json:"known" doc:"whether the restored file is in a set of known files; empty: no set was given"`
	KnownText string      `json:"known_text" doc:"as which, or why that cannot be told"`
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
