/* A library with exports, imports of two kinds, code that can be patched while it runs, tables of pointers and data. */
#include <windows.h>

__declspec(dllimport) int first(int);
__declspec(dllimport) int third(void);

static int counter = 7;
static int numbers[1500] = {1, 2, 3};
static char zeroed[5000];
static int *const table[] = {&counter, &numbers[10], &numbers[700]};

#ifdef _WIN64
#define HOOKABLE
#else
#define HOOKABLE __attribute__((ms_hook_prologue))
#endif

__declspec(dllexport) HOOKABLE int alpha(int n) { return first(n) + *table[n & 1]; }
__declspec(dllexport) HOOKABLE int beta(int n) { counter += n; return counter * 3 + third(); }
__declspec(dllexport) int gamma_(int n) { zeroed[n] = (char)n; numbers[n] = n; return GetTickCount() + *table[2]; }

BOOL WINAPI start(HINSTANCE h, DWORD reason, LPVOID reserved) { return alpha(1) + beta(2) + gamma_(3) != 0; }
