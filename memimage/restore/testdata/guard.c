/* A load configuration as Microsoft's compilers make it: pointers that the loader fills, in a section of their own, and a
   security cookie. Sections are as they are in such programs: none of these pointers is writable. */
#include <windows.h>

#ifdef _WIN64
#define COOKIE 0x00002B992DDFA232ULL
#else
#define COOKIE 0xBB40E64E
#endif
#define CFG __attribute__((section(".00cfg")))

ULONG_PTR __security_cookie = COOKIE;
static int calls = 1;

static void check(void) { calls++; }
static void dispatch(void) { calls += 2; }

typedef void (*const function)(void);
CFG function checkPointer = check, dispatchPointer = dispatch, xfgCheck = check, xfgDispatch = dispatch, xfgTable = dispatch, copyPointer = check;
CFG ULONG_PTR const failureMode = 0;

typedef struct { /* IMAGE_LOAD_CONFIG_DIRECTORY up to GuardMemcpyFunctionPointer */
	DWORD Size, TimeDateStamp;
	WORD MajorVersion, MinorVersion;
	DWORD GlobalFlagsClear, GlobalFlagsSet, CriticalSectionDefaultTimeout;
	ULONG_PTR DeCommitFreeBlockThreshold, DeCommitTotalFreeThreshold;
	const void *LockPrefixTable;
	ULONG_PTR MaximumAllocationSize, VirtualMemoryThreshold;
#ifdef _WIN64
	ULONG_PTR ProcessAffinityMask;
	DWORD ProcessHeapFlags;
#else
	DWORD ProcessHeapFlags;
	ULONG_PTR ProcessAffinityMask;
#endif
	WORD CSDVersion, DependentLoadFlags;
	const void *EditList, *SecurityCookie, *SEHandlerTable;
	ULONG_PTR SEHandlerCount;
	const void *GuardCFCheckFunctionPointer, *GuardCFDispatchFunctionPointer, *GuardCFFunctionTable;
	ULONG_PTR GuardCFFunctionCount;
	DWORD GuardFlags, CodeIntegrity[3];
	const void *GuardAddressTakenIatEntryTable;
	ULONG_PTR GuardAddressTakenIatEntryCount;
	const void *GuardLongJumpTargetTable;
	ULONG_PTR GuardLongJumpTargetCount;
	const void *DynamicValueRelocTable, *CHPEMetadataPointer, *GuardRFFailureRoutine, *GuardRFFailureRoutineFunctionPointer;
	DWORD DynamicValueRelocTableOffset;
	WORD DynamicValueRelocTableSection, Reserved2;
	const void *GuardRFVerifyStackPointerFunctionPointer;
	DWORD HotPatchTableOffset, Reserved3;
	const void *EnclaveConfigurationPointer, *VolatileMetadataPointer, *GuardEHContinuationTable;
	ULONG_PTR GuardEHContinuationCount;
	const void *GuardXFGCheckFunctionPointer, *GuardXFGDispatchFunctionPointer, *GuardXFGTableDispatchFunctionPointer;
	const void *CastGuardOsDeterminedFailureMode, *GuardMemcpyFunctionPointer;
} config;

const config _load_config_used = {
	.Size = sizeof(config),
	.SecurityCookie = &__security_cookie,
	.GuardCFCheckFunctionPointer = &checkPointer,
	.GuardCFDispatchFunctionPointer = &dispatchPointer,
	.GuardFlags = 0x100,
	.GuardXFGCheckFunctionPointer = &xfgCheck,
	.GuardXFGDispatchFunctionPointer = &xfgDispatch,
	.GuardXFGTableDispatchFunctionPointer = &xfgTable,
	.CastGuardOsDeterminedFailureMode = &failureMode,
	.GuardMemcpyFunctionPointer = &copyPointer,
};

void start(void)
{
	checkPointer();
	dispatchPointer();
	ExitProcess(calls + (int)__security_cookie);
}
