//! How a host sets up an instance's WASI state.

use crate::back_end::{BackEnd, Preopener};
use crate::ctx::{Network, Program, Stream, WasiCtx};
use crate::file_choice::{ByPrefix, FileChoice};
use crate::socket_address::Range;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Why a [`WasiCtx`] could not be made. Displays as WAMR's text for it.
#[derive(Debug)]
pub enum InitError {
    /// A `dir` could not be opened; the number is the host's `errno`.
    Preopen(String, i32),
    /// A `map_dir` without `::`.
    InvalidMap,
    /// The host directory of a `map_dir` could not be opened; the number is the host's `errno`.
    PreopenMapped(String, i32),
    /// An address pool entry without `/`.
    AddressFormat(String),
    /// An address pool entry whose mask is no number.
    AddressMask,
    /// Anything else, named.
    Environment(String),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Preopen(dir, errno) => {
                writeln!(f, "error while pre-opening directory {dir}: {errno}")
            }
            InitError::InvalidMap => writeln!(f, "error while pre-opening mapped directory: invalid map"),
            InitError::PreopenMapped(dir, errno) => {
                writeln!(f, "error while pre-opening mapped directory {dir}: {errno}")
            }
            InitError::AddressFormat(entry) => {
                write!(f, "Invalid address pool entry: {entry}, must be in the format of ADDRESS/MASK")
            }
            InitError::AddressMask => write!(f, "Invalid address pool entry: mask must be a number"),
            InitError::Environment(what) => write!(f, "Init wasi environment failed: {what}"),
        }
    }
}

impl std::error::Error for InitError {}

/// Settings of a [`WasiCtx`]. Strings are bytes, as hosts of the C API give them.
#[derive(Clone, Debug)]
pub struct WasiBuilder {
    program: Program,
    dirs: Vec<Vec<u8>>,
    map_dirs: Vec<Vec<u8>>,
    stdio: [RawFd; 3],
    address_pool: Vec<String>,
    ns_lookup: Vec<String>,
    back_end: Option<BackEnd>,
    memory_limit: Option<u64>,
    restore_files: Option<ByPrefix<FileChoice>>,
}

impl Default for WasiBuilder {
    fn default() -> Self {
        WasiBuilder {
            program: Program::default(),
            dirs: Vec::new(),
            map_dirs: Vec::new(),
            stdio: [-1; 3],
            address_pool: Vec::new(),
            ns_lookup: Vec::new(),
            back_end: None,
            memory_limit: None,
            restore_files: None,
        }
    }
}

impl WasiBuilder {
    /// No arguments, no environment, no directories, no network, the process's standard streams.
    pub fn new() -> Self {
        WasiBuilder::default()
    }

    /// Adds an argument; the first is the program's name.
    pub fn arg(&mut self, arg: impl Into<Vec<u8>>) -> &mut Self {
        self.program.args.push(arg.into());
        self
    }

    /// Adds an environment entry `KEY=VALUE`.
    pub fn env(&mut self, entry: impl Into<Vec<u8>>) -> &mut Self {
        self.program.env.push(entry.into());
        self
    }

    /// Preopens a host directory under the same name.
    pub fn dir(&mut self, path: impl Into<Vec<u8>>) -> &mut Self {
        self.dirs.push(path.into());
        self
    }

    /// Preopens a host directory under another name: `GUEST::HOST`. All of these come after those of
    /// [`Self::dir`].
    pub fn map_dir(&mut self, map: impl Into<Vec<u8>>) -> &mut Self {
        self.map_dirs.push(map.into());
        self
    }

    /// Sets the standard streams; -1 stands for the process's own 0, 1 or 2. All of them stay the host's, and are
    /// left open.
    ///
    /// # Safety
    /// A descriptor must stay open, or be one that nobody else uses, for as long as contexts made by
    /// [`Self::build`] live.
    pub unsafe fn stdio(&mut self, stdin: i64, stdout: i64, stderr: i64) -> &mut Self {
        self.stdio = [stdin, stdout, stderr].map(|fd| RawFd::try_from(fd).unwrap_or(RawFd::MAX));
        self
    }

