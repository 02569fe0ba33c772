package httpfs

import (
	"context"
	iofs "io/fs"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

// slowTree is a tree whose files are made as long as somebody waits for them.
type slowTree struct {
	fstest.MapFS
	began, ended chan bool
}

func (t slowTree) OpenContext(_ context.Context, name string) (iofs.File, error) {
	f, err := t.Open(name)
	return slowFile{f, t}, err
}

func (t slowTree) ReadDirContext(ctx context.Context, _ string) ([]iofs.DirEntry, error) {
	return nil, t.work(ctx)
}

func (t slowTree) work(ctx context.Context) error {
	t.began <- true
	<-ctx.Done()
	t.ended <- true
	return ctx.Err()
}

type slowFile struct {
	iofs.File
	tree slowTree
}

func (f slowFile) ReadAtContext(ctx context.Context, _ []byte, _ int64) (int, error) {
	return 0, f.tree.work(ctx)
}

// TestWorkEndsWithItsClient goes away while a file is made, and while a directory is listed.
func TestWorkEndsWithItsClient(t *testing.T) {
	slow := slowTree{fstest.MapFS{"dir/similar.csv": {Data: []byte("x")}}, make(chan bool), make(chan bool)}
	server := httptest.NewServer(Handler(slow, Options{Failed: func(name string, err error) { t.Errorf("%s failed: %v", name, err) }}))
	defer server.Close()
	for _, name := range []string{"/dir/similar.csv", "/dir/"} {
		ctx, leave := context.WithCancel(context.Background())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan bool)
		go func() {
			if w, err := http.DefaultClient.Do(r); err == nil {
				w.Body.Close()
			}
			close(answered)
		}()
		<-slow.began
		leave()
		<-slow.ended
		<-answered
	}
}
