# Every relocation there is for, once.
.text
here:
    call near
    call *near@GOTPCREL(%rip)
    movq near@GOTPCREL(%rip), %rax
    leaq near(%rip), %rax
    movb $7, variable(%rip)
    cmpl $7, variable(%rip)
    movq $low, %rax
    jrcxz near
    ret
.section .text.near, "ax", @progbits
.globl near
near:
    ret
.section .rodata
    .quad near, near + 8, near - .
    .long near - ., near@PLT - ., near@GOTPCREL, low
    .short low, near2 - .
    .byte tiny, near2 - .
.section .rodata.near, "a", @progbits
near2: .byte 0
.data
.globl variable
variable: .quad variable
