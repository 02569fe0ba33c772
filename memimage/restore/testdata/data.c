/* Many pointers over several pages and sections, some of them not aligned, so that relocated
   numbers straddle pages. */
#include <windows.h>

#define P8(x) x, x, x, x, x, x, x, x
#define P64(x) P8(x), P8(x), P8(x), P8(x), P8(x), P8(x), P8(x), P8(x)
#define P512(x) P64(x), P64(x), P64(x), P64(x), P64(x), P64(x), P64(x), P64(x)

static int target;
struct packed {
	char odd[3];
	const void *p[1024];
} __attribute__((packed));

static const struct packed readOnly __attribute__((section(".rdata$z"))) = {"ro", {P512(&target), P512(&readOnly)}};
static struct packed writable = {"rw", {P512(&target), P8(&target)}};
static struct {
	char odd[5]; /* so that three bytes of a number end a page */
	const void *p[sizeof(void *) == 4 ? 1040 : 521];
} __attribute__((packed)) own __attribute__((section(".own"))) = {"own", {
#ifndef _WIN64
	P512(&writable),
#endif
	P512(&target), P8(&writable), &target,
}};

void start(void)
{
	volatile char *w = writable.odd;
	ExitProcess(target + readOnly.odd[0] + w[1] + own.odd[0]);
}
