package fs

import (
	"context"
	"io"
	iofs "io/fs"
	"time"
)

// Attr is the type that FileInfo.Sys returns for every file and directory of the tree: the attributes that a kernel
// asks for and that io/fs has no place for.
type Attr struct {
	Ino    uint64    // inode number, unique in the tree and the same for every opening of one image
	Blocks int64     // 512-byte blocks that are present in the image
	Birth  time.Time // creation time; the zero time where none is known
}

// Inoer is implemented by every DirEntry of the tree, so that a listing with inode
// numbers does not need Info.
type Inoer interface {
	// Ino returns the number that Attr.Ino holds for the same file.
	Ino() uint64
}

// Content is the content of a regular file: cheap to open, and exact in size before a byte of it has been produced.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Xattrer is optionally implemented by an open file that has extended attributes.
type Xattrer interface {
	// Xattrs returns the names, with their "user." prefix, in a fixed order.
	Xattrs() []string
	// Xattr returns the value of the named attribute, or false where there is none.
	Xattr(name string) ([]byte, bool)
}

// Holer is optionally implemented by an open file that knows which of its ranges have
// no data. Offsets are in bytes; at the end of the file and beyond, both methods
// return io.EOF.
type Holer interface {
	// NextData returns the first offset at or after off that has data, or io.EOF where
	// only a hole follows.
	NextData(off int64) (int64, error)
	// NextHole returns the first offset at or after off that is in a hole; the end of the file counts as a hole.
	NextHole(off int64) (int64, error)
}

// Faulter is optionally implemented by the FS of the tree. If the count grows while a listing, a description or anything
// else is made, the result may change: a read failed meanwhile.
type Faulter interface {
	// Faults returns how many reads of the data below the tree have failed so far.
	Faults() int64
	// FaultSince returns the error of a read that failed since the count was n; nil if none has.
	FaultSince(n int64) error
}

// ContextFS is optionally implemented by the FS of the tree: methods of the same names, with a context. When the
// context ends, they stop waiting.
type ContextFS interface {
	OpenContext(ctx context.Context, name string) (iofs.File, error)
	StatContext(ctx context.Context, name string) (iofs.FileInfo, error)
	ReadDirContext(ctx context.Context, name string) ([]iofs.DirEntry, error)
}

// Namer is optionally implemented by the FS of the tree, for callers that ask what a name is and not how large it is:
// finding the size of a table of all processes takes more work than all other steps of a shell that expands a pattern.
type Namer interface {
	// NameContext is StatContext, except that a file whose size takes work to find has no size and no blocks in its
	// info; sized is false then.
	NameContext(ctx context.Context, name string) (info iofs.FileInfo, sized bool, err error)
}

// ContextDirEntry is optionally implemented by a DirEntry of the tree: Info with a context, as in [ContextFS].
type ContextDirEntry interface {
	InfoContext(ctx context.Context) (iofs.FileInfo, error)
}

// ContextReaderAt is optionally implemented by an open file: [io.ReaderAt] with a context. When the context ends, the
// work that the read began or waits for ends, unless another read needs it, too.
type ContextReaderAt interface {
	ReadAtContext(ctx context.Context, p []byte, off int64) (int, error)
}

// Maker is optionally implemented by an open file. Making reports whether the first read of the file may take long,
// because its content has not been made yet.
type Maker interface {
	Making() bool
}

// Sizer is optionally implemented by an open file that knows its size without the other facts of Stat: how many of its
// bytes are present takes longer to find out.
type Sizer interface {
	Size() int64
}

// StatfsInfo is the size of a file system as it reports it.
type StatfsInfo struct {
	Blocks    uint64 // all blocks, in units of BlockSize
	BlockSize uint32 // bytes
	Files     uint64 // files and directories; 0 where they have not been counted
}

// Statfser is optionally implemented by the FS of the tree.
type Statfser interface {
	Statfs() StatfsInfo
}
