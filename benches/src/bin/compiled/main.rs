//! What compiled code is worth: its speed with what makes it stoppable, beside the same without that, beside native code
//! and beside wasmtime; how much larger it gets; how soon it stops, and how soon it is fast again after a restore; what
//! calls, compilation and captures cost. Each against a goal, where there is one.

mod calls;
mod goal;
mod guest;
mod options;
mod python;
mod recursion;
mod resume;
mod size;
mod speed;
mod stop;

use options::{Options, Question};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use wayfarer_bench::Error;
use wayfarer_bench::engines::wayfarer::compiled::{ANNOUNCE, DUMP};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match &args[..] {
        [word, file, kind, threads] if word == "--compile" => python::compile(file.as_ref(), kind, threads),
        _ => Options::from_args(args.into_iter()).and_then(|options| run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compiled: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    ANNOUNCE.store(options.perf, Ordering::Relaxed);
    if let Some(directory) = &options.dump {
        let _ = DUMP.set(directory.clone());
    }
    for &question in &options.questions {
        match question {
            Question::Speed => speed::run(options)?,
            Question::Size => size::run(options)?,
            Question::Stop => stop::run(options)?,
            Question::Resume => resume::run(options)?,
            Question::Calls => calls::run()?,
            Question::Recursion => recursion::run(options)?,
            Question::Python => python::run()?,
        }
    }
    Ok(())
}
