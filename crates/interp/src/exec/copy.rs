//! Handlers that move values between slots.

use super::dispatch::{handlers, next};

handlers! {
    /// Slot 8 from slot 10.
    copy |s| {
        *s.slot(8) = *s.slot(10);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Slot 8 from slot 10 and slot 12 from slot 14, at once. A v128 is two neighbouring slots.
    copy2 |s| {
        let (x, y) = (*s.slot(10), *s.slot(14));
        *s.slot(8) = x;
        *s.slot(12) = y;
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Slot 8 from the 32-bit immediate at 12, zero-extended.
    const32 |s| {
        *s.slot(8) = u64::from(s.u32(12));
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Slot 8 from the word at 16.
    const64 |s| {
        *s.slot(8) = s.u64(16);
        s.ip = s.ip.add(3);
        next(s)
    }

    /// Slots 8 and following from the words at 16 and 24.
    const128 |s| {
        let to = s.slot(8);
        *to = s.u64(16);
        *to.add(1) = s.u64(24);
        s.ip = s.ip.add(4);
        next(s)
    }
}
