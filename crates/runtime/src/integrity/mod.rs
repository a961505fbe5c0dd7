//! Whether a view can be of a program of these modules: all that is asked of it before anything is made from it. And
//! whether it is of a store that is there, `made_again`.
//!
//! An image may come from an adversary. Compiled code relies on what its module declares: it leaves out checks below a
//! memory's minimum, for one. What frames hold is the engines' to check, against their tables of stable points.

mod made_again;

pub(crate) use made_again::check_made_again;

use crate::memory::{MemoryPlan, WASM_PAGE};
use crate::restore::RestoreError;
use std::fmt::Display;
use std::ops::Range;
use wayfarer_module::{ImportType, MemoryType, Module, TableType, ValType};
use wayfarer_snapshot::view::{FuncId, InstanceView, MemoryView, StoreView, TableView, Value};

/// Largest size of a memory in bytes.
const LIMIT: u64 = 65536 * WASM_PAGE;

/// Bytes that an embedder may leave unused behind an app heap that fills pages of its own.
const HEAP_MARGIN: u64 = 1024;

/// Room for an app heap that is too small (bytes) to be one, but is part of a memory all the same.
const NO_HEAP: u64 = 16;

/// Checks a view against its modules, which are given in its order. `heaps`: where each instance's app heap is in its
/// memory 0, if the embedder put one there; those behind the last have none. A memory is larger by its heap, and may
/// become so, than its module says.
///
/// # Errors
/// [`RestoreError::Inconsistent`]: what does not fit, and where.
pub fn check(
    view: &StoreView,
    modules: &[&Module],
    heaps: &[Option<Range<u32>>],
) -> Result<(), RestoreError> {
    if modules.len() != view.modules.len() {
        return fail("modules", format!("{} are given for {}", modules.len(), view.modules.len()));
    }
    let mut uses = Uses::new(view);
    for (nth, instance) in view.instances.iter().enumerate() {
        let at = || format!("instance {nth}");
        let Some(module) = modules.get(instance.module as usize) else {
            return fail(at(), "it is of a module that is not there");
        };
        counts(instance, module).or_else(|why| fail(at(), why))?;
        imported_functions(view, modules, nth, module).or_else(|why| fail(at(), why))?;
        let heap = heaps.get(nth).and_then(|heap| heap.clone());
        if heap.is_some() && instance.memories.is_empty() {
            return fail(at(), "it has an app heap and no memory");
        }
        for (i, (&index, ty)) in instance.memories.iter().zip(&module.memories).enumerate() {
            let heap = heap.as_ref().filter(|_| i == 0).map(|h| u64::from(h.start)..u64::from(h.end));
            // Instances beside each other, one for each thread, have the same shared memories.
            let shared = view.memories.get(index as usize).is_some_and(|memory| memory.shared);
            let made =
                i >= module.num_imported_memories as usize && !(shared && uses.memories.is_noted(index));
            uses.memories.note(index, made).or_else(|why| fail(at(), why))?;
            memory(ty, &view.memories[index as usize], heap, module)
                .or_else(|why| fail(format!("memory {index}"), why))?;
        }
        for (i, (&index, declared)) in instance.tables.iter().zip(&module.tables).enumerate() {
            let made = i >= module.num_imported_tables as usize;
            uses.tables.note(index, made).or_else(|why| fail(at(), why))?;
            table(&declared.ty, &view.tables[index as usize], made)
                .or_else(|why| fail(format!("table {index}"), why))?;
        }
        for (i, (&index, declared)) in instance.globals.iter().zip(&module.globals).enumerate() {
            let made = i >= module.num_imported_globals as usize;
            uses.globals.note(index, made).or_else(|why| fail(at(), why))?;
            let global = &view.globals[index as usize];
            if global.value.ty() != declared.ty.val || global.mutable != declared.ty.mutable {
                return fail(format!("global {index}"), "it is of another type than its module declares");
            }
        }
    }
    if let Some(object) = unused(view) {
        return fail(object, "no instance uses it");
    }
    values(view, modules)
}

