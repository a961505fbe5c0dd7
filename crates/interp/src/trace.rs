//! The functions that a trap ended.

use crate::code::{FINISH, FuncCode, LEFT, RETURN_ACROSS, Word};
use crate::exec::ctx::Ctx;
use wayfarer_runtime::{ExecEnv, TraceFrame};

/// Adds the frames of a run that a trap ended to the environment's trace, innermost first.
///
/// # Safety
/// The run's records must be as the trap left them.
pub(crate) unsafe fn collect(ctx: &Ctx) {
    // SAFETY: records between the environment's and `top` are those of the run's frames, written by calls; a frame's
    // code and instance outlive the run.
    unsafe {
        let env: &mut ExecEnv = &mut *ctx.env;
        let first = env.frames.base().wrapping_add(env.frames_used).cast();
        let (mut record, mut instance) = (ctx.top, ctx.instance);
        let mut ip = ctx.state.ip;
        let mut innermost = true;
        while record > first {
            record = record.sub(1);
            let Some(func) = (*record).func.as_ref() else {
                // A mark: the callee in another instance never began.
                (ip, instance, innermost) = ((*record).ret, (*record).instance, false);
                continue;
            };
            let offset = if innermost { instruction_at(func, ip) } else { call_returning_to(func, ip) };
            let loaded = (*instance).loaded().clone();
            if !env.traced(TraceFrame { loaded, func: func.index.0, offset: offset.unwrap_or(0) }) {
                return;
            }
            innermost = false;
            ip = (*record).ret;
            while record > first && (ip == RETURN_ACROSS.ip() || ip == LEFT.ip()) {
                record = record.sub(1);
                if ip == RETURN_ACROSS.ip() {
                    instance = (*record).instance;
                }
                ip = (*record).ret;
            }
            if ip == FINISH.ip() {
                return;
            }
        }
    }
}

/// The module's byte where the call begins that returns to `ip`.
fn call_returning_to(func: &FuncCode, ip: *const u64) -> Option<u32> {
    let translated = func.if_translated()?;
    let word = word_of(&translated.code, ip)?;
    Some(translated.call_returning_to(word)?.offset.in_module(&func.module().module))
}

/// The module's byte where the instruction begins that `ip` is of. Translations say this only when they are asked to, so
/// the function is translated once more.
fn instruction_at(func: &FuncCode, ip: *const u64) -> Option<u32> {
    let translated = func.if_translated()?;
    let word = word_of(&translated.code, ip)?;
    let offset = crate::translate::offset_of(func.module(), func.index, word)?;
    Some(offset.in_module(&func.module().module))
}

fn word_of(code: &[u64], ip: *const u64) -> Option<Word> {
    code.as_ptr_range()
        .contains(&ip)
        .then(|| Word(((ip as usize - code.as_ptr() as usize) / size_of::<u64>()) as u32))
}
