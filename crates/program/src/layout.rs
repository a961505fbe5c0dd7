//! Where the app heap goes in memory 0, and how large that is.

use wayfarer_module::{ExternKind, Module, ValType};
use wayfarer_runtime::MemoryPlan;

/// Largest app heap.
const MAX_APP_HEAP: u32 = 1 << 30;

/// Bytes of a page, and how many a 32-bit memory can have.
const PAGE: u64 = 65536;
const MAX_PAGES: u64 = 65536;

/// In an app heap of whole pages, this much is left unused at the end.
const APP_HEAP_MARGIN: u64 = 1024;

/// Sizes of memory 0 and the app heap in it, and where `__heap_base` goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The memory.
    pub memory: MemoryPlan,
    /// Start and end of the heap.
    pub heap: Option<(u32, u32)>,
    /// Index of the global and its new value.
    pub heap_base: Option<(u32, u32)>,
    /// Whether the limit that was asked for could not be.
    pub clamped: Option<Clamped>,
}

/// What was wrong with a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clamped {
    /// It is less than what the memory begins with, which is the limit then.
    TooLow,
    /// It is more than the module's own, which holds.
    TooHigh,
}

/// There is no room for the app heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// The layout of memory 0, imported or not, with an app heap of `heap` bytes, and at most `max_pages` of memory if that is
/// not 0. `None`: the module has no memory.
///
/// # Errors
/// There is no room for the heap.
pub fn plan(module: &Module, heap: u32, max_pages: u32) -> Result<Option<Layout>, NoRoom> {
    let Some(ty) = module.memories.first() else { return Ok(None) };
    let mut plan = MemoryPlan::of(ty);
    let mut clamped = None;
    if max_pages > 0 {
        (plan.max, clamped) = clamp_max(u64::from(max_pages) * PAGE, plan);
    }
    let size = heap_size(module, heap);
    if size == 0 {
        return Ok(Some(Layout { memory: plan, heap: None, heap_base: None, clamped }));
    }
    let fixed = !module.uses_memory_grow_or_size || plan.len == plan.max && plan.len <= PAGE;
    let heap_base = (!fixed).then(|| find_heap_base(module)).flatten();
    let layout = insert_heap(plan, size, fixed, heap_base).ok_or(NoRoom)?;
    Ok(Some(Layout { clamped, ..layout }))
}

fn clamp_max(max: u64, plan: MemoryPlan) -> (u64, Option<Clamped>) {
    if max < plan.len {
        (plan.len, Some(Clamped::TooLow))
    } else if max > plan.max {
        (plan.max, Some(Clamped::TooHigh))
    } else {
        (max, None)
    }
}

/// Bytes of app heap: none if the guest brings its own allocator.
fn heap_size(module: &Module, asked: u32) -> u64 {
    let exports = |name: &str, params: &[ValType], results: &[ValType]| {
        module.export(name).filter(|e| e.kind == ExternKind::Func).is_some_and(|e| {
            let ty = module.func_type(e.index);
            *ty.params == *params && *ty.results == *results
        })
    };
    let i32 = [ValType::I32];
    if exports("malloc", &i32, &i32) && exports("free", &i32, &[]) {
        return 0;
    }
    u64::from(asked.min(MAX_APP_HEAP)).next_multiple_of(8)
}

/// The global `__heap_base`, where the space that the compiler left unused begins, and its value.
fn find_heap_base(module: &Module) -> Option<(u32, u32)> {
    let export = module.export("__heap_base").filter(|e| e.kind == ExternKind::Global)?;
    let global = &module.globals[export.index as usize];
    match global.init.as_ref().map(|init| &*init.0) {
        Some(&[wayfarer_module::ConstOp::I32Const(value)]) if !global.ty.mutable => {
            Some((export.index, value as u32))
        }
        _ => None,
    }
}

