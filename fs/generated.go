package fs

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"memlens/memimage/sparse"
)

// texts keeps generated files, the ones used last, up to a limit of bytes, so that asking for a size and then reading
// does not make a file twice. Making is done outside the lock; two callers at once may both make the file, with the
// same result. When a read of the image fails while a file is made, or its reader goes away, the file is not kept, and is an
// error: its contents may be wrong, or say of a part that it could not be made.
type texts struct {
	mu     sync.Mutex
	limit  int
	size   int
	order  *list.List // of *text, the one used last in front
	byKey  map[any]*list.Element
	faults *sparse.Faults // of the image
}

type text struct {
	key  any // a path, or the thing that the file describes
	data []byte
}

// keptTexts is how many bytes of generated files are kept.
const keptTexts = 4 << 20

func newTexts(limit int, faults *sparse.Faults) *texts {
	return &texts{limit: limit, faults: faults, order: list.New(), byKey: map[any]*list.Element{}}
}

// get returns the file of that key, made by make within ctx unless it is kept.
func (t *texts) get(ctx context.Context, key any, make func() ([]byte, error)) ([]byte, error) {
	if data, ok := t.kept(key); ok {
		return data, nil
	}
	before := t.faults.Count()
	data, err := make()
	passing, told := errors.AsType[*passingError](err)
	if err == nil || told {
		err = cmp.Or(ctx.Err(), t.faults.Since(before))
	}
	if err != nil {
		return nil, err
	}
	if passing == nil {
		t.keep(key, data)
	}
	return data, nil
}

// passingError comes with a file that says itself which read of another file failed. Such a file is shown, and not kept.
type passingError struct{ error }

// keptAsJSON is get for a value that is kept as JSON.
func keptAsJSON[T any](ctx context.Context, t *texts, key any, make func() (*T, error)) (*T, error) {
	raw, err := t.get(ctx, key, func() ([]byte, error) {
		v, err := make()
		if err != nil {
			return nil, err
		}
		return json.Marshal(v)
	})
	if err != nil {
		return nil, err
	}
	out := new(T)
	return out, json.Unmarshal(raw, out)
}

func (t *texts) kept(key any) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byKey[key]
	if !ok {
		return nil, false
	}
	t.order.MoveToFront(e)
	return e.Value.(*text).data, true
}

// maxSlack is how many bytes of memory a kept file may take beside its own.
const maxSlack = 256

func (t *texts) keep(key any, data []byte) {
	if cap(data)-len(data) > maxSlack {
		data = bytes.Clone(data) // the buffer may have grown to twice the size
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.byKey[key]; ok {
		return
	}
	t.byKey[key] = t.order.PushFront(&text{key, data})
	t.size += len(data)
	for t.size > t.limit && t.order.Len() > 1 {
		last := t.order.Remove(t.order.Back()).(*text)
		delete(t.byKey, last.key)
		t.size -= len(last.data)
	}
}

// kept returns the file that make makes within ctx, or that is kept under key.
func (f *FS) kept(ctx context.Context, key any, make func() ([]byte, error)) (*body, error) {
	data, err := f.texts.get(ctx, key, make)
	if err != nil {
		return nil, err
	}
	return &body{Content: bytes.NewReader(data)}, nil
}

// padded fills data up to size with blanks, before the line feed at its end. Data that could not be made stay empty.
func padded(data []byte, size int64) []byte {
	if n := size - int64(len(data)); n > 0 && len(data) > 0 {
		data = append(data[:len(data)-1], bytes.Repeat([]byte(" "), int(n))...)
		data = append(data, '\n')
	}
	return data
}

// closer returns a function that closes all files.
func closer(files []io.Closer) func() error {
	return func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
}
