// Package figure draws bytes as figures for a report: pictures with a title, sections and their names, offsets along
// the edges, a legend and a digest. [NewMap] is one file in the colours of colorize, with the missing bytes hatched;
// [NewDifference] is two files byte by byte, each change in the colour of its cause; [NewBlink] is two files in turn,
// as an animation.
//
// Package render below it gives the colours; package fs above it says which bytes are which. The drawing depends on the
// input alone: the same input gives the same file. Sizes are bounded whatever the input: a figure is at most some 2200
// × 1000 pixels, and memory a few times that. The size of a file is known before anything is read: an outline says
// where its pixels can vary, the codes of deflate.go and lzw.go have a bound that follows from it, and a file is padded
// to that bound.
//
// Layout: the data run down, then right, as in "colorize -o". Small files are
// magnified and large ones reduced, by powers of two; each figure says how.
package figure
