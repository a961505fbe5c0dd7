//! Translated code and what is known about it.

use crate::exec::dispatch::Handler;
use crate::heat::Heat;
use crate::ir::{CodePtr, Slot};
use crate::translate::{self, Untranslatable};
use once_cell::sync::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wayfarer_module::{FuncIdx, FuncPoints, Module, PointKind, stable_points_where};
use wayfarer_runtime::{Func, ModuleCode, PreparedFunc, TypeId};

/// A function as the interpreter knows it. At a fixed address; instructions and frame records point to it.
pub(crate) struct FuncCode {
    /// Its first instruction; until it was translated, one that translates it.
    entry: AtomicPtr<u64>,
    /// Slots of a frame; 0 until translated.
    frame_slots: AtomicU32,
    /// Slots of the locals that are not parameters, which start out zero; 0 until translated.
    zero_slots: AtomicU32,
    /// Slots of the parameters.
    pub(crate) param_slots: u32,
    /// Function index.
    pub(crate) index: FuncIdx,
    /// Of its entry.
    pub(crate) heat: Heat,
    module: *const InterpModule,
    /// By how many it is watched. Whoever changes `entry` holds it.
    watched: Mutex<u32>,
    translated: OnceCell<Translated>,
    /// Stable points that captures and resumes asked for: those on stacks, never all of a function.
    points: Mutex<HashMap<(PointKind, Offset), Arc<FuncPoints>>>,
}

// SAFETY: `module` points to the owner, which is shareable and outlives the function.
unsafe impl Send for FuncCode {}
// SAFETY: as above.
unsafe impl Sync for FuncCode {}

impl fmt::Debug for FuncCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FuncCode({})", self.index.0)
    }
}

/// A place in a function's code: words from its beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Word(pub(crate) u32);

impl Word {
    /// As many words behind.
    pub(crate) fn behind(self, words: usize) -> Word {
        Word(self.0 + words as u32)
    }
}

/// A place in a module: bytes from the beginning of its code section, as positions in images are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Offset(pub(crate) u32);

impl Offset {
    /// As bytes from the beginning of the module.
    pub(crate) fn in_module(self, module: &Module) -> u32 {
        (module.code_start as u32).wrapping_add(self.0)
    }
}

/// Where a value of the Wasm view is, when not in its own slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Elsewhere {
    /// Still in the slot of a local.
    Local(Slot),
    /// A constant.
    Const(u128),
}

/// A place in the code that corresponds to a stable point.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// First word of the instruction: a loop header, or a call.
    pub(crate) word: Word,
    /// For a call, the word where it returns to.
    pub(crate) return_word: Word,
    /// Of the operator.
    pub(crate) offset: Offset,
    /// Operand stack entries that are not in their slots: index from the bottom, and where.
    pub(crate) elsewhere: Box<[(u32, Elsewhere)]>,
}

/// What translation made of a function.
#[derive(Debug)]
pub(crate) struct Translated {
    /// Instructions, in 64-bit words.
    pub(crate) code: Box<[u64]>,
    /// Slots of a frame.
    pub(crate) frame_slots: u32,
    /// Slots of all locals.
    pub(crate) local_slots: u32,
    /// Loop headers, by position.
    pub(crate) loops: Box<[Site]>,
    /// Of the loop headers, in the same order.
    pub(crate) loop_heat: Box<[Heat]>,
    /// Calls, by position.
    pub(crate) calls: Box<[Site]>,
    /// Where control goes on behind loops, and behind blocks with loops in them: offset of the `end`, and the word behind.
    pub(crate) ends: Box<[(Offset, Word)]>,
}

impl Translated {
    /// The loop header at this word.
    pub(crate) fn loop_at(&self, word: Word) -> Option<&Site> {
        self.loops.binary_search_by_key(&word, |s| s.word).ok().map(|i| &self.loops[i])
    }

