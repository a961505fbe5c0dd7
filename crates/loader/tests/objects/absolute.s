# Symbols that are numbers.
.globl low, tiny
.set low, 0x1234
.set tiny, 0x12
.data
.quad 0
