# What a stub is: the address that it jumps to is 16 bytes after its start.
stub: lgrl %r1, stub + 16
    br %r1
    .quad 0
    .quad 0x123456789abcdef0
