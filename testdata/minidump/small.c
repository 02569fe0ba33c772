#include <windows.h>

// A small program with what restoration has to undo: relocated numbers and bound imports. It fills some memory and waits.
static const char *words[] = {"memlens", "minidump", "memory", "page"};
static char data[4096] = "data of the small program";
static volatile const char *chosen;

__declspec(dllexport) int start(void)
{
	char *heap = VirtualAlloc(NULL, 0x3000, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	DWORD old;
	char *late = VirtualAlloc(NULL, 0x2000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	for (int i = 0; i < 0x3000; i++)
		heap[i] = (char)(i * 7);
	for (int i = 0; i < 0x2000; i++)
		late[i] = (char)(i * 11);
	VirtualProtect(late, 0x1000, PAGE_EXECUTE_READ, &old);
	chosen = words[GetCurrentProcessId() & 3];
	data[4000] = 1;
	Sleep(60000);
	return 0;
}
