// Package render turns bytes into pictures. It knows nothing of Windows and imports nothing else of this module:
// package fs above it gives it byte ranges that are already free of holes, and serves the pictures as files.
//
// The classic pictures are the pictures of Jesse Kornblum's forensics-colorize: one pixel a byte, in 256 colours
// ([Colorize]), and the difference of two files byte by byte ([Difference]). Both are a [BMP]: a file whose size is
// known at once and whose bytes are computed as they are read. Package figure draws the same data for a report; package
// similarity puts the likeness of files in numbers.
package render