    /// Heat and offset of the loop header at this word.
    pub(crate) fn loop_heat_at(&self, word: Word) -> Option<(&Heat, Offset)> {
        let nth = self.loops.binary_search_by_key(&word, |s| s.word).ok()?;
        Some((self.loop_heat.get(nth)?, self.loops[nth].offset))
    }

    /// The call that returns to this word.
    pub(crate) fn call_returning_to(&self, word: Word) -> Option<&Site> {
        self.calls.binary_search_by_key(&word, |s| s.return_word).ok().map(|i| &self.calls[i])
    }

    /// The call whose instruction is at this word.
    pub(crate) fn call_at(&self, word: Word) -> Option<&Site> {
        self.calls.binary_search_by_key(&word, |s| s.word).ok().map(|i| &self.calls[i])
    }

    /// Where control goes on that compiled code left a loop with, by offset: the word, and whether it is a loop header.
    pub(crate) fn going_on(&self, offset: Offset) -> Option<(Word, bool)> {
        if let Ok(at) = self.ends.binary_search_by_key(&offset, |&(offset, _)| offset) {
            return Some((self.ends[at].1, false));
        }
        let at = |kind| self.site(kind, offset).map(|site| (site.word, kind == PointKind::Loop));
        at(PointKind::Loop).or_else(|| at(PointKind::BeforeCall))
    }

    /// The site of a stable point that is not `Entry`. Code order is offset order, so both searches are binary.
    pub(crate) fn site(&self, kind: PointKind, offset: Offset) -> Option<&Site> {
        let sites = if kind == PointKind::Loop { &self.loops } else { &self.calls };
        sites.binary_search_by_key(&offset, |s| s.offset).ok().map(|i| &sites[i])
    }
}

impl FuncCode {
    /// The code of a guest function of a store that this engine runs; what its `code` points to is another engine's to know.
    #[inline(always)]
    pub(crate) fn of(func: &Func) -> *const FuncCode {
        func.code.0.cast()
    }

    /// The module it is in.
    pub(crate) fn module(&self) -> &InterpModule {
        // SAFETY: the owner outlives its functions.
        unsafe { &*self.module }
    }

    /// As an operand of calls.
    pub(crate) fn as_operand(&self) -> CodePtr {
        CodePtr(std::ptr::from_ref(self) as usize as u64)
    }

    #[inline(always)]
    pub(crate) fn entry(&self) -> *const u64 {
        self.entry.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(crate) fn frame_slots(&self) -> u32 {
        self.frame_slots.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn zero_slots(&self) -> u32 {
        self.zero_slots.load(Ordering::Relaxed)
    }

    /// The translated function, translating it if it was not.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn translated(&self) -> Result<&Translated, Untranslatable> {
        let t = self.translated.get_or_try_init(|| translate::function(self.module(), self.index))?;
        self.frame_slots.store(t.frame_slots, Ordering::Relaxed);
        self.zero_slots.store(t.local_slots - self.param_slots, Ordering::Relaxed);
        self.publish(&self.watched());
        Ok(t)
    }

    fn watched(&self) -> MutexGuard<'_, u32> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has calls begin where they are to begin.
    fn publish(&self, watched: &u32) {
        let entry = match self.translated.get() {
            _ if *watched > 0 => WATCHED.ip(),
            Some(translated) => translated.code.as_ptr(),
            None => LAZY.ip(),
        };
        // It comes last: whoever sees translated code sees the sizes.
        self.entry.store(entry.cast_mut(), Ordering::Release);
    }

    /// Where a frame goes on that stands at the function's entry: in front of the code, if the call has still to be told of.
    pub(crate) fn ip_at_entry(&self, translated: &Translated) -> *const u64 {
        if *self.watched() > 0 { WATCHED.ip() } else { translated.code.as_ptr() }
    }

    /// The translated function, if it was translated.
    #[inline]
    pub(crate) fn if_translated(&self) -> Option<&Translated> {
        self.translated.get()
    }

    /// The stable point of this kind at this offset, alone with the function's locals; no point if there is none.
    pub(crate) fn point(&self, kind: PointKind, offset: Offset) -> Arc<FuncPoints> {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let found = points.entry((kind, offset)).or_insert_with(|| {
            let module = &self.module().module;
            let points = stable_points_where(module, self.index.0, |k, o| (k, o) == (kind, offset.0));
            // A function with an instruction that nobody knows is not translated: nothing stands anywhere in it.
            Arc::new(points.unwrap_or_else(|_| FuncPoints { locals: Box::default(), points: Box::default() }))
        });
        found.clone()
    }
}

/// A module as the interpreter knows it.
pub(crate) struct InterpModule {
    pub(crate) module: Arc<Module>,
    pub(crate) types: Box<[TypeId]>,
    funcs: Box<[FuncCode]>,
}

impl fmt::Debug for InterpModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterpModule({} functions)", self.funcs.len())
    }
}

