// Package digest makes the digests of executables, whole or with bytes missing: those that name a file (MD5, SHA-256), those by
// which files are alike (ssdeep, TLSH, sdhash, blocks), and those of what is in an executable (Mandiant's import hash,
// Authenticode's). Of what is missing nothing is made up: a digest that would depend on it is not made.
package digest
