//! `wayfarer.h`: checkpoint and restore, for hosts that want more than the environment variables give.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use wayfarer_program::Program;
use wayfarer_program::policy::is_image_mode;
use wayfarer_program::{
    DEFAULT_GROUP_LIMIT, GroupOrder, GroupSettings, Leaves, MOST_MEMBERS, Report, Request, Source, Target,
    Wanted, set_image_mode,
};
use wayfarer_runtime::AfterCheckpoint;
use wayfarer_snapshot::{Compression, Image, Reason};
use wayfarer_wasi::{ByPrefix, FilePolicy};

use super::call;
use super::exec_env;
use super::ffi::{CEnum, attempt, c_str, enum_value, guard, put, put_error, slice};
use super::instantiate::{self, InstantiationArgs2};
use super::load::WASMModuleCommon;
use super::types::{wasm_exec_env_t, wasm_module_inst_t, wasm_module_t};
use super::wasi_files::by_prefix;

/// What becomes of the guest after a checkpoint.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum wayfarer_then_t {
    /// It goes on.
    WAYFARER_CONTINUE = 0,
    /// Its call ends with the exception `stopped by checkpoint`. Make no further calls of this instance.
    WAYFARER_STOP = 1,
}

/// What kind of checkpoint to take. Zero it first: that is an image to memory, uncompressed, and the guest goes on. It may
/// get more fields at its end: the functions that take it are told how large it is where they are called.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct wayfarer_checkpoint_args_t {
    /// The file to write: the image appears there whole, or what was there stays. NULL: see `use_fd`.
    pub path: *const c_char,
    /// Write to `fd` instead of a file by name.
    pub use_fd: bool,
    /// A descriptor to write to, from where it is; it stays open.
    pub fd: c_int,
    /// 0 for none, otherwise a zstd level: 1 is fast, 19 small.
    pub compression_level: c_int,
    /// What becomes of the guest.
    pub then: MaybeUninit<wayfarer_then_t>,
    /// What the image holds of files that the guest has open, as `iwasm --checkpoint-files` takes it: so many texts `POLICY` or
    /// `POLICY:PREFIX`. POLICY is `reopen` (path, size and time), `reopen-hash`, `carry` (all of its bytes, too) or `ignore`; that of the
    /// longest PREFIX of a path counts. NULL: as the environment says (WAYFARER_CHECKPOINT_FILES), or else `reopen` for all.
    pub files: *const *const c_char,
    /// How many these are.
    pub file_count: u32,
    /// The folder in which the members of a group meet (see `iwasm --checkpoint-group`): an image is taken of all of them at once, or of
    /// none, and what is on its way between them is in it. Each member orders its own, but for those whose environment or flags say that
    /// they are members, which are asked; who is first waits for the others. All are processes of one machine. Takes a `path`. NULL:
    /// of this program alone.
    pub group: *const c_char,
    /// How many members there are.
    pub group_size: u32,
    /// How long the others are waited for, in milliseconds; 0: 30 seconds.
    pub group_limit_ms: u32,
    /// Asked, while the guest stands still, of each of its standard streams that is an end of a pipe or a Unix stream to a program that
    /// is not checkpointed with it. True: it may stay behind, with what is in it, and who restores the image gives another in its
    /// place (wasm_runtime_instantiation_args_set_wasi_stdio). False: there is no image, and the report names the descriptor. NULL: all
    /// may.
    pub leaves: wayfarer_leaves_t,
    /// Handed to `leaves`. Valid for as long as the checkpoint can be taken.
    pub leaves_data: *mut c_void,
}

/// Whether a standard stream of the guest's may stay behind when it is checkpointed. It must not call into the guest.
pub type wayfarer_leaves_t = Option<unsafe extern "C" fn(fd: u32, leaves_data: *mut c_void) -> bool>;

// SAFETY: a fieldless `repr(C)` enum is an `unsigned int` on every target of this crate.
unsafe impl CEnum for wayfarer_then_t {}

