// dump OUT.dmp PROGRAM [small] starts a program, lets it run for a second, and writes a minidump of it by MiniDumpWriteDump.
// Wine's dbghelp does not write what the system says of all addresses and of threads: those streams are added here, by the
// structures of the compiler's own dbghelp.h.
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
#include <dbghelp.h>

static HANDLE process;

static void *memory_infos(ULONG *size)
{
	ULONG room = 1 << 16, n = 0;
	MINIDUMP_MEMORY_INFO_LIST *list = calloc(1, sizeof *list + room * sizeof(MINIDUMP_MEMORY_INFO));
	MINIDUMP_MEMORY_INFO *info = (MINIDUMP_MEMORY_INFO *)(list + 1);
	MEMORY_BASIC_INFORMATION m;
	for (char *at = NULL; n < room && VirtualQueryEx(process, at, &m, sizeof m); at = (char *)m.BaseAddress + m.RegionSize) {
		info[n].BaseAddress = (ULONG_PTR)m.BaseAddress;
		info[n].AllocationBase = (ULONG_PTR)m.AllocationBase;
		info[n].AllocationProtect = m.AllocationProtect;
		info[n].RegionSize = m.RegionSize;
		info[n].State = m.State;
		info[n].Protect = m.Protect;
		info[n].Type = m.Type;
		n++;
	}
	list->SizeOfHeader = sizeof *list;
	list->SizeOfEntry = sizeof *info;
	list->NumberOfEntries = n;
	*size = sizeof *list + n * sizeof *info;
	return list;
}

static void *thread_infos(HANDLE thread, DWORD id, ULONG *size)
{
	MINIDUMP_THREAD_INFO_LIST *list = calloc(1, sizeof *list + sizeof(MINIDUMP_THREAD_INFO));
	MINIDUMP_THREAD_INFO *info = (MINIDUMP_THREAD_INFO *)(list + 1);
	FILETIME t[4];
	list->SizeOfHeader = sizeof *list;
	list->SizeOfEntry = sizeof *info;
	list->NumberOfEntries = 1;
	info->ThreadId = id;
	GetThreadTimes(thread, t, t + 1, t + 2, t + 3);
	info->CreateTime = (ULONG64)t[0].dwHighDateTime << 32 | t[0].dwLowDateTime;
	*size = sizeof *list + sizeof *info;
	return list;
}

int main(int argc, char **argv)
{
	STARTUPINFOA si = {sizeof si};
	PROCESS_INFORMATION pi;
	static WCHAR comment[] = L"a comment of the test";
	MINIDUMP_USER_STREAM streams[3];
	MINIDUMP_USER_STREAM_INFORMATION user = {3, streams};
	if (argc < 3 || !CreateProcessA(NULL, argv[2], NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi))
		return 2;
	Sleep(1000);
	process = pi.hProcess;
	streams[0].Type = MemoryInfoListStream;
	streams[0].Buffer = memory_infos(&streams[0].BufferSize);
	streams[1].Type = ThreadInfoListStream;
	streams[1].Buffer = thread_infos(pi.hThread, pi.dwThreadId, &streams[1].BufferSize);
	streams[2].Type = CommentStreamW;
	streams[2].Buffer = comment;
	streams[2].BufferSize = sizeof comment;
	if (argc > 3)
		user.UserStreamCount = 0;
	HANDLE f = CreateFileA(argv[1], GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	BOOL ok = MiniDumpWriteDump(process, pi.dwProcessId, f, MiniDumpWithFullMemory, NULL, &user, NULL);
	CloseHandle(f);
	TerminateProcess(process, 0);
	return !ok;
}
