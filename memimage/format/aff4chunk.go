package format

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"
)

// unpack unpacks a chunk. Data that are as long as a chunk are not packed.
func (s *aff4Stream) unpack(data []byte) ([]byte, error) {
	method := strings.ToLower(s.method)
	if int64(len(data)) == s.chunk {
		return s.stored(data, method), nil
	}
	switch {
	case strings.HasSuffix(method, "nullcompressor"), strings.HasSuffix(method, "stored"):
		return data, nil
	case strings.Contains(method, "rfc1950"), strings.HasSuffix(method, "zlib"):
		return inflateZlib(data, int(s.chunk))
	case method == "": // readers do not agree on the method then; the checksum of zlib proves zlib data
		if out, err := inflateZlib(data, int(s.chunk)); err == nil {
			return out, nil
		}
		return data, nil
	case strings.Contains(method, "rfc1951"), strings.HasSuffix(method, "deflate"):
		return s.inflate(data)
	case strings.Contains(method, "snappy"):
		return s.unpackSnappy(data)
	case strings.Contains(method, "lz4"):
		out := make([]byte, s.chunk)
		n, err := lz4.UncompressBlock(data, out)
		return out[:max(n, 0)], err
	case strings.Contains(method, "zstd"):
		return s.zstd.DecodeAll(data, make([]byte, 0, s.chunk))
	}
	return nil, fmt.Errorf("the compression %q is not known", s.method)
}

// inflate unpacks Deflate data. c-aff4, the library of WinPmem 3, calls it Deflate, but writes zlib data with the
// rest of a buffer behind them. The checksum of zlib proves them.
func (s *aff4Stream) inflate(data []byte) ([]byte, error) {
	if out, err := inflateZlib(data, int(s.chunk)); err == nil {
		return out, nil
	}
	return readAtMost(flate.NewReader(bytes.NewReader(data)), int(s.chunk))
}

// stored returns the content of a chunk whose data are as long as a chunk. Rekall packed every chunk with Snappy,
// under a name of its own: data that unpack to a whole chunk were packed.
func (s *aff4Stream) stored(data []byte, method string) []byte {
	if strings.Contains(method, "github.com/google/snappy") {
		if out, err := s.unpackSnappy(data); err == nil && int64(len(out)) == s.chunk {
			return out
		}
	}
	return data
}

func (s *aff4Stream) unpackSnappy(data []byte) ([]byte, error) {
	if n, err := snappy.DecodedLen(data); err != nil || int64(n) > s.chunk {
		return nil, errPacked
	}
	return snappy.Decode(nil, data)
}