/// The first object that no instance of a view uses. Only who made it could make it again.
pub fn unused(view: &StoreView) -> Option<String> {
    type List = fn(&InstanceView) -> &[u32];
    let lists: [(&str, usize, List); 4] = [
        ("module", view.modules.len(), |i| std::slice::from_ref(&i.module)),
        ("memory", view.memories.len(), |i| &i.memories),
        ("table", view.tables.len(), |i| &i.tables),
        ("global", view.globals.len(), |i| &i.globals),
    ];
    lists.into_iter().find_map(|(what, count, list)| {
        let mut used = vec![false; count];
        for &index in view.instances.iter().flat_map(list) {
            if let Some(used) = used.get_mut(index as usize) {
                *used = true;
            }
        }
        used.iter().position(|used| !used).map(|index| format!("{what} {index}"))
    })
}

fn fail<T>(place: impl Display, why: impl Display) -> Result<T, RestoreError> {
    Err(RestoreError::Inconsistent(format!("{place}: {why}")))
}

/// An instance has as many of everything as its module.
fn counts(instance: &InstanceView, module: &Module) -> Result<(), String> {
    let counts = [
        ("memories", instance.memories.len(), module.memories.len()),
        ("tables", instance.tables.len(), module.tables.len()),
        ("globals", instance.globals.len(), module.globals.len()),
        ("data segments", instance.dropped_datas.len(), module.datas.len()),
        ("element segments", instance.dropped_elems.len(), module.elems.len()),
        ("imported functions", instance.imported_funcs.len(), module.num_imported_funcs as usize),
    ];
    match counts.into_iter().find(|(_, has, declared)| has != declared) {
        Some((what, has, declared)) => Err(format!("it has {has} {what}, its module declares {declared}")),
        None => Ok(()),
    }
}

/// Functions that are imported from other instances are there before, and of the type that is asked for.
fn imported_functions(
    view: &StoreView,
    modules: &[&Module],
    nth: usize,
    module: &Module,
) -> Result<(), String> {
    let types = module.imports.iter().filter_map(|import| match import.ty {
        ImportType::Func(ty) => Some(ty),
        _ => None,
    });
    for (i, (link, ty)) in view.instances[nth].imported_funcs.iter().zip(types).enumerate() {
        let Some(id) = link else { continue };
        let fits = (id.instance as usize) < nth
            && module_of(view, modules, *id)
                .is_some_and(|of| *of.func_type(id.func) == module.types[ty as usize]);
        if !fits {
            return Err(format!("imported function {i} is linked to {id}, which it can't be"));
        }
    }
    Ok(())
}

/// The module that has function `id`, if there is such a function.
fn module_of<'m>(view: &StoreView, modules: &[&'m Module], id: FuncId) -> Option<&'m Module> {
    let instance = view.instances.get(id.instance as usize)?;
    let module = *modules.get(instance.module as usize)?;
    ((id.func as usize) < module.funcs.len()).then_some(module)
}

