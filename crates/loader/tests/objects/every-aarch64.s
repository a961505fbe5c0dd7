// Every relocation there is for, once.
.text
here:
    bl near
    b near
    cbz x0, near
    tbz x0, #33, near
    ldr x0, near
    adr x0, near + 1
    adrp x0, variable
    adrp x0, :pg_hi21_nc:variable
    add x0, x0, :lo12:variable
    ldrb w1, [x0, :lo12:variable + 1]
    ldrh w1, [x0, :lo12:variable + 2]
    ldr w1, [x0, :lo12:variable + 4]
    ldr x1, [x0, :lo12:variable + 8]
    ldr q1, [x0, :lo12:variable + 16]
    adrp x0, :got:variable
    ldr x0, [x0, :got_lo12:variable]
    ldr x0, :got:variable
    ret
.section .text.near, "ax", @progbits
.globl near
near:
    ret
.section .rodata
    .xword near, near + 8, near - .
    .word near - ., near@PLT - ., low
    .hword low, near2 - .
    .word near@GOTPCREL
.section .rodata.near, "a", @progbits
near2: .byte 0
.data
.balign 32
.globl variable
variable: .xword variable, 0, 0, 0, 0