/// Size of the arguments as they were at first: what those hosts have that say none.
pub(super) const FIRST_ARGS_SIZE: usize =
    std::mem::offset_of!(wayfarer_checkpoint_args_t, then) + size_of::<u32>();

/// Reads arguments that a host has `size` bytes of. Fields that its header did not have are zero, as it would have left
/// them; those that only a later header has must be.
///
/// # Safety
/// `args` has so many bytes.
unsafe fn read_args(
    args: *const wayfarer_checkpoint_args_t,
    size: usize,
) -> Result<wayfarer_checkpoint_args_t, String> {
    const KNOWN: usize = size_of::<wayfarer_checkpoint_args_t>();
    if size < FIRST_ARGS_SIZE {
        return Err(format!("bad size {size} of the arguments: they have {FIRST_ARGS_SIZE} bytes or more"));
    }
    // SAFETY: as the caller promises.
    let rest = unsafe { slice(args.cast::<u8>().add(size.min(KNOWN)), size.saturating_sub(KNOWN)) };
    if rest.iter().any(|&byte| byte != 0) {
        return Err(format!(
            "the arguments have fields that this library does not know: it is version {}",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let mut read = MaybeUninit::<wayfarer_checkpoint_args_t>::zeroed();
    // SAFETY: `args` has these bytes, as the caller promises, and `read` has room for them. They are pointers and numbers,
    // for which zeros are fine; a `bool` is what C made of it.
    unsafe {
        std::ptr::copy_nonoverlapping(args.cast::<u8>(), read.as_mut_ptr().cast::<u8>(), size.min(KNOWN));
        Ok(read.assume_init())
    }
}

/// What became of a checkpoint.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct wayfarer_report_t {
    /// Whether there is an image. If not, what was at the path before still is, and the guest goes on.
    pub ok: bool,
    /// Why not, if not.
    pub error: *const c_char,
    /// The image, if it was to go to memory; NULL otherwise.
    pub image: *const c_void,
    /// Size of the image in bytes.
    pub image_size: u64,
    /// Bytes of linear memory the guest has.
    pub memory_size: u64,
    /// How long the guest stood still, in microseconds.
    pub paused_us: u64,
}

/// Called once a checkpoint was taken or failed, on the thread that runs the guest. The report and what it points to are
/// valid until it returns. It must not call into the guest.
pub type wayfarer_done_t = Option<
    unsafe extern "C" fn(
        module_inst: wasm_module_inst_t,
        report: *const wayfarer_report_t,
        user_data: *mut c_void,
    ),
>;

/// A pointer of the host's that is handed back to it.
#[derive(Clone, Copy)]
struct UserData(*mut c_void);

// SAFETY: only handed back to the host's function, which the documentation says runs on the guest's thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// Where to and how, of arguments from C.
///
/// # Safety
/// `args` is NULL or has so many bytes; its path is valid.
pub(crate) unsafe fn order(args: *const wayfarer_checkpoint_args_t, size: usize) -> Result<Order, String> {
    if args.is_null() {
        return Ok(Order {
            path: None,
            fd: None,
            compression: Compression::None,
            then: AfterCheckpoint::Continue,
            files: None,
            group: None,
            leaves: None,
        });
    }
    // SAFETY: as the caller promises.
    let args = unsafe { read_args(args, size) }?;
    // SAFETY: as the caller promises.
    let path = unsafe { c_str(args.path) }.map(|path| {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(path.to_bytes()))
    });
    let fd = match (&path, args.use_fd) {
        (None, true) if args.fd < 0 => return Err(format!("bad descriptor {}", args.fd)),
        (None, true) => Some(args.fd),
        _ => None,
    };
    let compression = match args.compression_level {
        0 => Compression::None,
        level @ 1..=22 => Compression::Zstd(level),
        level => return Err(format!("bad compression level {level}: it goes from 0 to 22")),
    };
    let then = match enum_value(args.then) {
        0 => AfterCheckpoint::Continue,
        1 => AfterCheckpoint::Stop,
        other => return Err(format!("bad value {other} for what to do after the checkpoint")),
    };
    // SAFETY: as the caller promises.
    let files = unsafe { by_prefix(args.files, args.file_count) }?;
    // SAFETY: as the caller promises.
    let group = unsafe { c_str(args.group) }.map(|folder| group_order(folder, &args)).transpose()?;
    if group.is_some() && path.is_none() {
        return Err("an image of a group takes a path".to_owned());
    }
    let leaves = args.leaves.map(|asked| {
        let data = UserData(args.leaves_data);
        Leaves(Arc::new(move |fd| {
            let data = &data;
            // SAFETY: the host gave both, for as long as the checkpoint can be taken.
            unsafe { asked(fd, data.0) }
        }))
    });
    Ok(Order { path, fd, compression, then, files, group, leaves })
}

fn group_order(folder: &CStr, args: &wayfarer_checkpoint_args_t) -> Result<GroupOrder, String> {
    use std::os::unix::ffi::OsStrExt;
    let size = args.group_size as usize;
    if folder.is_empty() || !(1..=MOST_MEMBERS).contains(&size) {
        return Err(format!("bad group: it has a folder and 1 to {MOST_MEMBERS} members, not {size}"));
    }
    let folder = PathBuf::from(std::ffi::OsStr::from_bytes(folder.to_bytes()));
    let limit = match args.group_limit_ms {
        0 => DEFAULT_GROUP_LIMIT,
        limit => Duration::from_millis(limit.into()),
    };
    Ok(GroupOrder { group: GroupSettings { folder, size }, limit })
}

/// What C arguments say.
#[derive(Clone)]
pub(crate) struct Order {
    path: Option<PathBuf>,
    fd: Option<c_int>,
    compression: Compression,
    then: AfterCheckpoint,
    files: Option<ByPrefix<FilePolicy>>,
    group: Option<GroupOrder>,
    leaves: Option<Leaves>,
}

impl Order {
    pub(crate) fn request(
        &self,
        done: impl FnOnce(Result<Report, String>) + Send + 'static,
    ) -> Result<Request, String> {
        let target = match (&self.path, self.fd) {
            (Some(path), _) => Target::Path(path.clone()),
            (None, Some(fd)) => Target::Fd(duplicate(fd)?),
            (None, None) => Target::Buffer,
        };
        let image = Wanted {
            target,
            compression: self.compression,
            reason: Reason::Api,
            files: self.files.clone(),
            group: self.group.clone().map(Box::new),
            leaves: self.leaves.clone(),
        };
        Ok(Request { image, then: self.then, done: Box::new(done) })
    }
}

/// The host may close its descriptor before the checkpoint is taken.
fn duplicate(fd: c_int) -> Result<OwnedFd, String> {
    // SAFETY: only looked at by dup, which fails if it is none.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed.try_clone_to_owned().map_err(|e| format!("descriptor {fd}: {e}"))
}

/// Shows a report to the host.
fn with_report<T>(result: &Result<Report, String>, show: impl FnOnce(&wayfarer_report_t) -> T) -> T {
    let error = result.as_ref().err().map(|e| CString::new(e.replace('\0', " ")).unwrap_or_default());
    let ok = result.as_ref().ok();
    let image = ok.and_then(|r| r.image.as_deref());
    show(&wayfarer_report_t {
        ok: ok.is_some(),
        error: error.as_ref().map_or(null(), |e| e.as_ptr()),
        image: image.map_or(null(), |i| i.as_ptr().cast()),
        image_size: ok.map_or(0, |r| r.stats.image_len),
        memory_size: ok.map_or(0, |r| r.stats.memory_len),
        paused_us: ok.map_or(0, |r| r.paused.as_micros() as u64),
    })
}

/// What to do when an order is done: tell the host.
pub(crate) fn tell(
    instance: wasm_module_inst_t,
    done: wayfarer_done_t,
    user_data: *mut c_void,
) -> impl FnOnce(Result<Report, String>) + Send + 'static {
    let (instance, user_data) = (UserData(instance.cast()), UserData(user_data));
    move |result| {
        let (instance, user_data) = (instance, user_data);
        if let Some(done) = done {
            // SAFETY: the host gave the function for this instance, which runs, or is at least alive.
            with_report(&result, |report| unsafe { done(instance.0.cast(), report, user_data.0) });
        }
    }
}

