//! Threads of an image: what is said of them is checked, what they run in is made again, and then all begin at once.

use wayfarer_runtime::{Trap, Used, beside};
use wayfarer_snapshot::view::{FuncId, ProgramView, Value};

use super::spawn::Job;
use super::{Entry, GuestThreads, Phase, TIDS, Vacant};
use crate::instance::HostParts;
use crate::program::Program;
use crate::resources::guest_threads::Record;

/// Whether what an image says of its guest's threads can be right. What a thread has, no other may have: it is freed when the thread
/// ends.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check(record: &Record, view: &ProgramView) -> Result<(), String> {
    let places: Vec<u32> = record.places().map(|(place, _)| place).collect();
    let count = view.store.instances.len() as u32;
    for (nth, (place, beside)) in record.places().enumerate() {
        if place >= count || places[..nth].contains(&place) {
            return Err(format!("instance {place} of a thread is not there, or another thread's"));
        }
        if beside >= count || places.contains(&beside) {
            return Err(format!("the instance of a thread is beside {beside}, which cannot start threads"));
        }
        let of = |place: u32| &view.store.instances[place as usize];
        if of(place).module != of(beside).module {
            return Err(format!("instance {place} of a thread is of another module than {beside}"));
        }
        if [place, beside].iter().any(|&at| of(at).imported_funcs.iter().any(Option::is_some)) {
            return Err(format!("instance {place} of a thread imports functions of others"));
        }
    }
    for (nth, thread) in record.threads.iter().enumerate() {
        let before = &record.threads[..nth];
        if !TIDS.contains(&thread.tid) || before.iter().any(|other| other.tid == thread.tid) {
            return Err(format!("thread id {} is none, or another thread's", thread.tid));
        }
        let Some(stack) = thread.stack else { continue };
        let its =
            view.threads.get(stack as usize).filter(|its| its.tid == thread.tid && !its.frames.is_empty());
        if its.is_none() || before.iter().any(|other| other.stack == Some(stack)) {
            return Err(format!("thread {} has no stack", thread.tid));
        }
    }
    for (nth, thread) in (0..).zip(&view.threads) {
        let own = record.threads.iter().find(|of| of.stack == Some(nth)).map(|of| of.instance);
        let fits = |id: &FuncId| match own {
            Some(own) => id.instance == own,
            None => !places.contains(&id.instance),
        };
        let value = |value: &Value| !matches!(value, Value::FuncRef(Some(id)) if !fits(id));
        let fit = thread
            .frames
            .iter()
            .all(|frame| fits(&frame.func) && frame.locals.iter().chain(&frame.stack).all(value));
        if !fit {
            return Err(format!("thread {} is in the instance of another", thread.tid));
        }
    }
    beside::check_alone(&view.store, &places).map_err(|error| error.to_string())
}

/// Makes what the threads of an image run in. Its instances are there. `root`: the parts of one that the host has, by its place.
///
/// # Errors
/// What cannot be made, in words.
pub(crate) fn restore<'a>(
    program: &Program,
    record: &Record,
    view: &ProgramView,
    root: impl Fn(u32) -> Option<&'a HostParts>,
) -> Result<(), String> {
    let (store, threads) = (program.store(), program.guest_threads());
    let instance = |place: u32| {
        let instance = store.instance(place as usize);
        instance.ok_or_else(|| format!("instance {place} of a thread is not there"))
    };
    for thread in &record.threads {
        let root = root(thread.beside).ok_or_else(|| format!("instance {} has ended", thread.beside))?;
        let instance = instance(thread.instance)?;
        let context = program.embedder().thread(root, HostParts::of_thread(root, instance))?;
        let stack = thread.stack.and_then(|stack| view.threads.get(stack as usize)).cloned();
        let entry = Entry {
            tid: thread.tid,
            arg: thread.arg,
            root: root.root_number(),
            instance: Some(instance.number()),
            id: context.thread().map(|thread| thread.id()),
            wake: context.parts().embedder() as usize,
            phase: Phase::Begins,
            job: None,
            stack,
        };
        let job = Job::new(program, context, &entry);
        threads.state().threads.push(Entry { job: Some(job), ..entry });
    }
    for &(place, beside) in &record.vacant {
        let root = store.instance(beside as usize).map_or(beside, |root| root.number());
        // SAFETY: an instance of this store, that is there.
        let instance = unsafe { Used::new(store, instance(place)?) };
        threads.state().vacant.push(Vacant { root, instance });
    }
    threads.note(&threads.state());
    Ok(())
}

impl GuestThreads {
    /// What a root's threads were to go on with is given up, if nobody has started them.
    pub(crate) fn give_up(&self, root: u32) {
        if !self.waiting.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
        let jobs: Vec<Job> = {
            let mut state = self.state();
            let own = state.threads.iter_mut().filter(|entry| entry.root == root);
            own.filter_map(|entry| entry.job.take()).collect()
        };
        jobs.into_iter().for_each(Job::give_up);
    }

