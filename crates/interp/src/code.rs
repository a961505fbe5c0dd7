//! Translated code and what is known about it.

use crate::exec::dispatch::Handler;
use crate::heat::Heat;
use crate::translate::{self, Untranslatable};
use once_cell::sync::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wayfarer_module::{FuncPoints, Module, PointKind, stable_points_where};
use wayfarer_runtime::{ModuleCode, TypeId};

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
    pub(crate) index: u32,
    /// Of its entry.
    pub(crate) heat: Heat,
    module: *const InterpModule,
    translated: OnceCell<Translated>,
    /// Stable points that captures and resumes asked for: those on stacks, never all of a function.
    points: Mutex<HashMap<(PointKind, u32), Arc<FuncPoints>>>,
}

// SAFETY: `module` points to the owner, which is shareable and outlives the function.
unsafe impl Send for FuncCode {}
// SAFETY: as above.
unsafe impl Sync for FuncCode {}

impl fmt::Debug for FuncCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FuncCode({})", self.index)
    }
}

/// Where a value of the Wasm view is, when not in its own slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Elsewhere {
    /// Still in the slot of a local.
    Local(u16),
    /// A constant.
    Const(u128),
}

/// A place in the code that corresponds to a stable point.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// First word of the instruction: a loop header, or a call.
    pub(crate) word: u32,
    /// For a call, the word where it returns to.
    pub(crate) return_word: u32,
    /// Offset in the module's code section.
    pub(crate) offset: u32,
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
    pub(crate) ends: Box<[(u32, u32)]>,
}

impl Translated {
    /// The loop header at this word.
    pub(crate) fn loop_at(&self, word: u32) -> Option<&Site> {
        self.loops.binary_search_by_key(&word, |s| s.word).ok().map(|i| &self.loops[i])
    }

    /// Heat and offset of the loop header at this word.
    pub(crate) fn loop_heat_at(&self, word: u32) -> Option<(&Heat, u32)> {
        let nth = self.loops.binary_search_by_key(&word, |s| s.word).ok()?;
        Some((self.loop_heat.get(nth)?, self.loops[nth].offset))
    }

    /// The call that returns to this word.
    pub(crate) fn call_returning_to(&self, word: u32) -> Option<&Site> {
        self.calls.binary_search_by_key(&word, |s| s.return_word).ok().map(|i| &self.calls[i])
    }

    /// The call whose instruction is at this word.
    pub(crate) fn call_at(&self, word: u32) -> Option<&Site> {
        self.calls.binary_search_by_key(&word, |s| s.word).ok().map(|i| &self.calls[i])
    }

    /// Where control goes on that compiled code left a loop with, by offset: the word, and whether it is a loop header.
    pub(crate) fn going_on(&self, offset: u32) -> Option<(u32, bool)> {
        if let Ok(at) = self.ends.binary_search_by_key(&offset, |&(offset, _)| offset) {
            return Some((self.ends[at].1, false));
        }
        let at = |kind| self.site(kind, offset).map(|site| (site.word, kind == PointKind::Loop));
        at(PointKind::Loop).or_else(|| at(PointKind::BeforeCall))
    }

    /// The site of a stable point that is not `Entry`. Code order is offset order, so both searches are binary.
    pub(crate) fn site(&self, kind: PointKind, offset: u32) -> Option<&Site> {
        let sites = if kind == PointKind::Loop { &self.loops } else { &self.calls };
        sites.binary_search_by_key(&offset, |s| s.offset).ok().map(|i| &sites[i])
    }
}

impl FuncCode {
    /// The module it is in.
    pub(crate) fn module(&self) -> &InterpModule {
        // SAFETY: the owner outlives its functions.
        unsafe { &*self.module }
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
        // The entry comes last: whoever sees it sees the sizes.
        self.entry.store(t.code.as_ptr().cast_mut(), Ordering::Release);
        Ok(t)
    }

    /// The translated function, if it was translated.
    #[inline]
    pub(crate) fn if_translated(&self) -> Option<&Translated> {
        self.translated.get()
    }

    /// The stable point of this kind at this offset, alone with the function's locals; no point if there is none.
    pub(crate) fn point(&self, kind: PointKind, offset: u32) -> Arc<FuncPoints> {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let found = points.entry((kind, offset)).or_insert_with(|| {
            let module = &self.module().module;
            let points = stable_points_where(module, self.index, |k, o| (k, o) == (kind, offset));
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
        made.funcs = (module.num_imported_funcs..module.funcs.len() as u32)
            .map(|index| FuncCode {
                entry: AtomicPtr::new(LAZY.0.as_ptr().cast_mut().cast()),
                frame_slots: AtomicU32::new(0),
                zero_slots: AtomicU32::new(0),
                param_slots: module.func_type(index).param_slots(),
                index,
                heat: Heat::default(),
                module: owner,
                translated: OnceCell::new(),
                points: Mutex::default(),
            })
            .collect();
        made
    }

    /// The function of this index, which must be a local one.
    pub(crate) fn func(&self, index: u32) -> &FuncCode {
        &self.funcs[(index - self.module.num_imported_funcs) as usize]
    }
}

impl ModuleCode for InterpModule {
    fn code(&self, func: u32) -> *const () {
        (self.func(func) as *const FuncCode).cast()
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

impl Fixed {
    /// As an instruction pointer.
    pub(crate) fn ip(&self) -> *const u64 {
        self.0.as_ptr().cast()
    }
}
