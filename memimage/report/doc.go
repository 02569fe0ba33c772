// Package report makes records of the findings in a memory image: typed, flat, with names that do not change, and with
// codes where a sentence says why. Tables, pages and JSON files of the tree, the commands, and pipelines over many
// images print these records: there is no second source of facts.
//
// A record is made in parts. [ProcessOf], [ModuleOf] and [DriverOf] make the parts that are quickly known; an
// [Executable] is filled in by parts that read more: [CountsOf] the page tables, [RestoredOf] and [ComparisonOf] the
// pages, [DigestSet.Of] all bytes. [Walk] makes the records of a whole image.
//
// The struct tags describe the fields: their names, which are the same in JSON, CSV and Parquet, and their meanings.
// [Columns] returns that as a table.
package report
