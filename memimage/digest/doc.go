// Package digest makes the digests of executables, whole or with bytes missing. They are digests that name a file
// (MD5, SHA-256), digests for similarity (ssdeep, TLSH, sdhash, blocks), and digests of parts of an executable
// (Mandiant's import hash, Authenticode's digest). In digests of the whole, missing bytes count as zeros. The import
// hash, Authenticode's digest and the hash of a block are not made if bytes for them are missing.
package digest