/// A memory is one that its module's type can have become.
fn memory(ty: &MemoryType, m: &MemoryView, heap: Option<Range<u64>>, module: &Module) -> Result<(), String> {
    let declared = MemoryPlan::of(ty);
    if m.shared != declared.shared {
        return Err("it is shared, or not, other than its module declares".to_owned());
    }
    if m.len < declared.len {
        return Err(format!("its {} bytes are less than its module's minimum of {}", m.len, declared.len));
    }
    if m.max > LIMIT {
        return Err(format!("its maximum of {} bytes is more than 4 GiB", m.max));
    }
    if m.len > m.max {
        return Err(format!("{} bytes, at most {}, are no size of a memory", m.len, m.max));
    }
    if heap.as_ref().is_some_and(|heap| heap.start > heap.end || heap.end > m.len) {
        return Err("its app heap is outside".to_owned());
    }
    if m.page_size != WASM_PAGE {
        // A memory that never grows is one page together with its app heap.
        let fixed =
            !module.uses_memory_grow_or_size || declared.len == declared.max && declared.len <= WASM_PAGE;
        let whole = m.page_size == m.len && m.max == m.len;
        let all_heap = match heap {
            Some(heap) => heap == (declared.len..m.len),
            None => m.len - declared.len < NO_HEAP,
        };
        if !fixed || !whole || !all_heap {
            return Err(format!("its pages of {} bytes are none that its module can have", m.page_size));
        }
        return Ok(());
    }
    let added = heap.map_or(0, |heap| (heap.end - heap.start + HEAP_MARGIN).next_multiple_of(WASM_PAGE));
    if !m.len.is_multiple_of(WASM_PAGE) || !m.max.is_multiple_of(WASM_PAGE) {
        return Err(format!("{} bytes, at most {}, are no whole pages", m.len, m.max));
    }
    if m.max > declared.max + added {
        return Err(format!("its maximum of {} is more than its module's of {}", m.max, declared.max));
    }
    Ok(())
}

/// A table is one that its module's type can have become; `made`: by the instance itself.
fn table(ty: &TableType, t: &TableView, made: bool) -> Result<(), String> {
    let (len, min) = (t.elems.len() as u64, ty.limits.min);
    if t.funcref != (ty.elem == ValType::FuncRef) {
        return Err("its elements are of another type than its module declares".to_owned());
    }
    if len < min {
        return Err(format!("its {len} elements are less than its module's minimum of {min}"));
    }
    let fits = if made {
        t.max == ty.limits.max
    } else {
        ty.limits.max.is_none_or(|wanted| t.max.is_some_and(|max| max <= wanted))
    };
    if !fits || t.max.is_some_and(|max| len > max) {
        return Err(format!("its maximum of {:?} is not its module's of {:?}", t.max, ty.limits.max));
    }
    Ok(())
}

/// Functions that tables and globals name are there.
fn values(view: &StoreView, modules: &[&Module]) -> Result<(), RestoreError> {
    let missing = |value: &Value| match value {
        Value::FuncRef(Some(id)) => module_of(view, modules, *id).is_none(),
        _ => false,
    };
    for (i, table) in view.tables.iter().enumerate() {
        if let Some(n) = table.elems.iter().position(missing) {
            return fail(format!("table {i}"), format!("element {n} is no function"));
        }
    }
    match view.globals.iter().position(|global| missing(&global.value)) {
        Some(i) => fail(format!("global {i}"), "its value is no function"),
        None => Ok(()),
    }
}

/// What instances use, in the order in which they were made.
struct Uses {
    memories: List,
    tables: List,
    globals: List,
}

struct List {
    what: &'static str,
    used: Vec<bool>,
}

impl Uses {
    fn new(view: &StoreView) -> Uses {
        let list = |what, count| List { what, used: vec![false; count] };
        Uses {
            memories: list("memory", view.memories.len()),
            tables: list("table", view.tables.len()),
            globals: list("global", view.globals.len()),
        }
    }
}

impl List {
    /// Whether an instance uses it.
    fn is_noted(&self, index: u32) -> bool {
        self.used.get(index as usize).is_some_and(|&used| used)
    }

