package minidump

import "fmt"

// The types of streams (MINIDUMP_STREAM_TYPE).
const (
	UnusedStream             = 0
	ThreadListStream         = 3
	ModuleListStream         = 4
	MemoryListStream         = 5
	ExceptionStream          = 6
	SystemInfoStream         = 7
	ThreadExListStream       = 8
	Memory64ListStream       = 9
	CommentStreamA           = 10
	CommentStreamW           = 11
	HandleDataStream         = 12
	FunctionTableStream      = 13
	UnloadedModuleListStream = 14
	MiscInfoStream           = 15
	MemoryInfoListStream     = 16
	ThreadInfoListStream     = 17
	HandleOperationStream    = 18
	TokenStream              = 19
	JavaScriptDataStream     = 20
	SystemMemoryInfoStream   = 21
	ProcessVmCountersStream  = 22
	IptTraceStream           = 23
	ThreadNamesStream        = 24
)

// streamNames are the names of the types, as Microsoft's header spells them.
var streamNames = map[uint32]string{
	ThreadListStream: "ThreadListStream", ModuleListStream: "ModuleListStream", MemoryListStream: "MemoryListStream",
	ExceptionStream: "ExceptionStream", SystemInfoStream: "SystemInfoStream", ThreadExListStream: "ThreadExListStream",
	Memory64ListStream: "Memory64ListStream", CommentStreamA: "CommentStreamA", CommentStreamW: "CommentStreamW",
	HandleDataStream: "HandleDataStream", FunctionTableStream: "FunctionTableStream",
	UnloadedModuleListStream: "UnloadedModuleListStream", MiscInfoStream: "MiscInfoStream",
	MemoryInfoListStream: "MemoryInfoListStream", ThreadInfoListStream: "ThreadInfoListStream",
	HandleOperationStream: "HandleOperationListStream", TokenStream: "TokenStream", JavaScriptDataStream: "JavaScriptDataStream",
	SystemMemoryInfoStream: "SystemMemoryInfoStream", ProcessVmCountersStream: "ProcessVmCountersStream",
	IptTraceStream: "IptTraceStream", ThreadNamesStream: "ThreadNamesStream",
}

// Name is the name of the stream's type; a number for a type that is not Microsoft's.
func (s *Stream) Name() string {
	if name, ok := streamNames[s.Type]; ok {
		return name
	}
	return fmt.Sprintf("stream of type %#x", s.Type)
}

// readers read the known streams, except the streams of memory.
var readers = map[uint32]func(*reader, *Dump, Stream){
	SystemInfoStream:         (*reader).system,
	MiscInfoStream:           (*reader).misc,
	ModuleListStream:         (*reader).modules,
	UnloadedModuleListStream: (*reader).unloaded,
	ThreadListStream:         (*reader).threads,
	ThreadExListStream:       (*reader).threads,
	ThreadInfoListStream:     (*reader).threadInfos,
	ThreadNamesStream:        (*reader).threadNames,
	ExceptionStream:          (*reader).exception,
	HandleDataStream:         (*reader).handles,
	CommentStreamA:           (*reader).commentA,
	CommentStreamW:           (*reader).commentW,
}
