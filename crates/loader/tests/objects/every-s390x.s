# Every relocation there is for, once.
.text
.globl here
here:
    brasl %r14, near@PLT
    brasl %r14, near
    bras %r14, near@PLT
    brc 8, near
    larl %r1, near
    larl %r1, variable
    lgrl %r1, variable@GOT
    larl %r1, variable@GOT
    bprp 12, near, near
    bprp 12, near@PLT, near@PLT
    br %r14
.section .text.near, "ax", @progbits
.globl near
near:
    br %r14
.section .rodata
    .quad near, near + 8, near - .
    .long near - ., low
    .short low, near2 - .
    .byte tiny
.section .rodata.near, "a", @progbits
near2: .byte 0
.data
.balign 8
.globl variable
variable: .quad variable
