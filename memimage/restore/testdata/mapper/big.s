# Three megabytes in many sections, with relocated numbers in all of them.
	.macro part name, flags
	.section \name, "\flags"
start_\@:
	.rept 1500
	.quad start_\@ + 0x1234
	.quad 0x0123456789abcdef
	.byte 0xe9, 0x90, 0x90
	.long 0x5a4d
	.endr
	.rept 180
	.fill 194, 4, 0x11223344
	.quad start_\@
	.endr
	.endm
	.irp n, 1, 2, 3, 4, 5, 6, 7
	part .t\n, xr
	part .d\n, dw
	part .r\n, dr
	.endr
