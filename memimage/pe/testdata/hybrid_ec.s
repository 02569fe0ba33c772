// The load configuration of ARM64EC code: its size, and at 0xc8 the address of the metadata.
	.section .rdata,"dr"
	.globl _load_config_used
	.p2align 3
_load_config_used:
	.word 0x140
	.fill 0xc4,1,0
	.xword __chpe_metadata
	.fill 0x70,1,0

// The metadata: version 1, and the map of the code.
	.globl __chpe_metadata
	.p2align 3
__chpe_metadata:
	.word 1
	.rva __hybrid_code_map
	.word __hybrid_code_map_count
	.fill 0x50,1,0

// What the thunks of the code call.
	.section .a64xrm,"dr"
	.macro pointer name
	.globl \name
\name:	.xword 0
	.endm
	pointer __os_arm64x_dispatch_call_no_redirect
	pointer __os_arm64x_dispatch_ret
	pointer __os_arm64x_check_call
	pointer __os_arm64x_check_icall
	pointer __os_arm64x_check_icall_cfg
