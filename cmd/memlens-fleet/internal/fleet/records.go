package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"memlens/cmd/memlens-fleet/internal/worker"
	"memlens/memimage/report"
)

// Records are the records of an image.
type Records struct {
	Number int    // of the image
	Lines  []byte // of JSON, compressed by zstd
}

// maxRecords bounds the records of an image, compressed.
const maxRecords = 256 << 20

// packer compresses lines.
type packer struct {
	to bytes.Buffer
	w  *zstd.Encoder
}

func newPacker() *packer {
	p := new(packer)
	w, err := zstd.NewWriter(&p.to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // these options are valid
	}
	p.w = w
	return p
}

// add adds a line without its end.
func (p *packer) add(line []byte) error {
	if p.to.Len() > maxRecords {
		return &worker.Failure{Code: worker.Memory, Text: "the records of the image take more room than they may"}
	}
	_, err := p.w.Write(line)
	return errors.Join(err, p.end())
}

func (p *packer) end() error {
	_, err := p.w.Write([]byte{'\n'})
	return err
}

// bytes returns all lines.
func (p *packer) bytes() []byte {
	_ = p.w.Close() // a buffer never fails
	return p.to.Bytes()
}

// unpack passes the lines to read.
func (r *Records) unpack(read func(io.Reader) error) error {
	lines, err := zstd.NewReader(bytes.NewReader(r.Lines), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer lines.Close()
	return read(lines)
}

// decodeRecord reads a record of any kind.
func decodeRecord(line []byte) (report.Record, error) {
	var h report.Header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, err
	}
	made := map[report.Kind]report.Record{
		report.KindImage: new(report.Image), report.KindProcess: new(report.Process), report.KindModule: new(report.Module),
		report.KindRegion: new(report.Region), report.KindChange: new(report.Change), report.KindProblem: new(report.Problem),
	}[h.Record]
	if made == nil {
		return nil, fmt.Errorf("fleet: there is no record %q", h.Record)
	}
	return made, json.Unmarshal(line, made)
}

// eachLine passes each line, without its end, to take, which must not keep it.
func eachLine(r io.Reader, take func([]byte) error) error {
	lines := bufio.NewReaderSize(r, 1<<16)
	var long []byte
	for {
		part, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if len(long) > 0 {
			part, long = append(long, part...), nil
		}
		if err := take(part[:len(part)-1]); err != nil {
			return err
		}
	}
}
