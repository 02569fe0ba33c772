// Structures in the manner of a kernel's, to read back from the debug information that a compiler writes about them.
// The program never runs: its section "truth" holds what the compiler says of every member. See README.txt.

typedef unsigned char UCHAR;
typedef unsigned short USHORT, WCHAR;
typedef unsigned long ULONG; // 4 bytes for Windows, whatever the architecture
typedef unsigned long long ULONGLONG;

#define offsetof(s, m) __builtin_offsetof(s, m)

typedef enum _KIND { Plain, Fancy } KIND;

typedef struct _LIST_ENTRY {
	struct _LIST_ENTRY *Flink, *Blink;
} LIST_ENTRY;

typedef struct _UNICODE_STRING {
	USHORT Length, MaximumLength;
	const WCHAR *Buffer;
} UNICODE_STRING;

typedef struct _DISPATCHER_HEADER {
	union {
		volatile long Lock;
		struct {
			UCHAR Type, Signalling, Size, Reserved;
		};
	};
	long SignalState;
	LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER;

typedef struct _KPROCESS {
	DISPATCHER_HEADER Header;
	LIST_ENTRY ProfileListHead;
	ULONGLONG DirectoryTableBase[2];
} KPROCESS;

typedef struct _MMVAD_FLAGS {
	ULONG Lock : 1;
	ULONG LockContended : 1;
	ULONG VadType : 3;
	ULONG Protection : 5;
	ULONG : 3;
	ULONG PreferredNode : 6;
	ULONG PrivateMemory : 1;
} MMVAD_FLAGS;

typedef struct _MMVAD_FLAGS2 {
	ULONGLONG FileOffset : 24;
	ULONGLONG Wide : 36;
	ULONGLONG Last : 4;
} MMVAD_FLAGS2;

typedef struct _MMVAD_SHORT {
	struct _MMVAD_SHORT *Children[2];
	ULONG StartingVpn, EndingVpn;
	union {
		ULONG LongFlags;
		MMVAD_FLAGS VadFlags;
		struct {
			UCHAR Low;
			UCHAR High[3];
		} Parts;
	} u;
	union {
		ULONGLONG LongFlags2;
		MMVAD_FLAGS2 VadFlags2;
	} u1;
} MMVAD_SHORT;

typedef long (*CALLBACK)(void *context);

typedef struct _EPROCESS {
	KPROCESS Pcb;
	void *UniqueProcessId;
	LIST_ENTRY ActiveProcessLinks;
	UCHAR ImageFileName[15];
	UCHAR PriorityClass;
	CALLBACK Callback;
	int (*Row)[4];
	int Matrix[2][3];
	UNICODE_STRING Names[3];
	const volatile ULONG *const *Deep;
	KIND Kind;
	struct _PEB *Peb; // never defined
	WCHAR Wide[4];
	signed char Small;
	_Bool Bool;
	double Real;
	union {
		struct {
			ULONG ProcessExiting : 1, ProcessDelete : 1;
		};
		ULONG Flags;
	};
	MMVAD_SHORT VadRoot;
} EPROCESS;

// More members than one field list can hold, so that it has to be continued.
#define TEN(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7) m(n##8) m(n##9)
#define MEMBER(n) ULONG AMemberWithANameLongEnoughToFillAFieldList##n;
#define HUNDRED(a) TEN(MEMBER, a##0) TEN(MEMBER, a##1) TEN(MEMBER, a##2) TEN(MEMBER, a##3) TEN(MEMBER, a##4) \
	TEN(MEMBER, a##5) TEN(MEMBER, a##6) TEN(MEMBER, a##7) TEN(MEMBER, a##8) TEN(MEMBER, a##9)
typedef struct _MM_SESSION_SPACE {
	HUNDRED(_0) HUNDRED(_1) HUNDRED(_2) HUNDRED(_3) HUNDRED(_4)
	HUNDRED(_5) HUNDRED(_6) HUNDRED(_7) HUNDRED(_8) HUNDRED(_9)
	HUNDRED(_a) HUNDRED(_b)
	LIST_ENTRY Last;
} MM_SESSION_SPACE;

typedef struct _MMPAGING_FILE {
	ULONGLONG Size;
	struct {
		USHORT PageFileNumber : 4, WsSwapPagefile : 1, Spare : 1, VirtualStorePagefile : 1;
	};
} MMPAGING_FILE;

typedef struct _MI_VISIBLE_PARTITION {
	ULONG NumberOfPagingFiles;
	MMPAGING_FILE *PagingFile[16];
} MI_VISIBLE_PARTITION;

typedef struct _MI_PARTITION {
	void *Core[3];
	MI_VISIBLE_PARTITION Vp;
} MI_PARTITION;

typedef struct _MI_HARDWARE_STATE {
	ULONG NodeMask;
	ULONGLONG InvalidPteMask;
} MI_HARDWARE_STATE;

typedef struct _MI_SYSTEM_INFORMATION {
	LIST_ENTRY Pools;
	MI_HARDWARE_STATE Hardware;
} MI_SYSTEM_INFORMATION;

EPROCESS PsInitialSystemProcess = {{{{1}}}};
MM_SESSION_SPACE MiState = {1};
LIST_ENTRY PsActiveProcessHead = {&PsActiveProcessHead, &PsActiveProcessHead};
ULONG NtBuildNumber = 0xf0000000 + 19041;
ULONG SmGlobals __asm__("?SmGlobals@@3U_SM_GLOBALS@@A") = 1; // a part of the kernel that is written in C++
MMPAGING_FILE MiVirtualStore = {1};
MI_PARTITION MiSystemPartition = {{0}, {1, {&MiVirtualStore}}};
MI_SYSTEM_INFORMATION MiSystemInformation = {{0, 0}, {1, 2}};

// What the compiler says: of a member its offset and size; of a bitfield the value of its structure when all the
// bits of the field are set and no others; of a symbol its address.
union value {
	MMVAD_FLAGS flags;
	MMVAD_FLAGS2 flags2;
	const void *address;
	ULONGLONG number;
};
struct truth {
	char name[96];
	ULONG kind, offset, size, zero;
	union value value;
	ULONGLONG zero2;
};

#define STRUCT(s) {#s, 0, 0, sizeof(struct s)},
#define FIELD(s, m) {#s "." #m, 1, offsetof(struct s, m), sizeof(((struct s *)0)->m)},
#define BITS(s, u, m) {#s "." #m, 2, 0, sizeof(struct s), 0, {.u = {.m = -1}}},
#define SYMBOL(n) {#n, 3, 0, 0, 0, {.address = &n}},

__attribute__((section("truth"), used)) const struct truth truth[] = {
	STRUCT(_LIST_ENTRY) STRUCT(_UNICODE_STRING) STRUCT(_KPROCESS) STRUCT(_EPROCESS) STRUCT(_MMVAD_SHORT) STRUCT(_MM_SESSION_SPACE)
	STRUCT(_MMVAD_FLAGS) STRUCT(_MMVAD_FLAGS2) STRUCT(_DISPATCHER_HEADER)
	FIELD(_LIST_ENTRY, Blink)
	FIELD(_UNICODE_STRING, MaximumLength) FIELD(_UNICODE_STRING, Buffer)
	FIELD(_DISPATCHER_HEADER, Lock) FIELD(_DISPATCHER_HEADER, Size) FIELD(_DISPATCHER_HEADER, SignalState)
	FIELD(_KPROCESS, Header.Type) FIELD(_KPROCESS, DirectoryTableBase)
	FIELD(_EPROCESS, Pcb) FIELD(_EPROCESS, Pcb.DirectoryTableBase) FIELD(_EPROCESS, Pcb.Header.WaitListHead.Blink)
	FIELD(_EPROCESS, UniqueProcessId) FIELD(_EPROCESS, ActiveProcessLinks) FIELD(_EPROCESS, ImageFileName)
	FIELD(_EPROCESS, Callback) FIELD(_EPROCESS, Row) FIELD(_EPROCESS, Matrix) FIELD(_EPROCESS, Names)
	FIELD(_EPROCESS, Deep) FIELD(_EPROCESS, Kind) FIELD(_EPROCESS, Peb) FIELD(_EPROCESS, Wide) FIELD(_EPROCESS, Small)
	FIELD(_EPROCESS, Bool) FIELD(_EPROCESS, Real) FIELD(_EPROCESS, Flags)
	FIELD(_EPROCESS, VadRoot.u.VadFlags) FIELD(_EPROCESS, VadRoot.u.Parts.High)
	FIELD(_MMVAD_SHORT, Children) FIELD(_MMVAD_SHORT, EndingVpn) FIELD(_MMVAD_SHORT, u.LongFlags)
	FIELD(_MMVAD_SHORT, u.Parts.Low) FIELD(_MMVAD_SHORT, u1.VadFlags2)
	BITS(_MMVAD_FLAGS, flags, Lock) BITS(_MMVAD_FLAGS, flags, VadType) BITS(_MMVAD_FLAGS, flags, Protection)
	BITS(_MMVAD_FLAGS, flags, PreferredNode) BITS(_MMVAD_FLAGS, flags, PrivateMemory)
	BITS(_MMVAD_FLAGS2, flags2, FileOffset) BITS(_MMVAD_FLAGS2, flags2, Wide) BITS(_MMVAD_FLAGS2, flags2, Last)
	FIELD(_MM_SESSION_SPACE, AMemberWithANameLongEnoughToFillAFieldList_000)
	FIELD(_MM_SESSION_SPACE, AMemberWithANameLongEnoughToFillAFieldList_537)
	FIELD(_MM_SESSION_SPACE, AMemberWithANameLongEnoughToFillAFieldList_b99) FIELD(_MM_SESSION_SPACE, Last.Blink)
	STRUCT(_MMPAGING_FILE) FIELD(_MI_PARTITION, Vp.PagingFile) FIELD(_MI_SYSTEM_INFORMATION, Hardware.InvalidPteMask)
	SYMBOL(PsInitialSystemProcess) SYMBOL(MiState) SYMBOL(PsActiveProcessHead) SYMBOL(NtBuildNumber)
	SYMBOL(MiSystemPartition) SYMBOL(SmGlobals)
};

int KiSystemStartup(void) { return (int)(NtBuildNumber + MiState.Last.Blink->Flink->Flink - PsActiveProcessHead.Flink); }
