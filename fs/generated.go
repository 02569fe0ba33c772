package fs

import (
	"bytes"
	"container/list"
	"sync"
)

// texts keeps generated files, the ones used last, up to a limit of bytes, so that asking for a size and then reading
// does not make a file twice. Making is done outside the lock; two askers at once may both make, the same.
type texts struct {
	mu    sync.Mutex
	limit int
	size  int
	order *list.List // of *text, the one used last in front
	byKey map[string]*list.Element
}

type text struct {
	key  string
	data []byte
}

// keptTexts is how many bytes of generated files are kept.
const keptTexts = 16 << 20

func newTexts(limit int) *texts {
	return &texts{limit: limit, order: list.New(), byKey: map[string]*list.Element{}}
}

// get returns the file of that key, made by make unless it is kept.
func (t *texts) get(key string, make func() ([]byte, error)) ([]byte, error) {
	if data, ok := t.kept(key); ok {
		return data, nil
	}
	data, err := make()
	if err != nil {
		return nil, err
	}
	t.keep(key, data)
	return data, nil
}

func (t *texts) kept(key string) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byKey[key]
	if !ok {
		return nil, false
	}
	t.order.MoveToFront(e)
	return e.Value.(*text).data, true
}

func (t *texts) keep(key string, data []byte) {
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

// generated returns the file at a place whose bytes make makes.
func (f *FS) generated(at place, make func() ([]byte, error)) *fileNode {
	return &fileNode{at, func() (*body, error) {
		data, err := f.texts.get(at.name, make)
		if err != nil {
			return nil, err
		}
		return &body{Content: bytes.NewReader(data)}, nil
	}}
}