    /// Has those begin that nobody has started yet.
    ///
    /// # Errors
    /// Why one cannot be started, in words. Then all end.
    pub(crate) fn start(&self) -> Result<(), String> {
        if !self.waiting.load(std::sync::atomic::Ordering::SeqCst) {
            return Ok(());
        }
        let jobs: Vec<Job> = {
            let mut state = self.state();
            let jobs = state.threads.iter_mut().filter_map(|entry| entry.job.take()).collect();
            self.note(&state);
            jobs
        };
        let mut failed = Ok(());
        for job in jobs {
            let root = job.root;
            let started = match &failed {
                Ok(()) => job.start(),
                Err(_) => {
                    job.give_up();
                    continue;
                }
            };
            if let Err(why) = started {
                self.note_end(root, &Trap::host(why.clone()));
                failed = Err(why);
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::guest_threads::ThreadRecord;
    use wayfarer_module::PointKind;
    use wayfarer_snapshot::view::{
        Entry as EnteredBy, Frame, GlobalView, InstanceView, MemoryView, Position, TableView, Thread,
    };

    fn thread(tid: u32, instance: u32) -> Thread {
        let position = Position { kind: PointKind::Loop, offset: 1 };
        let frame =
            Frame { func: FuncId { instance, func: 3 }, position, locals: Vec::new(), stack: Vec::new() };
        let (watched, waits) = (Vec::new(), None);
        Thread { entry: EnteredBy::Call, frames: vec![frame], number: 0, tid, watched, waits }
    }

    /// A program with the host's thread, one of the guest's, one that has not begun, and an instance that nobody has.
    fn program() -> (Record, ProgramView) {
        let mut view = ProgramView::default();
        view.store.memories.push(MemoryView { len: 65536, max: 65536, page_size: 65536, shared: true });
        for nth in 0..4 {
            let own = Value::FuncRef(Some(FuncId { instance: nth, func: 3 }));
            view.store.tables.push(TableView { funcref: true, elems: vec![own], max: None });
            view.store.globals.push(GlobalView { value: own, mutable: true });
            view.store.instances.push(InstanceView {
                module: 0,
                memories: vec![0],
                tables: vec![nth],
                globals: vec![nth],
                dropped_datas: Vec::new(),
                dropped_elems: Vec::new(),
                imported_funcs: vec![None],
            });
        }
        view.threads = vec![thread(0, 0), thread(7, 2)];
        let threads = vec![
            ThreadRecord { tid: 7, arg: 0, instance: 2, beside: 0, stack: Some(1) },
            ThreadRecord { tid: 1, arg: 0, instance: 1, beside: 0, stack: None },
        ];
        (Record { threads, vacant: vec![(3, 0)] }, view)
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let (record, view) = program();
        check(&record, &view).unwrap();
        type Change = fn(&mut Record, &mut ProgramView);
        let changes: [(&str, Change); 15] = [
            ("instance 4 of a thread is not there", |r, _| r.threads[0].instance = 4),
            ("instance 2 of a thread is not there, or another thread's", |r, _| r.vacant[0].0 = 2),
            ("beside 3, which cannot start threads", |r, _| r.threads[0].beside = 3),
            ("beside 9, which cannot start threads", |r, _| r.vacant[0].1 = 9),
            ("is of another module than 0", |_, v| v.store.instances[2].module = 1),
            ("imports functions of others", |_, v| {
                v.store.instances[0].imported_funcs = vec![Some(FuncId { instance: 0, func: 1 })];
            }),
            ("thread id 7 is none, or another thread's", |r, _| r.threads[1].tid = 7),
            ("thread id 0 is none", |r, _| r.threads[1].tid = 0),
            ("thread id 536870912 is none", |r, _| r.threads[1].tid = 0x2000_0000),
            ("thread 7 has no stack", |_, v| v.threads[1].tid = 8),
            ("thread 7 has no stack", |_, v| v.threads[1].frames.clear()),
            ("thread 0 is in the instance of another", |_, v| v.threads[0].frames[0].func.instance = 2),
            ("thread 7 is in the instance of another", |_, v| {
                v.threads[1].frames[0].locals = vec![Value::FuncRef(Some(FuncId { instance: 0, func: 3 }))];
            }),
            ("table 0 has a function of a thread's instance", |_, v| {
                v.store.tables[0].elems[0] = Value::FuncRef(Some(FuncId { instance: 2, func: 3 }));
            }),
            ("global 2 is of a thread's instance, and of another", |_, v| {
                v.store.instances[0].globals = vec![2];
            }),
        ];
        for (why, change) in changes {
            let (mut record, mut view) = program();
            change(&mut record, &mut view);
            let error = check(&record, &view).expect_err(why);
            assert!(error.contains(why), "{error:?} does not contain {why:?}");
        }
        let (record, mut view) = program();
        view.store.memories[0].shared = false;
        let error = check(&record, &view).unwrap_err();
        assert!(error.contains("memory 0 is of a thread's instance, and of another"), "{error}");
    }
}