    /// Notes that an instance uses an object, which it `made` or imports. What one makes was nobody's before.
    fn note(&mut self, index: u32, made: bool) -> Result<(), String> {
        let what = self.what;
        let used = self.used.get_mut(index as usize).ok_or_else(|| format!("there is no {what} {index}"))?;
        if made && *used {
            return Err(format!("{what} {index} is its own, and another's"));
        }
        *used = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_snapshot::view::{GlobalView, ModuleId};

    const PAGE: u64 = WASM_PAGE;

    fn module(text: &str) -> Module {
        wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap()
    }

    fn memory_view(len: u64, max: u64) -> MemoryView {
        MemoryView { len, max, page_size: PAGE, shared: false }
    }

    /// What a module's instance is at first. It imports nothing.
    fn instance(module: u32, of: &Module, view: &mut StoreView) -> InstanceView {
        let [memories, tables, globals] =
            [view.memories.len(), view.tables.len(), view.globals.len()].map(|n| n as u32);
        for ty in &of.memories {
            let plan = MemoryPlan::of(ty);
            view.memories.push(memory_view(plan.len, plan.max));
        }
        for table in &of.tables {
            let null = match table.ty.elem {
                ValType::FuncRef => Value::FuncRef(None),
                _ => Value::ExternRef(None),
            };
            view.tables.push(TableView {
                funcref: table.ty.elem == ValType::FuncRef,
                elems: vec![null; table.ty.limits.min as usize],
                max: table.ty.limits.max,
            });
        }
        for global in &of.globals {
            view.globals.push(GlobalView { value: Value::zero(global.ty.val), mutable: global.ty.mutable });
        }
        InstanceView {
            module,
            memories: (memories..view.memories.len() as u32).collect(),
            tables: (tables..view.tables.len() as u32).collect(),
            globals: (globals..view.globals.len() as u32).collect(),
            dropped_datas: vec![true; of.datas.len()],
            dropped_elems: vec![true; of.elems.len()],
            imported_funcs: vec![None; of.num_imported_funcs as usize],
        }
    }

    fn view_of(modules: &[&Module]) -> StoreView {
        let mut view = StoreView::default();
        for (n, module) in modules.iter().enumerate() {
            view.modules.push(ModuleId { sha256: [n as u8; 32], size: 8, name: String::new() });
            let made = instance(n as u32, module, &mut view);
            view.instances.push(made);
        }
        view
    }

    #[track_caller]
    fn refused(view: &StoreView, modules: &[&Module], heaps: &[Option<Range<u32>>], why: &str) {
        let error = check(view, modules, heaps).expect_err(why).to_string();
        assert!(error.contains(why), "{error:?} does not contain {why:?}");
    }

    const PROGRAM: &str = r#"(module
        (import "host" "f" (func (param i32)))
        (memory 2 10) (table 3 8 funcref) (table 1 externref)
        (global (mut i64) (i64.const 0)) (data (i32.const 0) "x") (elem (i32.const 0) func 1)
        (func (export "g") (drop (memory.grow (i32.const 1)))))"#;

    #[test]
    fn what_a_program_can_be_passes() {
        let module = module(PROGRAM);
        let mut view = view_of(&[&module]);
        check(&view, &[&module], &[]).unwrap();
        view.memories[0].len = 7 * PAGE;
        // Its host can give it less than it declares.
        view.memories[0].max = 8 * PAGE;
        view.tables[0].elems = vec![Value::FuncRef(Some(FuncId { instance: 0, func: 1 })); 8];
        view.globals[0].value = Value::I64(7);
        check(&view, &[&module], &[]).unwrap();
    }

