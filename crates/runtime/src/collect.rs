//! Freeing the objects of a store that nobody uses any more: what cannot be reached from those that are used from outside.
//!
//! Counting would not do: tables hold functions of instances that hold the tables.

use crate::func::Func;
use crate::global::Global;
use crate::instance::Instance;
use crate::store::{Objects, Store};
use crate::table::Table;
use crate::values::{NULL_REF, slot_to_func};
use std::any::Any;
use std::collections::{HashMap, HashSet};
use wayfarer_module::ValType;

impl Store {
    /// What goes with instances that nobody uses any more ([`Instance::keep`]): to be dropped before the next
    /// [`Store::collect`]. That may do anything, and change what is used.
    ///
    /// # Safety
    /// As for [`Store::collect`].
    pub unsafe fn take_unused_kept(&self) -> Vec<Box<dyn Any + Send + Sync>> {
        let mut objects = self.objects();
        // SAFETY: passed on.
        unsafe { Marking::mark(&mut objects, |_| false) };
        let unused = objects.instances.iter().filter(|instance| !instance.life.is_reached());
        unused.filter_map(Instance::take_kept).collect()
    }

    /// Frees what cannot be reached from an object that is used. Instances that something goes with are taken to be used.
    /// `memory` is shown the numbers of memories that will be freed, before they are. How many objects were freed.
    ///
    /// # Safety
    /// No guest code of the store runs, or is stopped, in any thread. Nobody has a reference or pointer to one of its objects that
    /// he uses afterwards, but to those that a [`Used`](crate::Used) keeps, and what those keep. See [`crate::life`].
    pub unsafe fn collect(&self, mut memory: impl FnMut(u32)) -> usize {
        let mut objects = self.objects();
        // What goes with an instance relies on it.
        // SAFETY: passed on.
        unsafe { Marking::mark(&mut objects, Instance::keeps) };
        self.forget_unused();
        let Objects { instances, memories, tables, globals, host_funcs, .. } = &mut *objects;
        let instances = instances.take_unless(|instance| instance.life.is_reached());
        for (number, object) in memories.numbers().iter().zip(memories.iter()) {
            if !object.life.is_reached() {
                memory(*number);
            }
        }
        let memories = memories.take_unless(|memory| memory.life.is_reached());
        let tables = tables.take_unless(|table| table.life.is_reached());
        let globals = globals.take_unless(|global| global.life.is_reached());
        let host_funcs = host_funcs.take_unless(|func| func.life.is_reached());
        for (index, instance) in objects.instances.iter().enumerate() {
            instance.index.set(index as u32);
        }
        // What they hold may be the embedder's, and use the store when it is dropped.
        drop(objects);
        instances.len() + memories.len() + tables.len() + globals.len() + host_funcs.len()
    }
}

/// Looks for what is used.
#[derive(Default)]
struct Marking {
    /// Instances that were found, and not looked into yet.
    found: Vec<*const Instance>,
    /// Functions of the host's that tables and globals hold.
    held: HashSet<*const Func>,
    /// Elements of tables that were looked at.
    looked_at: usize,
}

impl Marking {
    /// Notes of each object whether it was reached: from one that is used, or an instance that is to be kept.
    ///
    /// # Safety
    /// Nothing runs in the store; all pointers that its objects have are to objects that are there.
    unsafe fn mark(objects: &mut Objects, keep: impl Fn(&Instance) -> bool) {
        let mut marking = Marking::default();
        let Objects { instances, memories, tables, globals, host_funcs, .. } = &*objects;
        instances.iter().for_each(|instance| instance.life.forget_reached());
        memories.iter().for_each(|memory| memory.life.forget_reached());
        tables.iter().for_each(|table| table.life.forget_reached());
        globals.iter().for_each(|global| global.life.forget_reached());
        host_funcs.iter().for_each(|func| func.life.forget_reached());
        instances.iter().filter(|i| i.life.is_used() || keep(i)).for_each(|i| marking.instance(i));
        tables.iter().filter(|table| table.life.is_used()).for_each(|table| marking.table(table));
        globals.iter().filter(|global| global.life.is_used()).for_each(|global| marking.global(global));
        for memory in memories.iter().filter(|memory| memory.life.is_used()) {
            memory.life.reach();
        }
        for func in host_funcs.iter().filter(|func| func.life.is_used()) {
            func.life.reach();
        }
        loop {
            // SAFETY: passed on.
            unsafe { marking.follow() };
            if !marking.name_held(objects) {
                break;
            }
        }
        objects.looked_at = marking.looked_at;
    }

