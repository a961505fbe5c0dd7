//! `wamrc`: compiles WebAssembly modules ahead of time, with the command line of WAMR's program of this name.
//!
//! What it prints goes to standard output, errors included, as scripts written for WAMR's expect; only the progress bar, and
//! what is the matter with a file, go to standard error.

mod args;
mod job;
mod output;
mod text;

use std::process::ExitCode;

use crate::args::{Command, Refusal};

/// Exit status if what was asked for was not done.
const FAILED: u8 = 1;

/// Exit status if the output would replace the input: WAMR's -1.
const SAME_FILE: u8 = 255;

fn main() -> ExitCode {
    // SAFETY: nothing else runs yet. Rust's startup code ignores the signal; programs in C end by it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let command = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(Refusal::Empty) => {
            print!("{}", text::HELP);
            return ExitCode::from(FAILED);
        }
        Err(Refusal::Usage(what)) => {
            print!("wamrc: {what}\n{}Try `wamrc --help`.\n", text::usage_line());
            return ExitCode::from(FAILED);
        }
        Err(Refusal::Message(message)) => {
            println!("{message}");
            return ExitCode::from(FAILED);
        }
        Err(Refusal::MessageAndHelp(message)) => {
            print!("{message}\n{}", text::HELP);
            return ExitCode::from(FAILED);
        }
    };
    match command {
        Command::Help => print!("{}", text::HELP),
        Command::Version => print!("{}", text::version()),
        Command::LlvmVersion => println!("LLVM {}", wayfarer_compiler::llvm_version()),
        // WAMR's program does not count a list as success.
        Command::List(list) => {
            match text::list(&list) {
                Ok(text) => print!("{text}"),
                Err(message) => println!("{message}"),
            }
            return ExitCode::from(FAILED);
        }
        Command::Compile(job) => {
            if output::is_same_file(&job.input, &job.output) {
                println!("Error: input file and output file are the same");
                return ExitCode::from(SAME_FILE);
            }
            match job::run(&job) {
                Ok(files) => files.iter().for_each(|f| {
                    println!("Compile success, file {} was generated.", f.display());
                }),
                Err(failure) => {
                    println!("{}", failure.message);
                    if let Some(advice) = failure.advice {
                        eprintln!("wamrc: {advice}");
                    }
                    return ExitCode::from(FAILED);
                }
            }
        }
    }
    ExitCode::SUCCESS
}