    #[test]
    fn what_no_program_can_be_is_refused() {
        type Lie = (&'static str, fn(&mut StoreView));
        let lies: &[Lie] = &[
            ("memory 0: its 65536 bytes are less", |v| v.memories[0].len = PAGE),
            ("memory 0: its maximum of 720896", |v| v.memories[0].max = 11 * PAGE),
            ("memory 0: 131072 bytes, at most 65536", |v| v.memories[0].max = PAGE),
            ("memory 0: its maximum of 8589934592 bytes is more than 4 GiB", |v| {
                v.memories[0].max = 2 * LIMIT
            }),
            ("memory 0: its pages of 4096", |v| v.memories[0].page_size = 4096),
            ("memory 0: its pages of 131072", |v| {
                v.memories[0] =
                    MemoryView { len: 2 * PAGE, max: 2 * PAGE, page_size: 2 * PAGE, shared: false }
            }),
            ("memory 0: 135168 bytes", |v| v.memories[0].len += 4096),
            ("memory 0: 131072 bytes, at most 135168", |v| v.memories[0].max = 2 * PAGE + 4096),
            ("memory 0: it is shared", |v| v.memories[0].shared = true),
            ("table 0: its 2 elements", |v| v.tables[0].elems.truncate(2)),
            ("table 0: its maximum of None", |v| v.tables[0].max = None),
            ("table 0: its maximum of Some(9)", |v| v.tables[0].max = Some(9)),
            ("table 0: its maximum of Some(8)", |v| v.tables[0].elems = vec![Value::FuncRef(None); 9]),
            ("table 1: its maximum of Some(8)", |v| v.tables[1].max = Some(8)),
            ("table 0: its elements are of another type", |v| v.tables[0].funcref = false),
            ("table 0: element 1 is no function", |v| {
                v.tables[0].elems[1] = Value::FuncRef(Some(FuncId { instance: 0, func: 2 }))
            }),
            ("global 0: it is of another type", |v| v.globals[0].value = Value::I32(0)),
            ("global 0: it is of another type", |v| v.globals[0].mutable = false),
            ("instance 0: it has 0 memories, its module declares 1", |v| v.instances[0].memories.clear()),
            ("instance 0: it has 1 tables", |v| v.instances[0].tables.truncate(1)),
            ("instance 0: it has 2 globals", |v| v.instances[0].globals.push(0)),
            ("instance 0: it has 0 data segments", |v| v.instances[0].dropped_datas.clear()),
            ("instance 0: it has 2 element segments", |v| v.instances[0].dropped_elems.push(true)),
            ("instance 0: it has 0 imported functions", |v| v.instances[0].imported_funcs.clear()),
            ("instance 0: imported function 0 is linked to 0.1", |v| {
                v.instances[0].imported_funcs[0] = Some(FuncId { instance: 0, func: 1 })
            }),
            ("instance 0: there is no memory 1", |v| v.instances[0].memories[0] = 1),
            ("instance 0: table 0 is its own, and another's", |v| v.instances[0].tables[1] = 0),
            ("instance 0: it is of a module", |v| v.instances[0].module = 1),
            ("modules: 1 are given for 2", |v| v.modules.push(v.modules[0].clone())),
            ("memory 1: no instance uses it", |v| v.memories.push(v.memories[0].clone())),
            ("table 2: no instance uses it", |v| v.tables.push(v.tables[0].clone())),
            ("global 1: no instance uses it", |v| v.globals.push(v.globals[0].clone())),
        ];
        let module = module(PROGRAM);
        for (why, lie) in lies {
            let mut view = view_of(&[&module]);
            lie(&mut view);
            refused(&view, &[&module], &[], why);
        }
        let none = StoreView { modules: view_of(&[&module]).modules, ..StoreView::default() };
        refused(&none, &[&module], &[], "module 0: no instance uses it");
    }

    #[test]
    fn instances_share_what_one_of_them_made() {
        let library = module(
            r#"(module (memory 1 2) (table 2 4 funcref) (global (mut i32) (i32.const 0))
                (func (param i32) (result i32) (local.get 0)) (func))"#,
        );
        let program = module(
            r#"(module (import "l" "f" (func (param i32) (result i32))) (import "l" "m" (memory 1 3))
                (import "l" "t" (table 1 4 funcref)) (import "l" "g" (global (mut i32))))"#,
        );
        let modules = [&library, &program];
        let mut view = view_of(&[&library]);
        view.modules.push(ModuleId { sha256: [9; 32], size: 8, name: String::new() });
        view.instances.push(InstanceView {
            module: 1,
            memories: vec![0],
            tables: vec![0],
            globals: vec![0],
            dropped_datas: vec![],
            dropped_elems: vec![],
            imported_funcs: vec![Some(FuncId { instance: 0, func: 0 })],
        });
        check(&view, &modules, &[]).unwrap();

