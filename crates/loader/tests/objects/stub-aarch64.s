// What a stub is: the address that it jumps to is 16 bytes after its start.
stub: bti c
    ldr x16, stub + 16
    br x16
    .word 0
    .xword 0x123456789abcdef0