    /// Adds addresses that the guest may bind, connect and send to: `ADDRESS/MASKBITS`.
    pub fn address_pool(&mut self, entry: impl Into<String>) -> &mut Self {
        self.address_pool.push(entry.into());
        self
    }

    /// Adds a host name that the guest may resolve: exact, or `*suffix`.
    pub fn ns_lookup(&mut self, name: impl Into<String>) -> &mut Self {
        self.ns_lookup.push(name.into());
        self
    }

    /// Whose files the guest sees. If nobody says, they are Linux's; and a restore takes what the image is of.
    pub fn back_end(&mut self, back_end: BackEnd) -> &mut Self {
        self.back_end = Some(back_end);
        self
    }

    /// What files in memory may take together, bytes; at most 768 MiB. It is 512 MiB if nobody says.
    pub fn memory_limit(&mut self, limit: u64) -> &mut Self {
        self.memory_limit = Some(limit);
        self
    }

    /// What a restore does about files that are not what they were: whoever restores without saying it himself does this.
    pub fn restore_files(&mut self, files: ByPrefix<FileChoice>) -> &mut Self {
        self.restore_files = Some(files);
        self
    }

    /// Sets all arguments at once; the first is the program's name.
    pub fn set_args(&mut self, args: Vec<Vec<u8>>) -> &mut Self {
        self.program.args = args;
        self
    }

    /// Sets all of the environment at once.
    pub fn set_env(&mut self, entries: Vec<Vec<u8>>) -> &mut Self {
        self.program.env = entries;
        self
    }

    /// Sets all preopened directories at once: those of [`Self::dir`], and those of [`Self::map_dir`].
    pub fn set_dirs(&mut self, dirs: Vec<Vec<u8>>, map_dirs: Vec<Vec<u8>>) -> &mut Self {
        (self.dirs, self.map_dirs) = (dirs, map_dirs);
        self
    }

    /// Sets all addresses at once.
    pub fn set_address_pool(&mut self, entries: Vec<String>) -> &mut Self {
        self.address_pool = entries;
        self
    }

    /// Sets all host names at once.
    pub fn set_ns_lookup(&mut self, names: Vec<String>) -> &mut Self {
        self.ns_lookup = names;
        self
    }

    /// Opens everything.
    ///
    /// # Errors
    /// [`InitError`], which says what could not be opened or understood.
    pub fn build(&self) -> Result<WasiCtx, InitError> {
        let mut preopener = Preopener::new(self.back_end.unwrap_or(BackEnd::Linux), self.memory_limit);
        let mut preopens = Vec::new();
        for dir in &self.dirs {
            let preopen = preopener.preopen(dir, dir);
            let unopened = |errno| InitError::Preopen(lossy(dir), errno);
            preopens.push(preopen.map_err(|error| error.init(unopened))?);
        }
        for map in &self.map_dirs {
            let (guest, host) = split_map(map).ok_or(InitError::InvalidMap)?;
            let preopen = preopener.preopen(guest, host);
            let unopened = |errno| InitError::PreopenMapped(lossy(host), errno);
            preopens.push(preopen.map_err(|error| error.init(unopened))?);
        }
        let addresses =
            self.address_pool.iter().map(|entry| Range::parse(entry)).collect::<Result<_, _>>()?;
        let network = Network { addresses, names: self.ns_lookup.clone() };
        let streams = self.open_streams()?;
        let mut ctx = WasiCtx::new(self.program.clone(), self.back_end, preopens, streams, network)
            .map_err(|errno| InitError::Environment(format!("standard stream: {errno}")))?;
        ctx.restore_files.clone_from(&self.restore_files);
        Ok(ctx)
    }

