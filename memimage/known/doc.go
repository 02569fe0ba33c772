// Package known looks digests up in sets of the hashes of known files, as hashdeep, md5deep, the GNU coreutils, PowerShell and
// NIST's National Software Reference Library (NSRL) write them.
//
// A set may have hundreds of millions of lines. It is read once, into an index: a file that holds the digests in
// order, whole, beside the names of the files. Making it takes bounded memory and temporary files; a lookup reads two
// pieces of it. An index is kept in a folder from run to run, and made anew if it is damaged.
//
// A record with several digests of one file is found only by the strongest one: a lookup by SHA-256 and MD5 of one
// file must not return a record with that MD5 and another SHA-256.
//
// The package does not know memory images or Windows, and imports no other package of the project: above it is
// package fs.
package known