        let mut wrong = view.clone();
        wrong.instances[1].imported_funcs[0] = Some(FuncId { instance: 0, func: 1 });
        refused(&wrong, &modules, &[], "imported function 0 is linked to 0.1");
        wrong.instances[1].imported_funcs[0] = Some(FuncId { instance: 1, func: 0 });
        refused(&wrong, &modules, &[], "imported function 0 is linked to 1.0");
        wrong.instances[1].imported_funcs[0] = Some(FuncId { instance: 0, func: 2 });
        refused(&wrong, &modules, &[], "imported function 0 is linked to 0.2");

        // The one that makes them comes first.
        let mut wrong = view.clone();
        wrong.instances.swap(0, 1);
        wrong.instances[0].imported_funcs[0] = None;
        refused(&wrong, &modules, &[], "is its own, and another's");

        // Two that make the same.
        let mut wrong = view.clone();
        wrong.instances.push(wrong.instances[0].clone());
        refused(&wrong, &modules, &[], "instance 2: memory 0 is its own, and another's");

        // Imports are of the declared type.
        let mut wrong = view;
        wrong.tables[0].max = Some(4);
        let other = module(
            r#"(module (import "l" "f" (func (param i32) (result i32))) (import "l" "m" (memory 1 3))
                (import "l" "t" (table 1 3 funcref)) (import "l" "g" (global (mut i32))))"#,
        );
        refused(&wrong, &[&library, &other], &[], "table 0: its maximum");
        let other = module(
            r#"(module (import "l" "f" (func (param i32) (result i32))) (import "l" "m" (memory 1 1))
                (import "l" "t" (table 1 4 funcref)) (import "l" "g" (global (mut i32))))"#,
        );
        refused(&wrong, &[&library, &other], &[], "memory 0: its maximum");
    }

    #[test]
    fn an_app_heap_makes_a_memory_larger_and_no_more() {
        let growing = module("(module (memory 2 10) (func (drop (memory.grow (i32.const 1)))))");
        let mut view = view_of(&[&growing]);
        view.memories[0] = memory_view(3 * PAGE, 11 * PAGE);
        let (start, end) = (2 * PAGE as u32, 3 * PAGE as u32 - 1024);
        check(&view, &[&growing], &[Some(start..end)]).unwrap();
        refused(&view, &[&growing], &[], "its maximum");
        refused(&view, &[&growing], &[Some(start..3 * PAGE as u32 + 1)], "its app heap is outside");
        let reversed = end..start;
        refused(&view, &[&growing], &[Some(reversed)], "its app heap is outside");
        view.memories[0].max += PAGE;
        refused(&view, &[&growing], &[Some(start..end)], "its maximum");

        let fixed = module("(module (memory 2 10))");
        let (start, len) = (2 * PAGE as u32, 2 * PAGE + 8192);
        view.memories[0] = MemoryView { len, max: len, page_size: len, shared: false };
        check(&view, &[&fixed], &[Some(start..len as u32)]).unwrap();
        refused(&view, &[&fixed], &[], "its pages of 139264");
        refused(&view, &[&growing], &[Some(start..len as u32)], "its pages of 139264");
        refused(&view, &[&fixed], &[Some(start - 8..len as u32)], "its pages of 139264");
        view.memories[0].max = 10 * PAGE;
        refused(&view, &[&fixed], &[Some(start..len as u32)], "its pages of 139264");
        let len = 2 * PAGE + 8;
        view.memories[0] = MemoryView { len, max: len, page_size: len, shared: false };
        check(&view, &[&fixed], &[]).unwrap();

        let none = module("(module)");
        refused(&view_of(&[&none]), &[&none], &[Some(0..8)], "an app heap and no memory");
    }
}