/// Asks for a checkpoint at the guest's next stable point, or at once if no call is in progress. `done` may be NULL.
/// May be called from any thread, also from a native function that the guest called; the checkpoint is then taken soon
/// after it has returned.
///
/// Returns false, with the reason in `error_buf`, if the arguments are bad; everything else is in the report.
///
/// `args_size` is the size of what `args` points to; `wayfarer_checkpoint_request` fills it in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_request_sized(
    module_inst: wasm_module_inst_t,
    args: *const wayfarer_checkpoint_args_t,
    args_size: usize,
    done: wayfarer_done_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        attempt(error_buf, error_buf_size, || {
            let instance = module_inst.as_ref().ok_or("no instance")?;
            instance.program().order(order(args, args_size)?.request(tell(module_inst, done, user_data))?)
        })
    }
}

/// Sets the permissions of images that are written to a path from now on, in this process, whatever its mask and the
/// environment say. Without it they are those of WAYFARER_IMAGE_MODE, or else 0600: an image is a guest's memory, with all
/// its secrets.
///
/// Returns false, and changes nothing, if there are other bits in `mode` than those of permissions (0777), or if it does not
/// let the owner read.
#[unsafe(no_mangle)]
pub extern "C" fn wayfarer_set_image_mode(mode: u32) -> bool {
    guard(false, || {
        let usable = is_image_mode(mode);
        if usable {
            set_image_mode(mode);
        }
        usable
    })
}