    fn instance(&mut self, instance: &Instance) {
        if instance.life.reach() {
            self.found.push(instance);
        }
    }

    /// Looks into all instances that were found.
    ///
    /// # Safety
    /// As for [`Marking::mark`].
    unsafe fn follow(&mut self) {
        while let Some(instance) = self.found.pop() {
            // SAFETY: as the caller promises, and of what it points to, too.
            unsafe {
                let instance = &*instance;
                let imported = instance.funcs.len() - instance.own_funcs.len();
                for &func in &instance.funcs[..imported] {
                    self.func(&*func);
                }
                instance.tables.iter().for_each(|&table| self.table(&*table));
                instance.globals.iter().for_each(|&global| self.global(&*global));
                for &memory in &instance.memories {
                    (*memory).life.reach();
                }
            }
        }
    }

    fn func(&mut self, func: &Func) {
        // SAFETY: null, or the instance that the function is part of.
        match unsafe { func.instance.as_ref() } {
            Some(instance) => self.instance(instance),
            None => {
                func.life.reach();
            }
        }
    }

    fn slot(&mut self, slot: u64) {
        if slot != NULL_REF {
            // SAFETY: a reference that is not null is to a function that is there.
            let func = unsafe { &*slot_to_func(slot) };
            self.func(func);
            if func.instance.is_null() {
                self.held.insert(func);
            }
        }
    }

    fn table(&mut self, table: &Table) {
        if table.life.reach() && table.elem_type() == ValType::FuncRef {
            self.looked_at += table.elems().len();
            table.elems().iter().for_each(|&slot| self.slot(slot));
        }
    }

    fn global(&mut self, global: &Global) {
        if global.life.reach() && global.ty().val == ValType::FuncRef {
            self.slot(global.get()[0]);
        }
    }

    /// A view names a function of the host's by an instance that imports it. If tables or globals hold one that only unused
    /// instances import, the first of those stays. Whether there was such a one.
    fn name_held(&mut self, objects: &Objects) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let mut first: HashMap<*const Func, &Instance> = HashMap::new();
        for instance in objects.instances.iter() {
            for func in &instance.funcs {
                if instance.life.is_reached() {
                    self.held.remove(func);
                } else if self.held.contains(func) {
                    first.entry(*func).or_insert(instance);
                }
            }
        }
        let held = std::mem::take(&mut self.held);
        first
            .iter()
            .filter(|(func, _)| held.contains(*func))
            .for_each(|(_, instance)| self.instance(instance));
        !self.found.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_address::PreparedFunc;
    use crate::engine::{Engine, ModuleCode, ResumeError};
    use crate::exec::ExecEnv;
    use crate::func::HostFunc;
    use crate::instance::{Extern, LoadedModule};
    use crate::life::Used;
    use crate::store::Runtime;
    use crate::trap::Trap;
    use crate::types::TypeId;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use wayfarer_module::{FuncIdx, FuncType, Module};
    use wayfarer_snapshot::view::Thread;

    /// Runs nothing.
    #[derive(Debug)]
    struct Idle;

    impl Engine for Idle {
        fn prepare(&self, _: &Arc<Module>, _: &[TypeId]) -> Box<dyn ModuleCode> {
            Box::new(Idle)
        }

        unsafe fn call_in_place(&self, _: &mut ExecEnv, _: *const Func, _: &mut [u64]) -> Result<(), Trap> {
            Err(Trap::host("idle"))
        }

        fn resume(&self, _: &mut ExecEnv, _: &Thread) -> Result<Vec<u64>, ResumeError> {
            Err(ResumeError::Trap(Trap::host("idle")))
        }
    }

    impl ModuleCode for Idle {
        fn code(&self, _: FuncIdx) -> PreparedFunc {
            PreparedFunc::NULL
        }

