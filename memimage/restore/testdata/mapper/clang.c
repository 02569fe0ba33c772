/* A program without a C library, for every processor that Windows runs on. What is not asked for with -D is left out. */
typedef __UINTPTR_TYPE__ word;
#define IN(name) __attribute__((section(name)))
#define P8(x) x, x, x, x, x, x, x, x
#define P64(x) P8(x), P8(x), P8(x), P8(x), P8(x), P8(x), P8(x), P8(x)

#ifdef IMPORTS
__declspec(dllimport) int first(int);
__declspec(dllimport) int second(const char *);
__declspec(dllimport) int third(void);
#else
static int first(int n) { return n + 1; }
static int second(const char *s) { return s[0]; }
static int third(void) { return 3; }
#endif

static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
static int table[1600] = {1, 2, 3};
static int *middle = &table[800];
static char zeroed[9000];

#ifdef POINTERS /* relocated numbers, some across the end of a page, and one that points behind the image */
struct packed { char odd[3]; const void *p[8 * 64 * 3]; } __attribute__((packed));
static const struct packed readOnly = {"ro", {P64(&table), P64(&readOnly), P64(zeroed + 9000), P64(&table), P64(names)}};
static struct packed writable = {"rw", {P64(&table), P64(&readOnly), P64(&zeroed[9000]), P64(&names)}};
#define USE_POINTERS (readOnly.odd[table[1]] + writable.odd[table[2]])
#else
#define USE_POINTERS 0
#endif

#ifdef SHARED
static volatile int common IN(".shr") = 7;
static const void *volatile commonPointer IN(".shr") = &table;
#define USE_SHARED (common + (int)(word)commonPointer)
#else
#define USE_SHARED 0
#endif

#ifdef SELFMODIFYING /* with /section:.smc,erw */
IN(".smc") __attribute__((noinline)) int modified(int n) { return n * 3 + *middle; }
#define USE_SMC modified(4)
#else
#define USE_SMC 0
#endif

#ifdef TLS
unsigned _tls_index = 0;
static char tlsStart[16] = "thread local";
static void callback(void *h, unsigned reason, void *reserved) { zeroed[0] = (char)reason; }
static const word callbacks[] = {(word)callback, 0};
const struct { word start, end, index, callbacks; unsigned size, flags; } _tls_used = {
	(word)tlsStart, (word)(tlsStart + 16), (word)&_tls_index, (word)callbacks, 0, 0,
};
#endif

#ifdef DELAY
__declspec(dllimport) int lateOne(int);
__declspec(dllimport) int lateTwo(int);
#ifndef _WIN64
__attribute__((stdcall))
#endif
void *__delayLoadHelper2(void *descriptor, void **slot) { return *slot = (void *)&third; }
#define USE_DELAY (lateOne(1) + lateTwo(2))
#else
#define USE_DELAY 0
#endif

#ifdef GUARD
static void check(word target) {}
static void dispatch(void) {}
IN(".00cfg") void *const __guard_check_icall_fptr = check;
IN(".00cfg") void *const __guard_dispatch_icall_fptr = dispatch;
static void *const xfgCheck = check, *const xfgDispatch = dispatch, *const xfgTable = dispatch, *const copy = check;
#ifdef _WIN64
word __security_cookie = 0x2b992ddfa232;
#else
word __security_cookie = 0xbb40e64e;
#endif
extern char __guard_fids_table[], __guard_fids_count[], __guard_flags[], __guard_iat_table[], __guard_iat_count[];
#ifndef _WIN64
extern char __safe_se_handler_table[], __safe_se_handler_count[];
#endif
/* IMAGE_LOAD_CONFIG_DIRECTORY of Windows 11 */
const struct {
	unsigned size, stamp, version, clear, set, timeout;
	word deCommit[2], lockPrefix, maximum[2];
#ifdef _WIN64
	word affinity;
	unsigned heapFlags;
#else
	unsigned heapFlags;
	word affinity;
#endif
	unsigned short csd, dependent;
	word editList, cookie, handlers, handlerCount, check, dispatch, functions, functionCount;
	unsigned flags;
	unsigned short integrity[2];
	unsigned integrity2[2];
	word iat, iatCount, longJumps, longJumpCount, dynamicRelocations, chpe, rfRoutine, rfPointer;
	unsigned dynamicOffset;
	unsigned short dynamicSection, reserved2;
	word rfVerify;
	unsigned hotPatch, reserved3;
	word enclave, volatileMetadata, continuations, continuationCount, xfgCheck, xfgDispatch, xfgTable, cast, copy;
} _load_config_used = {
	.size = sizeof _load_config_used, .cookie = (word)&__security_cookie,
#ifndef _WIN64
	.handlers = (word)__safe_se_handler_table, .handlerCount = (word)__safe_se_handler_count,
#endif
	.check = (word)&__guard_check_icall_fptr, .dispatch = (word)&__guard_dispatch_icall_fptr,
	.functions = (word)__guard_fids_table, .functionCount = (word)__guard_fids_count, .flags = 0x10500,
	.iat = (word)__guard_iat_table, .iatCount = (word)__guard_iat_count,
	.xfgCheck = (word)&xfgCheck, .xfgDispatch = (word)&xfgDispatch, .xfgTable = (word)&xfgTable, .copy = (word)&copy,
};
static int (*volatile indirect)(int) = first;
#define USE_GUARD (indirect(2) + (int)__security_cookie)
#else
#define USE_GUARD 0
#endif

#ifdef CLR /* IMAGE_COR20_HEADER; the test points directory 14 at it */
__declspec(dllimport) int _CorExeMain(void);
const struct { unsigned size; unsigned short major, minor; unsigned metadata[2], flags, token; unsigned rest[12]; } clr = {
	72, 2, 5, {0, 0}, 3, 0x06000001,
};
#define USE_CLR (_CorExeMain() + (int)clr.token)
#else
#define USE_CLR 0
#endif

int start(void)
{
	int n = third();
	for (int i = 0; i < 4; i++)
		n += second(names[i]) + first(i) + *middle;
	zeroed[n & 0xff] = (char)table[n & 0xff];
	return n + zeroed[5] + USE_POINTERS + USE_SHARED + USE_SMC + USE_DELAY + USE_GUARD + USE_CLR;
}