    fn open_streams(&self) -> Result<[Stream; 3], InitError> {
        for (fd, name) in self.stdio.iter().zip(["stdin", "stdout", "stderr"]) {
            if *fd > 2 {
                // SAFETY: only asked about, by a call that fails on a number that is not open.
                let borrowed = (*fd != RawFd::MAX).then(|| unsafe { BorrowedFd::borrow_raw(*fd) });
                if borrowed.is_none_or(|fd| rustix::io::fcntl_getfd(fd).is_err()) {
                    return Err(InitError::Environment(format!("{name}: descriptor {fd} is not open")));
                }
            }
        }
        let mut given: Vec<(RawFd, Arc<ManuallyDrop<File>>)> = Vec::new();
        let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        Ok(std::array::from_fn(|i| match self.stdio[i] {
            fd @ 0..=2 => Stream::Process(standard[fd as usize]),
            fd if fd < 0 => Stream::Process(standard[i]),
            // One descriptor may serve as several streams.
            fd => match given.iter().find(|(known, _)| *known == fd) {
                Some((_, file)) => Stream::Given(Arc::clone(file)),
                None => {
                    // SAFETY: open, as just checked, and for as long as we use it by the contract of `stdio`.
                    // It is not ours, so it is never dropped.
                    let file = Arc::new(ManuallyDrop::new(unsafe { File::from_raw_fd(fd) }));
                    given.push((fd, Arc::clone(&file)));
                    Stream::Given(file)
                }
            },
        }))
    }
}

fn split_map(map: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = map.windows(2).position(|pair| pair == b"::")?;
    let (guest, host) = (&map[..at], &map[at + 2..]);
    (!guest.is_empty() && !host.is_empty()).then_some((guest, host))
}

fn lossy(bytes: &[u8]) -> String {
    OsString::from_vec(bytes.to_vec()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(set: impl FnOnce(&mut WasiBuilder) -> &mut WasiBuilder) -> String {
        let mut builder = WasiBuilder::new();
        set(&mut builder);
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn errors_have_the_texts_that_hosts_compare() {
        assert_eq!(error(|b| b.dir("/no/such")), "error while pre-opening directory /no/such: 2\n");
        assert_eq!(error(|b| b.dir("/dev/null")), "error while pre-opening directory /dev/null: 20\n");
        assert_eq!(error(|b| b.map_dir("/x:/y")), "error while pre-opening mapped directory: invalid map\n");
        assert_eq!(error(|b| b.map_dir("/x::/no")), "error while pre-opening mapped directory /no: 2\n");
        assert_eq!(
            error(|b| b.address_pool("1.2.3.4")),
            "Invalid address pool entry: 1.2.3.4, must be in the format of ADDRESS/MASK"
        );
        assert_eq!(
            error(|b| b.address_pool("1.2.3.4/x")),
            "Invalid address pool entry: mask must be a number"
        );
        assert!(error(|b| b.address_pool("host/8")).starts_with("Init wasi environment failed: "));
    }

    #[test]
    fn a_stream_that_is_not_open_is_an_error_that_names_it() {
        // SAFETY: the number is beyond any limit on open files, so the context is not made.
        let text = error(|b| unsafe { b.stdio(-1, 1 << 30, -1) });
        assert_eq!(text, "Init wasi environment failed: stdout: descriptor 1073741824 is not open");
    }

    #[test]
    fn what_is_set_at_once_replaces_what_was_added() {
        let text = |text: &str| vec![text.as_bytes().to_vec()];
        let mut builder = WasiBuilder::new();
        builder.arg("a").env("A=1").dir("/no/such").map_dir("::").address_pool("x").ns_lookup("old");
        builder.set_args(text("b")).set_env(text("B=2")).set_dirs(text("/tmp"), vec![]);
        builder.set_address_pool(vec!["10.0.0.0/8".to_owned()]).set_ns_lookup(vec!["new".to_owned()]);
        assert_eq!((&builder.program.args, &builder.program.env), (&text("b"), &text("B=2")));
        assert_eq!(builder.ns_lookup, ["new"]);
        builder.build().expect("nothing of the old is left that cannot be opened");
    }

    #[test]
    fn maps_split_at_the_first_separator() {
        assert_eq!(split_map(b"a::b"), Some((&b"a"[..], &b"b"[..])));
        assert_eq!(split_map(b"a::b::c"), Some((&b"a"[..], &b"b::c"[..])));
        assert_eq!(split_map(b"::b"), None);
        assert_eq!(split_map(b"a::"), None);
    }
}
