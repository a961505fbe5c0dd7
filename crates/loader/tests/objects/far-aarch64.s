// Calls over more than 128 MiB, which is further than a branch reaches.
.section .text.first, "ax", @progbits
.globl first
.type first, %function
first:
    bl last
    bl beside
    b memcpy
.size first, . - first
.section .text.beside, "ax", @progbits
.globl beside
.type beside, %function
beside: ret
.size beside, . - beside
.section .text.gap1, "ax", @progbits
.zero 0x5000000
.section .text.gap2, "ax", @progbits
.zero 0x5000000
.section .text.last, "ax", @progbits
.globl last
.type last, %function
last:
    bl first + 4
    b memcpy
.size last, . - last