impl InterpModule {
    pub(crate) fn new(module: &Arc<Module>, types: &[TypeId]) -> Box<InterpModule> {
        let mut made =
            Box::new(InterpModule { module: module.clone(), types: types.into(), funcs: Box::default() });
        let owner: *const InterpModule = &*made;
        made.funcs = module
            .defined_funcs()
            .map(|index| FuncCode {
                entry: AtomicPtr::new(LAZY.0.as_ptr().cast_mut().cast()),
                frame_slots: AtomicU32::new(0),
                zero_slots: AtomicU32::new(0),
                param_slots: module.func_type(index.0).param_slots(),
                index,
                heat: Heat::default(),
                module: owner,
                watched: Mutex::new(0),
                translated: OnceCell::new(),
                points: Mutex::default(),
            })
            .collect();
        made
    }

    /// The function whose [`FuncCode::as_operand`] this is.
    pub(crate) fn func_at(&self, code: u64) -> Option<&FuncCode> {
        let offset = code.checked_sub(self.funcs.as_ptr() as usize as u64)? as usize;
        let nth = offset / size_of::<FuncCode>();
        self.funcs.get(nth).filter(|func| func.as_operand().0 == code)
    }

    /// The function of this index, unless it is imported.
    pub(crate) fn defined(&self, index: FuncIdx) -> Option<&FuncCode> {
        self.funcs.get(self.module.defined(index)?.0 as usize)
    }

    /// The function of this index, which must be one that the module defines.
    pub(crate) fn func(&self, index: FuncIdx) -> &FuncCode {
        self.defined(index).expect("only a function with a body has code")
    }
}

impl ModuleCode for InterpModule {
    fn code(&self, func: FuncIdx) -> PreparedFunc {
        PreparedFunc(std::ptr::from_ref(self.func(func)).cast())
    }

    fn watch(&self, func: FuncIdx, more: bool) {
        let func = self.func(func);
        let mut watched = func.watched();
        *watched = if more { *watched + 1 } else { watched.saturating_sub(1) };
        func.publish(&watched);
    }
}

/// An instruction without operands, as code.
pub(crate) struct Fixed([Handler; 1]);

/// Entry of a function that was not translated yet.
pub(crate) static LAZY: Fixed = Fixed([crate::exec::call::translate_now]);
/// Where the outermost frame of a run returns to.
pub(crate) static FINISH: Fixed = Fixed([crate::exec::call::finish]);
/// Where the first frame in another instance returns to.
pub(crate) static RETURN_ACROSS: Fixed = Fixed([crate::exec::call::return_across]);

/// In front of the code of a watched function.
pub(crate) static WATCHED: Fixed = Fixed([crate::exec::watch::watched_entry]);
/// Where the frame of a watched function returns to.
pub(crate) static LEFT: Fixed = Fixed([crate::exec::watch::watched_left]);

impl Fixed {
    /// As an instruction pointer.
    pub(crate) fn ip(&self) -> *const u64 {
        self.0.as_ptr().cast()
    }
}
