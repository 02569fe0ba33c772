/* A program with mingw's C library: constructors, thread-local data, imports of several libraries. */
#include <windows.h>
#include <stdio.h>

static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
static int table[600] = {1, 2, 3};
static int *middle = &table[300];
static __thread int local = 5;
#ifdef SHARED
int common __attribute__((section("shr"), shared)) = 7;
#endif

__attribute__((constructor)) static void construct(void) { table[5] = 6; }

#ifdef DLL
__declspec(dllexport) int run(int n)
#else
int main(int n, char **v)
#endif
{
	for (int i = 0; i < 4; i++)
		printf("%s %d\n", names[i], *middle + local++ + n);
#ifdef SHARED
	common++;
#endif
	MessageBoxA(0, names[n & 3], "", 0);
	return table[n];
}
