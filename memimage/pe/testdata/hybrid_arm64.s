// The load configuration of ARM64 code: the linker fills in what it has in common with that of ARM64EC code.
	.section .rdata,"dr"
	.globl _load_config_used
	.p2align 3
_load_config_used:
	.word 0x140
	.fill 0x13c,1,0
