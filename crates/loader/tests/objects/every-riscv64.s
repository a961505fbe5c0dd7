# Every relocation there is for, once.
.option relax
.text
.globl here
here:
.cfi_startproc
    call near
    .cfi_def_cfa_offset 8
    tail near
    jal near
    jal x0, near
    beq a0, a1, near
    c.beqz a0, near
    c.j near
    c.bnez a0, here2
    c.j here2
    bne a0, a1, here2
here2:
    lla a0, variable
    la a0, variable
    ld a0, variable
    sd a0, variable, a1
    .cfi_def_cfa_offset 16
    .space 200
    call near
    .cfi_def_cfa_offset 32
    .space 3000
    call near
    .cfi_def_cfa_offset 48
    .p2align 4
    ret
there:
.cfi_endproc
.section .text.near, "ax", @progbits
.globl near
near:
    ret
.section .rodata
start:
    .dword near, near + 8, near - ., there - here
    .word near - ., near@PLT - ., near@GOTPCREL, low, there - here
    .half here2 - here
    .byte here2 - here
    .uleb128 here2 - here
    .uleb128 there - here
    .sleb128 5
.data
.globl variable
variable: .dword variable