/// Sets how long a checkpoint waits for threads that run the guest and do not come to a stable point, because they are in a
/// native function: so many milliseconds from now on, in this process (5000 at first). Then it is refused, with the name of
/// that function, and all go on. The threads that have come stand still meanwhile.
#[unsafe(no_mangle)]
pub extern "C" fn wayfarer_set_stop_limit(milliseconds: u64) {
    wayfarer_program::set_stop_limit(milliseconds);
}

/// Has all threads of the guest stand still: at stable points, or in host calls that will be made again (WASI's, and native
/// functions that use wayfarer_call_again). Until wayfarer_resume_threads, calls of the host's wait, as do allocations; only this
/// thread may still look at the instance, change it and allocate in it, but not call it: that fails with an exception.
/// wayfarer_checkpoint takes an image of the suspended program. wasm_runtime_terminate ends the calls, and the suspension with
/// them. Instances of wasm_c_api.h in one store are suspended together.
///
/// Returns false, with the reason in `error_buf`, if a thread is in a native function and does not come back within the stop limit
/// (wayfarer_set_stop_limit; the function is named, and all go on), if it is suspended already, or if this thread is running the
/// guest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_suspend_threads(
    module_inst: wasm_module_inst_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    let instance = unsafe { module_inst.as_ref() }.ok_or("no instance");
    // SAFETY: as the caller promises.
    unsafe { attempt(error_buf, error_buf_size, || instance?.program().suspend()) }
}

/// Has the guest's threads go on that wayfarer_suspend_threads has stopped; from any thread. False if it was not suspended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_resume_threads(module_inst: wasm_module_inst_t) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        unsafe { module_inst.as_ref() }.is_some_and(|instance| instance.program().resume_threads())
    })
}

