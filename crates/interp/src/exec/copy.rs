//! Handlers that move values between slots.

use super::dispatch::{handlers, past};
use crate::ir::{Const32, Const64, Const128, CopySlot, CopySlots};

handlers! {
    copy |s, i: CopySlot| {
        *s.slot(i.result) = *s.slot(i.from);
        past(s, i)
    }

    copy2 |s, i: CopySlots| {
        let (x, y) = (*s.slot(i.from), *s.slot(i.from2));
        *s.slot(i.result) = x;
        *s.slot(i.result2) = y;
        past(s, i)
    }

    const32 |s, i: Const32| {
        *s.slot(i.result) = u64::from(i.value.0);
        past(s, i)
    }

    const64 |s, i: Const64| {
        *s.slot(i.result) = i.value.0;
        past(s, i)
    }

    const128 |s, i: Const128| {
        let v = u128::from(i.low.0) | u128::from(i.high.0) << 64;
        s.set_v128(i.result, v);
        past(s, i)
    }
}
