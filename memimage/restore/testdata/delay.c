/* Delayed imports beside ordinary ones. */
#include <windows.h>

__declspec(dllimport) int lateOne(int);
__declspec(dllimport) int lateTwo(int);

/* What the stubs call; a real program has it from its C library. */
FARPROC WINAPI __delayLoadHelper2(void *descriptor, FARPROC *slot)
{
	return GetProcAddress(GetModuleHandleA(*(char **)descriptor), (char *)slot);
}

void start(void)
{
	ExitProcess(lateOne(1) + lateTwo(2));
}
