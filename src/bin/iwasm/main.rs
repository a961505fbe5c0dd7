//! `iwasm`: runs WebAssembly programs like WAMR's program of this name, and checkpoints and restores them.
//!
//! What it prints goes to standard output, errors included, as scripts written for WAMR's expect; only what has to do
//! with checkpoints goes to standard error.

mod advice;
mod api;
mod args;
mod guest;
mod native_libs;
mod progress;
mod repl;
mod text;

use std::process::ExitCode;

use wayfarer_program::policy::Settings;

use crate::args::{Command, Options, Refusal};
use crate::guest::{Binary, Guest, Module, Runtime};
use crate::text::print;

/// Exit status if something is wrong with the command line.
const USAGE: u8 = 1;

/// Exit status if the program could not be started: WAMR's -1.
const NOT_STARTED: u8 = 255;

fn main() -> ExitCode {
    // Rust's startup code ignores the signal. A program that nobody reads from any more ends by it in a C host.
    // SAFETY: nothing else runs yet, and the default action is no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let status = match args::parse(std::env::args_os().skip(1), Settings::from_env()) {
        Ok(Command::Run(options)) => match run(&options) {
            Ok(status) => status,
            Err(NotStarted::Message(message)) => {
                print(&message);
                print("\n");
                NOT_STARTED
            }
            Err(NotStarted::Printed) => NOT_STARTED,
            Err(NotStarted::Checkpoint(message)) => {
                eprintln!("iwasm: {message}");
                USAGE
            }
        },
        Ok(Command::Help) => {
            print(&text::help());
            0
        }
        Ok(Command::Version) => {
            let (mut major, mut minor, mut patch) = (0, 0, 0);
            // SAFETY: places for the three numbers.
            unsafe { api::wasm_runtime_get_version(&raw mut major, &raw mut minor, &raw mut patch) };
            print(&text::version((major, minor, patch)));
            0
        }
        Err(refusal) => {
            refuse(&refusal);
            USAGE
        }
    };
    text::flush();
    ExitCode::from(status)
}

fn refuse(refusal: &Refusal) {
    match refusal {
        Refusal::Empty => print(&text::help()),
        Refusal::Usage(what) => print(&format!("iwasm: {what}\n{}Try `iwasm --help`.\n", text::USAGE)),
        Refusal::Message(message) => print(&format!("{message}\n")),
        Refusal::MessageAndHelp(message) => print(&format!("{message}\n{}", text::help())),
    }
}

/// Why a program was not started.
enum NotStarted {
    Message(String),
    /// The library has printed why.
    Printed,
    /// Something is wrong with the checkpoint settings, or with the image to go on from.
    Checkpoint(String),
}

impl From<String> for NotStarted {
    fn from(message: String) -> Self {
        NotStarted::Message(message)
    }
}

/// Runs a program, from its file to its end. The status to end with.
fn run(options: &Options) -> Result<u8, NotStarted> {
    let checkpoint = options.checkpoint.resolve_here().map_err(|e| NotStarted::Checkpoint(e.to_string()))?;
    let image = checkpoint.restore.clone();
    // Before anything that takes time: requests are heard from when the runtime is started.
    wayfarer_program::configure(checkpoint);
    for note in &options.notes {
        print(&format!("{note}\n"));
    }
    // The program writes past C's buffers.
    text::flush();
    progress::watch();
    let runtime = Runtime::start(options)
        .ok_or_else(|| NotStarted::Message("Init runtime environment failed.".to_owned()))?;
    api::bh_log_set_verbose_level(options.log_level);
    let _native_libs = native_libs::load(&runtime, &options.native_libs, options.log_level);
    let (file, args) = options.words.split_first().ok_or(NotStarted::Printed)?;
    let binary = Binary::read(&runtime, file).ok_or_else(|| {
        advice::unreadable(file);
        NotStarted::Printed
    })?;
    let module = Module::load(&binary).map_err(|message| {
        print(&format!("{message}\n"));
        advice::refused(file, binary.bytes());
        NotStarted::Printed
    })?;
    // An image is opened, checked and compared with the module when the instance is made from it.
    let guest = Guest::instantiate(&module, options).map_err(|message| match image {
        Some(_) => NotStarted::Checkpoint(message),
        None => {
            print(&format!("{message}\n"));
            advice::surroundings(&message, options);
            NotStarted::Printed
        }
    })?;
    if let Some(image) = image {
        advice::restored(&image, options);
    }
    let watchdog = options.timeout.map(|after| guest.time_out(after)).transpose();
    let watchdog = watchdog.map_err(|_| "Failed to start timeout".to_owned())?;
    match &options.function {
        _ if options.repl => repl::run(&guest),
        Some(function) => guest.call(function, args),
        None => guest.run(&options.words),
    }
    if let Some(after) = options.timeout
        && watchdog.is_some_and(|watchdog| watchdog.has_stopped_it())
    {
        advice::time_was_up(after);
    }
    // A process can tell only the low eight bits.
    Ok(guest.exit_status() as u8)
}
