package nt

import "memlens/memimage/profile"

// layout is every structure member that this package reads, at the offsets of one kernel.
type layout struct {
	EPROCESS struct {
		Size          profile.Size   `nt:"_EPROCESS,optional"`
		DTB           profile.Offset `nt:"_EPROCESS.Pcb.DirectoryTableBase"`
		UserDTB       profile.Offset `nt:"_EPROCESS.Pcb.UserDirectoryTableBase,optional"`
		PID           profile.Offset `nt:"_EPROCESS.UniqueProcessId"`
		PPID          profile.Offset `nt:"_EPROCESS.InheritedFromUniqueProcessId,optional"`
		Links         profile.Offset `nt:"_EPROCESS.ActiveProcessLinks"`
		Name          profile.Field  `nt:"_EPROCESS.ImageFileName"`
		CreateTime    profile.Offset `nt:"_EPROCESS.CreateTime,optional"`
		ExitTime      profile.Offset `nt:"_EPROCESS.ExitTime,optional"`
		PEB           profile.Offset `nt:"_EPROCESS.Peb"`
		Wow64         profile.Field  `nt:"_EPROCESS.WoW64Process|_EPROCESS.Wow64Process,optional"`
		Session       profile.Field  `nt:"_EPROCESS.Session,optional"`
		ThreadList    profile.Offset `nt:"_EPROCESS.ThreadListHead,optional"`
		KThreadList   profile.Offset `nt:"_EPROCESS.Pcb.ThreadListHead,optional"`
		ActiveThreads profile.Offset `nt:"_EPROCESS.ActiveThreads,optional"`
		VadRoot       profile.Field  `nt:"_EPROCESS.VadRoot,optional"`
		SectionObject profile.Offset `nt:"_EPROCESS.SectionObject,optional"`
		SectionBase   profile.Offset `nt:"_EPROCESS.SectionBaseAddress,optional"`
		AuditName     profile.Offset `nt:"_EPROCESS.SeAuditProcessCreationInfo,optional"`
		ImageFile     profile.Offset `nt:"_EPROCESS.ImageFilePointer,optional"`
		Exiting       profile.Field  `nt:"_EPROCESS.ProcessExiting,optional"`
		Minimal       profile.Field  `nt:"_EPROCESS.Minimal,optional"`
		PicoContext   profile.Offset `nt:"_EPROCESS.PicoContext,optional"`
		SecureHandle  profile.Field  `nt:"_EPROCESS.Pcb.SecureState.SecureHandle,optional"` // since 1809
		SecurePID     profile.Field  `nt:"_EPROCESS.Pcb.SecurePid,optional"`                // before
	}
	Dispatcher struct {
		Type   profile.Offset `nt:"_DISPATCHER_HEADER.Type"`
		Size   profile.Offset `nt:"_DISPATCHER_HEADER.Size,optional"`
		Signal profile.Offset `nt:"_DISPATCHER_HEADER.SignalState,optional"`
		Wait   profile.Offset `nt:"_DISPATCHER_HEADER.WaitListHead,optional"`
	}
	PEB struct {
		ImageBase  profile.Offset `nt:"_PEB.ImageBaseAddress"`
		Ldr        profile.Offset `nt:"_PEB.Ldr"`
		Parameters profile.Offset `nt:"_PEB.ProcessParameters"`
		OSBuild    profile.Offset `nt:"_PEB.OSBuildNumber,optional"`
		SessionID  profile.Offset `nt:"_PEB.SessionId,optional"`
		Processors profile.Offset `nt:"_PEB.NumberOfProcessors,optional"`
		CSD        profile.Offset `nt:"_PEB.CSDVersion,optional"`
	}
	Parameters struct {
		ImagePath   profile.Offset `nt:"_RTL_USER_PROCESS_PARAMETERS.ImagePathName"`
		CommandLine profile.Offset `nt:"_RTL_USER_PROCESS_PARAMETERS.CommandLine"`
	}
	Ldr     loaderLayout
	VAD     vadLayout
	Section sectionLayout
	String  struct {
		Length profile.Offset `nt:"_UNICODE_STRING.Length"`
		Buffer profile.Offset `nt:"_UNICODE_STRING.Buffer"`
	}
	Paging     pagingLayout
	ObjectName profile.Offset `nt:"_OBJECT_NAME_INFORMATION.Name,optional"`
	Session    profile.Offset `nt:"_MM_SESSION_SPACE.SessionId,optional"`
}

