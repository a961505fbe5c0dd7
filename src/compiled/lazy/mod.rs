//! Modules that are compiled while they run: everything is interpreted at first, what turns out to be hot is compiled by
//! threads beside the program.
//!
//! - `queue`: what is wanted, and the threads; `neighbours`: what is compiled together
//! - `log`: what was compiled in earlier runs

mod log;
mod neighbours;
mod queue;

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use wayfarer_abi::compiler::Options;
use wayfarer_module::Module;
use wayfarer_native::{GrowingModule, LoadError, Part, Wanted};
use wayfarer_runtime::Loop;

use self::queue::{Key, Owner};
use super::cache::Entry;
use super::compiler::{Library, Session};
use super::tools;
use crate::log::{error, verbose};
use log::Log;

pub(crate) use queue::cancel;

/// What the threads need to know to compile parts of a module.
struct Work {
    module: Arc<Module>,
    library: &'static Library,
    options: Options,
    /// Where the code goes; nowhere, once the module is unloaded.
    growing: OnceLock<Weak<GrowingModule>>,
    /// Made by the first thread that compiles something.
    session: OnceLock<Option<Session>>,
    log: Option<Log>,
}

/// Asks for parts on behalf of the program that runs.
struct Asker(Owner);

impl Wanted for Asker {
    fn wanted(&self, func: u32, offset: Option<u32>, count: u32) {
        self.0.ask(Key::Code { func, offset }, count);
    }
}

/// A module's code, none as yet. What `entry` says was compiled before comes at once, by another thread.
pub(super) fn load(
    module: &Arc<Module>,
    library: &'static Library,
    options: Options,
    entry: Option<&Entry>,
) -> Arc<GrowingModule> {
    let work = Arc::new(Work {
        module: module.clone(),
        library,
        options,
        growing: OnceLock::new(),
        session: OnceLock::new(),
        log: entry.map(Log::of),
    });
    let owner = Owner::new(work.clone());
    if work.log.as_ref().is_some_and(Log::exists) {
        owner.ask(Key::Log, 0);
    }
    let growing = GrowingModule::new(module, options.explicit_bounds == 0, Box::new(Asker(owner)));
    let _ = work.growing.set(Arc::downgrade(&growing));
    growing
}

/// How long this thread has been running.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec to be filled.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Work {
    /// Where the code goes, as long as anybody can use it.
    fn growing(&self) -> Option<Arc<GrowingModule>> {
        self.growing.get()?.upgrade()
    }

    /// Does what was asked for. A fatal error of the compiler is told to `fatal`, which does not return.
    fn serve(&self, key: Key, more: &[u32], fatal: &dyn Fn(&str)) {
        match key {
            Key::Log => self.read_log(),
            Key::Code { func, offset } => self.compile(func, offset, more, fatal),
        }
    }

    /// Size of a function's body (bytes).
    fn size(&self, func: u32) -> usize {
        self.module.funcs[func as usize].body.as_ref().map_or(0, |body| body.len())
    }

    /// Compiles a function, or a loop in it, and `more` functions.
    fn compile(&self, func: u32, offset: Option<u32>, more: &[u32], fatal: &dyn Fn(&str)) {
        let Some(growing) = self.growing() else { return };
        let mut funcs: Vec<u32> = offset.is_none().then_some(func).into_iter().chain(more.to_vec()).collect();
        funcs.retain(|&func| !growing.has(func) && !growing.is_kept_interpreted(func));
        let loops: Vec<Loop> = offset.map(|offset| Loop { func, offset }).into_iter().collect();
        if funcs.is_empty() && loops.iter().all(|&at| growing.has_continuation(at)) {
            return;
        }
        let has = |func| growing.has(func);
        let part = neighbours::part(&self.module, Part { funcs, loops }, has, |func| {
            growing.is_kept_interpreted(func)
        });
        // The module may be unloaded meanwhile.
        drop(growing);
        let Some(session) = self.session() else { return };
        let (start, cpu) = (Instant::now(), processor_time());
        let name = match (&part.loops[..], &part.funcs[..]) {
            (&[at], _) => self.describe(at.func, Some(at.offset)),
            (_, &[func, ..]) => self.describe(func, None),
            _ => return,
        };
        let object = match session.compile(&part.funcs, &part.loops, &|message| {
            error!("{name} cannot be compiled, it stays interpreted: {message}");
            fatal(message);
        }) {
            Ok(object) => object,
            Err(why) => return error!("{name} cannot be compiled, it stays interpreted: {why}"),
        };
        if self.publish(&part, &object, &name) {
            verbose!(
                "jit: {name} and {} others compiled in {} ms, {} of them on a processor, {} bytes",
                part.funcs.len() - usize::from(offset.is_none()),
                start.elapsed().as_millis(),
                (processor_time() - cpu).as_millis(),
                object.len()
            );
            if let Some(log) = &self.log {
                log.append(&part, &object);
            }
        }
    }

    /// The module as the compiler has it.
    fn session(&self) -> Option<&Session> {
        let session = self.session.get_or_init(|| {
            let start = Instant::now();
            let session = self.library.open_session(&self.module.bytes, &self.options);
            verbose!("jit: compiler ready after {} ms", start.elapsed().as_millis());
            session.inspect_err(|why| error!("the module stays interpreted: {why}")).ok()
        });
        session.as_ref()
    }

    /// Lets the program have a part.
    fn publish(&self, part: &Part, object: &[u8], name: &str) -> bool {
        let Some(growing) = self.growing() else { return false };
        let announce = |code: &mut _| tools::announce(&self.module, code);
        match growing.publish(wayfarer_abi::VERSION, object, part, announce) {
            Ok(without) => {
                for &func in &without.funcs {
                    verbose!("jit: {} is too large to be compiled", self.describe(func, None));
                }
                for &Loop { func, offset } in &without.loops {
                    verbose!("jit: {} is too large to be compiled", self.describe(func, Some(offset)));
                }
                true
            }
            // It was compiled before that was so.
            Err(why @ LoadError::Watched(_)) => {
                verbose!("{name} stays interpreted: {why}");
                false
            }
            Err(why) => {
                error!("{name} stays interpreted: {why}");
                false
            }
        }
    }

    fn read_log(&self) {
        let Some(log) = &self.log else { return };
        let mut count = 0;
        log.read(|part, object| {
            count += usize::from(self.publish(&part, object, "code from the cache"));
            // Whether anybody can still use more.
            self.growing().is_some()
        });
        verbose!("cache: {}: {count} parts used", log.path().display());
    }

    /// A function, or a loop in it, for people.
    fn describe(&self, func: u32, offset: Option<u32>) -> String {
        let name = match self.module.func_name(func) {
            Some(name) => format!("function {func} ({name})"),
            None => format!("function {func}"),
        };
        match offset {
            Some(offset) => format!("the loop at {offset} of {name}"),
            None => name,
        }
    }
}