/// Writes to a descriptor, as text, which functions are running in each thread of the guest: lines as
/// wasm_runtime_dump_call_stack prints them, innermost first, with the byte of the module each stands at, interpreted and compiled
/// alike. The threads stand still for it and go on. One in a native function that does not come back within the stop limit
/// (wayfarer_set_stop_limit) is said to be there, by the function's name. Of a thread with a native function on its stack that has
/// called back, only that is said. Instances of wasm_c_api.h in one store are shown together.
///
/// From any thread but one that is running the guest. Returns false, with the reason in `error_buf`, if nothing was written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_dump_stacks(
    module_inst: wasm_module_inst_t,
    fd: c_int,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    let instance = unsafe { module_inst.as_ref() }.ok_or("no instance");
    // SAFETY: as the caller promises.
    unsafe { attempt(error_buf, error_buf_size, || instance?.program().dump_stacks(fd)) }
}

/// Asks for what wayfarer_dump_stacks writes: the guest's thread that comes to a stable point first writes it, or the next that
/// the host calls. Async-signal-safe: may be called from a signal handler, on any thread. The descriptor has to stay open until
/// then. False if it is none, if eight requests are waiting, or if the code cannot be stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_dump_stacks_request(module_inst: wasm_module_inst_t, fd: c_int) -> bool {
    // SAFETY: as the caller promises.
    unsafe { module_inst.as_ref() }.is_some_and(|instance| instance.program().request_stacks(fd))
}

/// Takes a checkpoint and waits until it is there. May be called from any thread but one that is running the instance's
/// guest, which would wait for itself (use wayfarer_checkpoint_request there).
///
/// `report` may be NULL. An image in memory belongs to the caller, who gives it to wayfarer_image_free; the error text is
/// only in `error_buf`. Returns false if there is no image.
///
/// `args_size` is the size of what `args` points to; `wayfarer_checkpoint` fills it in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_sized(
    module_inst: wasm_module_inst_t,
    args: *const wayfarer_checkpoint_args_t,
    args_size: usize,
    report: *mut wayfarer_report_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        // SAFETY: as the caller promises.
        let result = unsafe { order(args, args_size) }
            .and_then(|order| wait_for(instance.program(), exec_env::running_in(instance).is_some(), &order));
        // SAFETY: as the caller promises.
        unsafe { report_to(result, report, error_buf, error_buf_size) }
    })
}

/// Tells the host of a checkpoint that it waited for; whether it was taken.
///
/// # Safety
/// The pointers are NULL, or good for what is written there.
pub(crate) unsafe fn report_to(
    result: Result<Report, String>,
    report: *mut wayfarer_report_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    match result {
        Ok(mut done) => {
            // The image is the caller's from here on.
            let image = done
                .image
                .take()
                .map(Vec::into_boxed_slice)
                .map_or(null(), |image| Box::into_raw(image).cast_const().cast::<c_void>());
            with_report(&Ok(done), |shown| {
                let shown = wayfarer_report_t { image, ..*shown };
                // SAFETY: as the caller promises.
                unsafe { put(report, shown) };
                if report.is_null() && !image.is_null() {
                    // SAFETY: just made from a box of this size, and nobody else has it.
                    unsafe { wayfarer_image_free(image.cast_mut(), shown.image_size) };
                }
            });
            true
        }
        Err(why) => {
            // SAFETY: as the caller promises.
            unsafe { put_error(error_buf, error_buf_size, &why) };
            with_report(&Err(why), |shown| {
                // SAFETY: as the caller promises.
                unsafe { put(report, wayfarer_report_t { error: null(), ..*shown }) };
            });
            false
        }
    }
}

/// Takes a checkpoint and waits until it is there. `running_here`: whether this thread is in a call of the program.
pub(crate) fn wait_for(program: &Program, running_here: bool, order: &Order) -> Result<Report, String> {
    if running_here {
        return Err("the guest is running on this thread: use wayfarer_checkpoint_request".to_owned());
    }
    let (done, wait) = mpsc::channel();
    let request = order.request(move |result| {
        let _ = done.send(result);
    })?;
    program.order(request)?;
    wait.recv().unwrap_or_else(|_| Err("the instance ended before a checkpoint could be taken".to_owned()))
}

