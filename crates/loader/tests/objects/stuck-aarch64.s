// A call out of a section that is itself larger than a branch reaches.
.text
    bl last
.zero 0x9000000
.section .text.last, "ax", @progbits
.globl last
last: ret
