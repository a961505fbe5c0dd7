# What a stub is: the address that it jumps to is 16 bytes after its start.
stub: jmp *stub + 16(%rip)
    ud2
    .fill 8, 1, 0xcc
    .quad 0x123456789abcdef0