/// Puts an app heap of `size` bytes into a memory.
///
/// A memory that can't grow gets the heap appended, and counts as one large page then. In one that can, the heap goes
/// where the guest's own would begin, which is moved up; or, where that is not known, into new pages at the end.
fn insert_heap(plan: MemoryPlan, size: u64, fixed: bool, heap_base: Option<(u32, u32)>) -> Option<Layout> {
    let limit = MAX_PAGES * PAGE;
    let address = |a: u64| u32::try_from(a).ok();
    if fixed {
        let len = plan.len + size;
        let heap = Some((address(plan.len)?, address(len)?));
        let memory = MemoryPlan { len, max: len, page_size: len, ..plan };
        return (len <= limit).then_some(Layout { memory, heap, heap_base: None, clamped: None });
    }
    let grown = |start: u64, heap_end: u64, end: u64, heap_base| {
        // WAMR adds the pages it needs to the limits, also where the heap would have fit into the last page.
        let added = end.saturating_sub(plan.len).next_multiple_of(PAGE);
        let len = plan.len + added;
        let memory = MemoryPlan { len, max: (plan.max + added).min(limit), ..plan };
        let heap = Some((address(start)?, address(heap_end)?));
        (len <= limit).then_some(Layout { memory, heap, heap_base, clamped: None })
    };
    match heap_base {
        Some((global, base)) => {
            let (start, end) = (u64::from(base), u64::from(base) + size);
            // The guest keeps as much room behind `__heap_base` as it had.
            let room = plan.len.saturating_sub(start) % PAGE;
            let end_of_memory =
                if room >= size { plan.len } else { plan.len + (size - room).next_multiple_of(PAGE) };
            grown(start, end, end_of_memory, Some((global, address(end)?)))
        }
        None => {
            let end = plan.len + size.next_multiple_of(PAGE);
            grown(plan.len, end - APP_HEAP_MARGIN, end, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(len: u64, max: u64) -> MemoryPlan {
        MemoryPlan { len, max, page_size: PAGE, shared: false }
    }

    #[test]
    fn a_fixed_memory_becomes_one_large_page() {
        let layout = insert_heap(plan(2 * PAGE, 2 * PAGE), 8192, true, None).unwrap();
        assert_eq!(layout.heap, Some((131_072, 139_264)));
        assert_eq!(
            layout.memory,
            MemoryPlan { len: 139_264, max: 139_264, page_size: 139_264, shared: false }
        );
        let empty = insert_heap(plan(0, 0), 8192, true, None).unwrap();
        assert_eq!((empty.heap, empty.memory.len), (Some((0, 8192)), 8192));
    }

    #[test]
    fn the_heap_goes_before_heap_base() {
        // 100 bytes are left in the last page.
        let base = 2 * PAGE as u32 - 100;
        let small = insert_heap(plan(2 * PAGE, 10 * PAGE), 64, false, Some((3, base))).unwrap();
        assert_eq!((small.memory.len, small.memory.max), (2 * PAGE, 10 * PAGE));
        assert_eq!((small.heap, small.heap_base), (Some((base, base + 64)), Some((3, base + 64))));
        let large = insert_heap(plan(2 * PAGE, 10 * PAGE), 8192, false, Some((3, base))).unwrap();
        assert_eq!((large.memory.len, large.memory.max), (3 * PAGE, 11 * PAGE));
        assert_eq!(large.heap_base, Some((3, base + 8192)));
    }

    #[test]
    fn otherwise_it_gets_new_pages() {
        let layout = insert_heap(plan(PAGE, MAX_PAGES * PAGE), 70_000, false, None).unwrap();
        assert_eq!((layout.memory.len, layout.memory.max), (3 * PAGE, MAX_PAGES * PAGE));
        assert_eq!(layout.heap, Some((65_536, 3 * 65_536 - 1024)));
        assert_eq!(insert_heap(plan(MAX_PAGES * PAGE, MAX_PAGES * PAGE), 8, false, None), None);
        assert_eq!(insert_heap(plan(MAX_PAGES * PAGE, MAX_PAGES * PAGE), 8, true, None), None);
    }

    #[test]
    fn limits_are_clamped() {
        assert_eq!(clamp_max(PAGE, plan(2 * PAGE, 4 * PAGE)), (2 * PAGE, Some(Clamped::TooLow)));
        assert_eq!(clamp_max(3 * PAGE, plan(2 * PAGE, 4 * PAGE)), (3 * PAGE, None));
        assert_eq!(clamp_max(5 * PAGE, plan(2 * PAGE, 4 * PAGE)), (4 * PAGE, Some(Clamped::TooHigh)));
    }
}
