// Package similarity says how alike two files are, by the digests that examiners exchange: ssdeep ([Ssdeep],
// [SsdeepScore]), sdhash ([Sdhash], [SDBF.Score]) and TLSH ([TLSH], [TLSHDistance]). Digests and scores are the same
// as with the programs ssdeep 2.14.1, sdhash 4.0 and tlsh.
//
// It knows only bytes and digests; package fs above it knows the files. Data are read once, from start to end, in
// bounded memory.
package similarity