// pagingLayout is the layout of the page files that the kernel uses, and of its list of page files.
type pagingLayout struct {
	Number  profile.Field  `nt:"_MMPAGING_FILE.PageFileNumber,optional"`
	Virtual profile.Field  `nt:"_MMPAGING_FILE.VirtualStorePagefile,optional"`
	Swap    profile.Field  `nt:"_MMPAGING_FILE.WsSwapPagefile,optional"`
	Name    profile.Offset `nt:"_MMPAGING_FILE.PageFileName,optional"`
	Files   profile.Offset `nt:"_MI_PARTITION.Vp.PagingFile,optional"`
	Count   profile.Offset `nt:"_MI_PARTITION.Vp.NumberOfPagingFiles,optional"`
}

// loaderLayout is the layout of the loader's lists in a process.
type loaderLayout struct {
	InLoadOrder   profile.Offset `nt:"_PEB_LDR_DATA.InLoadOrderModuleList"`
	InMemoryOrder profile.Offset `nt:"_PEB_LDR_DATA.InMemoryOrderModuleList"`
	InInitOrder   profile.Offset `nt:"_PEB_LDR_DATA.InInitializationOrderModuleList"`
	Links         profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.InLoadOrderLinks"`
	MemoryLinks   profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.InMemoryOrderLinks"`
	InitLinks     profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.InInitializationOrderLinks|_LDR_DATA_TABLE_ENTRY.InProgressLinks"`
	Base          profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.DllBase"`
	EntryPoint    profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.EntryPoint"`
	Size          profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.SizeOfImage"`
	FullName      profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.FullDllName"`
	BaseName      profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.BaseDllName"`
	Flags         profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.Flags,optional"`
	LoadCount     profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.LoadCount|_LDR_DATA_TABLE_ENTRY.ObsoleteLoadCount,optional"`
	LoadTime      profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.LoadTime,optional"`
	Patch         profile.Offset `nt:"_LDR_DATA_TABLE_ENTRY.ActivePatchImageBase,optional"` // since Server 2022 and Windows 11
}

// vadLayout is the layout of the virtual address descriptors. The tree's links lie in the descriptor up to Windows 7,
// in a node at its start from Windows 8 on.
type vadLayout struct {
	Root      profile.Offset `nt:"_MM_AVL_TABLE.BalancedRoot.RightChild,optional"` // _MM_AVL_TABLE: the root is its right child
	Left      profile.Offset `nt:"_MMVAD_SHORT.LeftChild|_MMVAD_SHORT.VadNode.LeftChild|_MMVAD_SHORT.VadNode.Left|_RTL_BALANCED_NODE.Left"`
	Right     profile.Offset `nt:"_MMVAD_SHORT.RightChild|_MMVAD_SHORT.VadNode.RightChild|_MMVAD_SHORT.VadNode.Right|_RTL_BALANCED_NODE.Right"`
	Start     profile.Field  `nt:"_MMVAD_SHORT.StartingVpn"`
	End       profile.Field  `nt:"_MMVAD_SHORT.EndingVpn"`
	StartHigh profile.Offset `nt:"_MMVAD_SHORT.StartingVpnHigh,optional"`
	EndHigh   profile.Offset `nt:"_MMVAD_SHORT.EndingVpnHigh,optional"`
	// StartHigher exists since kernels run with five levels of page tables. The place of the same bits of the end is
	// only in the symbols of later builds.
	StartHigher profile.Field  `nt:"_MMVAD_SHORT.u5.StartingVpnHigher,optional"`
	Flags       profile.Offset `nt:"_MMVAD_SHORT.u,optional"`
	Private     profile.Field  `nt:"_MMVAD_FLAGS.PrivateMemory"`
	Type        profile.Field  `nt:"_MMVAD_FLAGS.VadType,optional"`
	ImageMap    profile.Field  `nt:"_MMVAD_FLAGS.ImageMap,optional"`

	Protection profile.Field `nt:"_MMVAD_FLAGS.Protection,optional"`

	// Committed is in these flags up to Windows 7, later in others.
	Committed  profile.Field  `nt:"_MMVAD_FLAGS.MemCommit,optional"`
	Flags1     profile.Offset `nt:"_MMVAD_SHORT.u1,optional"`
	Committed1 profile.Field  `nt:"_MMVAD_FLAGS1.MemCommit,optional"`

	Subsection profile.Offset `nt:"_MMVAD.Subsection,optional"`
	Area       profile.Offset `nt:"_MMVAD.ControlArea,optional"`
	FirstProto profile.Offset `nt:"_MMVAD.FirstPrototypePte"`
	LastProto  profile.Offset `nt:"_MMVAD.LastContiguousPte"`
}