/// [`wayfarer_checkpoint_request_sized`] for programs that were compiled when the arguments had their first size, and for
/// those that look the function up by name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_request(
    module_inst: wasm_module_inst_t,
    args: *const wayfarer_checkpoint_args_t,
    done: wayfarer_done_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    let size = FIRST_ARGS_SIZE;
    // SAFETY: as the caller promises.
    unsafe {
        wayfarer_checkpoint_request_sized(module_inst, args, size, done, user_data, error_buf, error_buf_size)
    }
}

/// [`wayfarer_checkpoint_sized`], likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint(
    module_inst: wasm_module_inst_t,
    args: *const wayfarer_checkpoint_args_t,
    report: *mut wayfarer_report_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        wayfarer_checkpoint_sized(module_inst, args, FIRST_ARGS_SIZE, report, error_buf, error_buf_size)
    }
}

/// [`wayfarer_checkpoint_prepare_sized`], likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_prepare(
    module_inst: wasm_module_inst_t,
    args: *const wayfarer_checkpoint_args_t,
    done: wayfarer_done_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    let size = FIRST_ARGS_SIZE;
    // SAFETY: as the caller promises.
    unsafe {
        wayfarer_checkpoint_prepare_sized(module_inst, args, size, done, user_data, error_buf, error_buf_size)
    }
}

/// Frees an image that wayfarer_checkpoint put into memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_image_free(image: *mut c_void, image_size: u64) {
    guard((), || {
        if !image.is_null() {
            let image = std::ptr::slice_from_raw_parts_mut(image.cast::<u8>(), image_size as usize);
            // SAFETY: as the caller promises: made by `wayfarer_checkpoint`, of this size, not yet freed.
            drop(unsafe { Box::from_raw(image) });
        }
    });
}

/// Prepares checkpoints that wayfarer_checkpoint_trigger asks for, from then on each time. Arguments as for
/// wayfarer_checkpoint_request_sized; `wayfarer_checkpoint_prepare` fills in the size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_prepare_sized(
    module_inst: wasm_module_inst_t,
    args: *const wayfarer_checkpoint_args_t,
    args_size: usize,
    done: wayfarer_done_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        let (inst, user_data) = (UserData(module_inst.cast()), UserData(user_data));
        // SAFETY: as the caller promises.
        let prepared = unsafe { order(args, args_size) }.and_then(|order| {
            // A descriptor is duplicated now: the host may close its own.
            let kept = order.fd.map(duplicate).transpose()?;
            instance.program().prepare(Box::new(move || {
                let (inst, user_data) = (inst, user_data);
                use std::os::fd::AsRawFd;
                let order = Order { fd: kept.as_ref().map(AsRawFd::as_raw_fd), ..order.clone() };
                order.request(tell(inst.0.cast(), done, user_data.0)).ok()
            }))
        });
        // SAFETY: as the caller promises.
        prepared.map_err(|why| unsafe { put_error(error_buf, error_buf_size, &why) }).is_ok()
    })
}

/// Asks for the checkpoint that was prepared. Async-signal-safe: may be called from a signal handler, on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_trigger(module_inst: wasm_module_inst_t) {
    // SAFETY: as the caller promises.
    if let Some(instance) = unsafe { module_inst.as_ref() } {
        instance.program().trigger();
    }
}

/// How many checkpoints were taken of this program, also before it was restored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_checkpoint_count(module_inst: wasm_module_inst_t) -> u64 {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { module_inst.as_ref() }.map_or(0, |i| i.program().count()))
}

/// An image file.
///
/// # Safety
/// `path` is NULL or a string.
pub(crate) unsafe fn image_at(path: *const c_char) -> Result<Image<'static>, String> {
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: as the caller promises.
    let path = unsafe { c_str(path) }.ok_or("no path")?;
    Image::open(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()))).map_err(|e| e.to_string())
}

