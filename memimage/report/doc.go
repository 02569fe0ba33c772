// Package report makes records of what is found in a memory image: typed, flat, with names that do not change, and with codes
// where a sentence says why. Tables, pages and JSON files of the tree, the commands, and pipelines over many images print
// these records: there is no second source of facts.
//
// A record is made in parts. [ProcessOf], [ModuleOf] and [DriverOf] make what is quickly known; an [Executable] is filled in by
// parts that read more: [CountsOf] the page tables, [RestoredOf] and [ComparisonOf] the pages, [Digester.Digests] all bytes. [Walk]
// makes the records of a whole image.
//
// The fields are described in their struct tags: their names in JSON, CSV and Parquet, which are the same, and what they say.
// [Columns] returns that as a table.
package report
