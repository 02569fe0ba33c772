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
static struct packed writable = {"rw", {P512(&target)}};
static struct packed own __attribute__((section(".own"))) = {"own", {P64(&writable), P64(&target)}};

void start(void)
{
	volatile char *w = writable.odd;
	ExitProcess(target + readOnly.odd[0] + w[1] + own.odd[0]);
}
