package format

import (
	"errors"
	"fmt"

	"memlens/memimage/xpress"
)

var errPacked = errors.New("format: damaged compressed data")

// xpressHuffman unpacks LZ77 and Huffman data of exactly size bytes. The error wraps errPacked.
func xpressHuffman(src []byte, size int) ([]byte, error) {
	return packedError(xpress.Huffman(src, size))
}

// lznt1 unpacks LZNT1 data of at most size bytes. The error wraps errPacked.
func lznt1(src []byte, size int) ([]byte, error) {
	return packedError(xpress.LZNT1(src, size))
}

func packedError(data []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	return data, nil
}