        fn watch(&self, _: FuncIdx, _: bool) {}
    }

    fn store() -> Arc<Store> {
        Store::new(&Runtime::new(Arc::new(Idle)))
    }

    fn load(store: &Store, text: &str) -> Arc<LoadedModule> {
        let module = wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap();
        store.runtime().load(Arc::new(module))
    }

    fn make<'a>(store: &'a Arc<Store>, module: &Arc<LoadedModule>, imports: &[Extern]) -> &'a Instance {
        // SAFETY: tests give objects of the store.
        unsafe { store.instantiate(module, imports, &Default::default()) }.unwrap()
    }

    fn used(store: &Arc<Store>, instance: &Instance) -> Used<Instance> {
        // SAFETY: tests use what is there.
        unsafe { Used::new(store, instance) }
    }

    fn collect(store: &Store) -> usize {
        // SAFETY: nothing runs, and tests use only what they have kept.
        unsafe { store.collect(|_| ()) }
    }

    const SERVER: &str = r#"(module
        (memory (export "memory") 1)
        (global (export "global") (mut funcref) (ref.null func))
        (table (export "table") 4 funcref)
        (func (export "func")))"#;

    /// Puts a function of its own into the server's table.
    const CLIENT: &str = r#"(module
        (import "server" "table" (table 1 funcref))
        (import "server" "func" (func $server))
        (elem (i32.const 1) func $server $mine)
        (func $mine))"#;

    fn imports(server: &Instance) -> [Extern; 2] {
        ["table", "func"].map(|name| server.export(name).unwrap())
    }

    #[test]
    fn what_is_used_stays_with_all_that_it_uses() {
        let store = store();
        let (server, client) = (load(&store, SERVER), load(&store, CLIENT));
        let server = make(&store, &server, &[]);
        let client = make(&store, &client, &imports(server));
        let handle = used(&store, client);
        assert_eq!(collect(&store), 0);
        let again = handle.clone();
        drop(handle);
        assert_eq!((store.has_unused(), collect(&store), store.instance_count()), (false, 0, 2));
        assert_eq!(server.memory(0).unwrap().pages(), 1);
        drop(again);
        assert!(store.has_unused() && store.is_worth_collecting());
        // Two instances in a circle, a memory, a table and a global.
        assert_eq!((collect(&store), store.is_empty()), (5, true));
        assert!(!store.has_unused());
    }

    #[test]
    fn each_kind_of_object_can_be_what_is_used() {
        let store = store();
        let (server, client) = (load(&store, SERVER), load(&store, CLIENT));
        for (name, left) in [("memory", 0), ("global", 0), ("table", 2), ("func", 2)] {
            let made = make(&store, &server, &[]);
            make(&store, &client, &imports(made));
            let export = made.export(name).unwrap();
            // SAFETY: it is there.
            let handle: Box<dyn Any> = unsafe {
                match export {
                    Extern::Func(func) => Box::new(Used::new(&store, func)),
                    Extern::Memory(memory) => Box::new(Used::new(&store, memory)),
                    Extern::Global(global) => Box::new(Used::new(&store, global)),
                    Extern::Table(table) => Box::new(Used::new(&store, table)),
                }
            };
            collect(&store);
            assert_eq!((store.instance_count(), store.is_empty()), (left, false), "{name}");
            drop(handle);
            collect(&store);
            assert!(store.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_a_global_holds_stays() {
        let store = store();
        let server = load(&store, SERVER);
        let (a, b) = (make(&store, &server, &[]), make(&store, &server, &[]));
        let (Some(Extern::Global(global)), Some(Extern::Func(func))) = (a.export("global"), b.export("func"))
        else {
            panic!("exports");
        };
        // SAFETY: both are there.
        let global = unsafe { Used::new(&store, global) };
        // SAFETY: as above.
        unsafe { &*global.as_ptr() }.set([func as usize as u64, 0]);
        collect(&store);
        assert_eq!(store.instances().map(Instance::number).collect::<Vec<_>>(), [1]);
        // SAFETY: as above.
        unsafe { &*global.as_ptr() }.set([NULL_REF, 0]);
        collect(&store);
        assert_eq!(store.instance_count(), 0);
        assert!(!store.is_empty());
    }

    #[test]
    fn positions_move_up_and_numbers_stay() {
        let store = store();
        let server = load(&store, SERVER);
        let handles: Vec<_> = (0..6).map(|_| used(&store, make(&store, &server, &[]))).collect();
        let mut gone = Vec::new();
        let kept: Vec<_> = handles.into_iter().enumerate().filter(|(n, _)| n % 2 == 1).collect();
        // SAFETY: as in `collect`.
        assert_eq!(unsafe { store.collect(|memory| gone.push(memory)) }, 12);
        assert_eq!(gone, [0, 2, 4]);
        let last = used(&store, make(&store, &server, &[]));
        let places: Vec<_> = store.instances().map(|i| (i.index(), i.number())).collect();
        assert_eq!(places, [(0, 1), (1, 3), (2, 5), (3, 6)]);
        assert_eq!(store.instances_made(), 7);
        assert!(store.instance_numbered(2).is_none());
        for (n, handle) in kept {
            let found = store.instance_numbered(n as u32).unwrap();
            assert!(std::ptr::eq(found, handle.as_ptr()));
            assert!(std::ptr::eq(
                store.memory_numbered(n as u32).unwrap(),
                // SAFETY: it is used.
                unsafe { &*handle.as_ptr() }.memory(0).unwrap()
            ));
        }
        drop(last);
    }

    #[test]
    fn a_function_of_the_hosts_in_a_table_keeps_one_who_can_name_it() {
        let store = store();
        let importer = load(&store, r#"(module (import "" "" (func)) (import "" "t" (table 1 funcref)))"#);
        let table = load(&store, SERVER);
        let server = make(&store, &table, &[]);
        let handle = used(&store, server);
        let host = HostFunc {
            name: ("".into(), "".into()),
            restartable: false,
            call: Box::new(|_, _| Ok(())),
            data: None,
        };
        let ty = FuncType { params: [].into(), results: [].into() };
        let host = store.add_host_func(&ty, host);
        let table = server.export("table").unwrap();
        for _ in 0..3 {
            make(&store, &importer, &[Extern::Func(host), table]);
        }
        server.table(0).unwrap().set(0, host as usize as u64).unwrap();
        assert_eq!(collect(&store), 2);
        assert_eq!(store.instances().map(Instance::number).collect::<Vec<_>>(), [0, 1]);
        assert!(store.func_ids().get(host).is_some());
        server.table(0).unwrap().set(0, NULL_REF).unwrap();
        // The instance and the function.
        assert_eq!(collect(&store), 2);
        drop(handle);
    }

    #[test]
    fn what_goes_with_an_instance_is_dropped_before_it() {
        struct Companion(Arc<AtomicBool>);
        impl Drop for Companion {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let store = store();
        let gone = Arc::new(AtomicBool::new(false));
        let instance = make(&store, &load(&store, SERVER), &[]);
        assert!(instance.keep(Box::new(Companion(gone.clone()))).is_none());
        let handle = used(&store, instance);
        // SAFETY: as in `collect`.
        let take = || unsafe { store.take_unused_kept() };
        assert!(take().is_empty());
        drop(handle);
        assert_eq!(collect(&store), 0, "it is kept by what goes with it");
        let kept = take();
        assert_eq!((kept.len(), gone.load(Ordering::Relaxed)), (1, false));
        drop(kept);
        assert!(gone.load(Ordering::Relaxed));
        assert_eq!((collect(&store), store.is_empty()), (4, true));
    }

    /// All address space that a process has would be enough for some 16,000 memories.
    #[test]
    fn memories_give_their_address_space_back() {
        let store = store();
        let module = load(&store, SERVER);
        for _ in 0..20_000 {
            let handle = used(&store, make(&store, &module, &[]));
            drop(handle);
            if store.is_worth_collecting() {
                collect(&store);
            }
        }
        assert!(store.instance_count() < 100);
    }

    #[test]
    fn a_handle_may_outlive_its_store() {
        let store = store();
        let handle = used(&store, make(&store, &load(&store, SERVER), &[]));
        drop(store);
        drop(handle.clone());
    }
}