/// An image from a descriptor.
///
/// # Safety
/// It stays open during the call.
pub(crate) unsafe fn image_from(fd: c_int) -> Result<Image<'static>, String> {
    if fd < 0 {
        return Err(format!("bad descriptor {fd}"));
    }
    // SAFETY: as the caller promises.
    Image::from_fd(unsafe { BorrowedFd::borrow_raw(fd) }).map_err(|e| e.to_string())
}

/// An image in memory.
///
/// # Safety
/// It is NULL or has this size.
pub(crate) unsafe fn image_of(image: *const c_void, size: u64) -> Result<Image<'static>, String> {
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice(image.cast::<u8>(), size as usize) };
    Image::from_bytes(bytes.to_vec()).map_err(|e| e.to_string())
}

/// # Safety
/// `args` is NULL or valid, `error_buf` is NULL or has its size.
unsafe fn restore(
    module: wasm_module_t,
    args: *const InstantiationArgs2,
    image: Result<Image<'static>, String>,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    // SAFETY: as the caller promises.
    let (module, args) = unsafe { (module.as_ref(), args.as_ref().cloned().unwrap_or_default()) };
    let restored = image.and_then(|image| {
        let module: &WASMModuleCommon = module.ok_or("no module")?;
        instantiate::restore(module, &args, &Source::new(image)?)
    });
    match restored {
        Ok(instance) => Box::into_raw(instance),
        Err(why) => {
            // SAFETY: as the caller promises.
            unsafe { put_error(error_buf, error_buf_size, &why) };
            null_mut()
        }
    }
}

/// Makes an instance from an image file. `args` (may be NULL) says what the instance finds here: stack size, preopened
/// directories, standard streams. A call that was in progress is continued by wayfarer_resume, or by calling the same
/// function again. Checkpoints of it are taken as the environment says, like of any other instance. Returns NULL on
/// failure, with the reason in `error_buf`; nothing is left behind then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_restore_from_path(
    module: wasm_module_t,
    args: *const InstantiationArgs2,
    path: *const c_char,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let image = unsafe { image_at(path) };
        // SAFETY: as the caller promises.
        unsafe { restore(module, args, image, error_buf, error_buf_size) }
    })
}

/// Makes an instance from an image read from a descriptor, from where it is; it stays open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_restore_from_fd(
    module: wasm_module_t,
    args: *const InstantiationArgs2,
    fd: c_int,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        unsafe { restore(module, args, image_from(fd), error_buf, error_buf_size) }
    })
}

/// Makes an instance from an image in memory, which is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_restore_from_memory(
    module: wasm_module_t,
    args: *const InstantiationArgs2,
    image: *const c_void,
    image_size: u64,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        unsafe { restore(module, args, image_of(image, image_size), error_buf, error_buf_size) }
    })
}

/// Whether a restored instance has a call in progress that was not continued yet. `function_index` (may be NULL) gets
/// the index of its function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_call_in_progress(
    module_inst: wasm_module_inst_t,
    function_index: *mut u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        let Some((_, index)) = instance.program().call_in_progress() else { return false };
        // SAFETY: as the caller promises.
        unsafe { put(function_index, index) };
        true
    })
}

/// Continues the call that was in progress. `argv` gets its results, as wasm_runtime_call_wasm gives them, and must have
/// room for them; it may be NULL if there are none. Returns false if the call failed: wasm_runtime_get_exception.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_resume(exec_env: wasm_exec_env_t, argv: *mut u32) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(env) = (unsafe { exec_env.as_ref() }) else { return false };
        let func = env.instance().and_then(|i| {
            let (instance, func) = i.program().call_in_progress()?;
            i.store().instance(instance as usize)?.func(func)
        });
        // SAFETY: as the caller promises.
        call::resume(env).is_ok_and(|results| unsafe { call::give_results(env, func, &results, argv) })
    })
}

/// Version of this library as text, such as `0.1.0`.
#[unsafe(no_mangle)]
pub extern "C" fn wayfarer_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
