/* Imports by name and by ordinal, pointers in code and data, zero-initialised data, TLS. */
#include <windows.h>

__declspec(dllimport) int first(int);
__declspec(dllimport) int second(const char *);
__declspec(dllimport) int third(void);

static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
static int table[600] = {1, 2, 3};
static int *middle = &table[300];
static char zeroed[9000];
static int (*const functions[])(int) = {first};

DWORD _tls_index;
static char tlsStart[16] = "thread local";
static void NTAPI callback(PVOID h, DWORD reason, PVOID reserved) { zeroed[0] = (char)reason; }
static PIMAGE_TLS_CALLBACK const callbacks[] = {callback, 0};
const IMAGE_TLS_DIRECTORY _tls_used __attribute__((section(".tls"))) = {
	(ULONG_PTR)tlsStart, (ULONG_PTR)(tlsStart + 16), (ULONG_PTR)&_tls_index, (ULONG_PTR)callbacks, 0, 0,
};

void start(void)
{
	int n = third();
	for (int i = 0; i < 4; i++)
		n += second(names[i]) + functions[0](i) + *middle;
	zeroed[n & 0xff] = (char)table[n & 0xff];
	ExitProcess(GetTickCount() + zeroed[5]);
}