// sectionLayout is the layout of sections, and of the files behind them.
type sectionLayout struct {
	sectionMembers
	fileMembers
}

// sectionMembers are the members of sections, their control areas and subsections.
type sectionMembers struct {
	Segment     profile.Offset `nt:"_SECTION_OBJECT.Segment,optional"` // up to Windows 7
	ControlArea profile.Offset `nt:"_SECTION.u1.ControlArea|_SECTION.u1,optional"`
	SegmentArea profile.Offset `nt:"_SEGMENT.ControlArea"`

	AreaSize    profile.Size   `nt:"_CONTROL_AREA"`
	AreaSegment profile.Offset `nt:"_CONTROL_AREA.Segment"`
	AreaFile    profile.Field  `nt:"_CONTROL_AREA.FilePointer"`
	AreaFlags   profile.Offset `nt:"_CONTROL_AREA.u"`
	FlagImage   profile.Field  `nt:"_MMSECTION_FLAGS.Image"`
	FlagFile    profile.Field  `nt:"_MMSECTION_FLAGS.File"`

	SubArea     profile.Offset `nt:"_SUBSECTION.ControlArea"`
	SubBase     profile.Offset `nt:"_SUBSECTION.SubsectionBase"`
	SubNext     profile.Offset `nt:"_SUBSECTION.NextSubsection"`
	SubPtes     profile.Offset `nt:"_SUBSECTION.PtesInSubsection"`
	SubSector   profile.Offset `nt:"_SUBSECTION.StartingSector"`
	SubSectors  profile.Offset `nt:"_SUBSECTION.NumberOfFullSectors"`
	SubFlags    profile.Offset `nt:"_SUBSECTION.u|_SUBSECTION.SubsectionFlags"`
	SubFlagsEnd profile.Field  `nt:"_MMSUBSECTION_FLAGS.SectorEndOffset,optional"`
}

// fileMembers are the members of file objects and their cache maps.
type fileMembers struct {
	FilePointers profile.Offset `nt:"_FILE_OBJECT.SectionObjectPointer"`
	FileName     profile.Offset `nt:"_FILE_OBJECT.FileName"`
	FileContext  profile.Offset `nt:"_FILE_OBJECT.FsContext,optional"`
	PointersData profile.Offset `nt:"_SECTION_OBJECT_POINTERS.DataSectionObject"`
	PointersMap  profile.Offset `nt:"_SECTION_OBJECT_POINTERS.SharedCacheMap"`
	PointersImg  profile.Offset `nt:"_SECTION_OBJECT_POINTERS.ImageSectionObject"`

	MapFileSize profile.Offset `nt:"_SHARED_CACHE_MAP.FileSize,optional"`
	MapSize     profile.Offset `nt:"_SHARED_CACHE_MAP.SectionSize,optional"`
	MapVacbs    profile.Offset `nt:"_SHARED_CACHE_MAP.Vacbs,optional"`
	MapFile     profile.Field  `nt:"_SHARED_CACHE_MAP.FileObjectFastRef,optional"`
	VacbBase    profile.Offset `nt:"_VACB.BaseAddress,optional"`
	VacbMap     profile.Offset `nt:"_VACB.SharedCacheMap,optional"`
	VacbOffset  profile.Offset `nt:"_VACB.Overlay.FileOffset,optional"`
}
