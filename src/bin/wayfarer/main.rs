//! `wayfarer`: looks at images, modules and records of calls, and asks running programs for an image.

mod args;
mod disasm;
mod log;
mod request;

use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use wayfarer_program::WaitGraph;
use wayfarer_snapshot::{Image, RenderOptions, describe, render};

use crate::args::{Command, Inspect};

/// Exit status if the image is bad, or what was asked for could not be done.
const FAILED: u8 = 1;

/// Exit status if something is wrong with the command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("wayfarer: {message}\nTry `wayfarer --help`.");
            return ExitCode::from(USAGE);
        }
    };
    let printed = match command {
        Command::Help => Ok(args::HELP.to_owned()),
        Command::Version => Ok(format!("wayfarer {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Inspect(inspect) => match self::inspect(&inspect) {
            Ok(None) => return ExitCode::SUCCESS,
            Ok(Some(text)) => Ok(text),
            Err(message) => Err(message),
        },
        Command::Verify(path) => verify(&path),
        Command::Log(log) => log::run(&log).map(|()| String::new()),
        Command::Disasm(disasm) => disasm::run(&disasm).map(|()| String::new()),
        Command::Request(request) => request::run(&request),
    };
    match printed.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("wayfarer: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Prints to standard output. Readers that stop reading, like `head`, are no error.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {e}")),
        _ => Ok(()),
    }
}

/// Text to print; `None` if it was printed already, as it was made.
fn inspect(inspect: &Inspect) -> Result<Option<String>, String> {
    let image = Image::open(&inspect.path).map_err(|e| e.to_string())?;
    let graph = WaitGraph::of(image.program()).map_err(|e| format!("{}: {e}", inspect.path.display()));
    if inspect.dot {
        return Ok(Some(graph?.unwrap_or_default().dot()));
    }
    // What cannot be read here is shown as all others see it.
    let graph = graph.unwrap_or_default();
    let mut description = describe(&image, &wayfarer_program::describe);
    let described = description.host.iter_mut();
    let described = described.filter_map(|section| Some((&*section.name, section.content.as_mut()?)));
    wayfarer_program::describe_together(&mut described.collect::<Vec<_>>());
    if !inspect.json {
        let waits = graph.map_or(String::new(), |graph| graph.text());
        return Ok(Some(render(&description, &RenderOptions::default()) + &waits));
    }
    description.wait_graph = graph.and_then(|graph| serde_json::to_value(graph).ok());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, &description).map_err(std::io::Error::from);
    match written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {e}")),
        _ => Ok(None),
    }
}

fn verify(path: &std::path::Path) -> Result<String, String> {
    let report = wayfarer_snapshot::verify(path).map_err(|e| e.to_string())?;
    let files = match report.file_chunks {
        0 => String::new(),
        chunks => format!(", {} bytes of files in {chunks} chunks", report.file_len),
    };
    Ok(format!(
        "{}: sound: {} bytes, {} sections, {} bytes of memory in {} chunks{files}\n",
        path.display(),
        report.image_len,
        report.sections,
        report.stored_len,
        report.chunks
    ))
}
