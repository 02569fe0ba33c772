// Package compress writes the compressed pages of the memories that package synth builds: plain LZ77 (Xpress, [MS-XCA]
// 2.3) up to Windows 11 23H2, LZ4 blocks from 24H2 on. It can write one page in many ways, so that a decoder meets every
// form that the formats have. It shares no code with the decoders.
package compress
