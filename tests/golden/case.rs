//! A set of images, and what becomes of each when it is restored.

use crate::support::{Folder, Ran, run, run_with_input};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The images of one version, in a folder with their modules and a manifest.
pub(crate) struct Set {
    pub(crate) folder: PathBuf,
    pub(crate) cases: Vec<Case>,
}

/// An image, and what the program in it finds and does when it is restored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Name of its module.
    pub(crate) module: String,
    /// Options of iwasm beside that to restore.
    pub(crate) options: Vec<String>,
    /// Options of wamrc.
    pub(crate) wamrc: Vec<String>,
    /// Arguments behind the module: of the function that is called.
    pub(crate) args: Vec<String>,
    /// Files in the folder that it sees as `/data`, if it sees one.
    pub(crate) files: Option<Vec<Content>>,
    pub(crate) stdin: Input,
    /// What the restored program prints.
    pub(crate) stdout: String,
    pub(crate) status: i32,
    /// What the files hold afterwards.
    pub(crate) files_after: Vec<(String, String)>,
}

/// A file as it is to be: its time of modification is one of the things that it is known again by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) path: String,
    pub(crate) text: String,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
}

/// Standard input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Input {
    #[default]
    Nothing,
    /// A pipe with this.
    Pipe(String),
    /// A file.
    File(Content),
}

impl Set {
    pub(crate) fn read(folder: &Path) -> Set {
        let text = std::fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
        let manifest: Value = serde_json::from_str(&text).expect("a manifest");
        let cases = manifest.as_array().expect("a list").iter().map(Case::from_json).collect();
        Set { folder: folder.to_owned(), cases }
    }

    pub(crate) fn write(&self) {
        let cases: Vec<Value> = self.cases.iter().map(Case::to_json).collect();
        let text = serde_json::to_string_pretty(&cases).expect("a manifest") + "\n";
        std::fs::write(self.folder.join("manifest.json"), text).expect("the folder can be written to");
    }

    pub(crate) fn name(&self) -> String {
        self.folder.file_name().expect("a name").to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn image(&self, case: &Case) -> PathBuf {
        self.folder.join(format!("{}.image", case.name))
    }

    pub(crate) fn module(&self, case: &Case) -> PathBuf {
        self.folder.join(format!("{}.wasm", case.module))
    }
}

impl Case {
    /// Restores the image in a folder of its own, and compares what the program does with what it is to do.
    pub(crate) fn restore(
        &self,
        set: &Set,
        folder: &Folder,
        program: &Path,
        iwasm: fn(Vec<String>) -> Command,
    ) -> Result<(), String> {
        let restore = format!("--restore={}", set.image(self).display());
        self.prepare(folder);
        let ran = self.run(folder, vec![restore], program, iwasm);
        let same = (&ran.stdout, ran.status, ran.stderr.as_str()) == (&self.stdout, Some(self.status), "");
        if !same {
            return Err(format!("{ran:?}, to be {:?} and {}", self.stdout, self.status));
        }
        for (path, text) in &self.files_after {
            let found = std::fs::read_to_string(folder.at("data").join(path)).map_err(|e| e.to_string())?;
            if found != *text {
                return Err(format!("{path} holds {found:?}, to be {text:?}"));
            }
        }
        Ok(())
    }

    /// Makes the files.
    pub(crate) fn prepare(&self, folder: &Folder) {
        let data = folder.at("data");
        std::fs::create_dir_all(&data).expect("the folder can be written to");
        for file in self.files.iter().flatten() {
            file.put(&data);
        }
        if let Input::File(content) = &self.stdin {
            content.put(folder.path());
        }
    }

    /// Runs it with more options.
    pub(crate) fn run(
        &self,
        folder: &Folder,
        options: Vec<String>,
        program: &Path,
        iwasm: fn(Vec<String>) -> Command,
    ) -> Ran {
        let mut command = iwasm(self.command_line(folder, options, program));
        match &self.stdin {
            Input::Nothing => run(command),
            Input::Pipe(text) => run_with_input(command, text),
            Input::File(content) => {
                let file = File::open(folder.at(&content.path)).expect("it was made");
                command.stdin(Stdio::from(file));
                run(command)
            }
        }
    }

    pub(crate) fn command_line(&self, folder: &Folder, mut args: Vec<String>, program: &Path) -> Vec<String> {
        args.extend(self.options.iter().cloned());
        if self.files.is_some() {
            args.push(format!("--map-dir=/data::{}", folder.at("data").display()));
        }
        args.push(program.to_str().expect("UTF-8").to_owned());
        args.extend(self.args.iter().cloned());
        args
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "module": self.module,
            "options": self.options,
            "wamrc": self.wamrc,
            "args": self.args,
            "files": self.files.as_ref().map(|files| files.iter().map(Content::to_json).collect::<Vec<_>>()),
            "stdin": match &self.stdin {
                Input::Nothing => Value::Null,
                Input::Pipe(text) => json!(text),
                Input::File(content) => content.to_json(),
            },
            "stdout": self.stdout,
            "status": self.status,
            "files_after": self.files_after,
        })
    }

    fn from_json(json: &Value) -> Case {
        Case {
            name: string(&json["name"]),
            module: string(&json["module"]),
            options: strings(&json["options"]),
            wamrc: strings(&json["wamrc"]),
            args: strings(&json["args"]),
            files: json["files"].as_array().map(|files| files.iter().map(Content::from_json).collect()),
            stdin: match &json["stdin"] {
                Value::Null => Input::Nothing,
                Value::String(text) => Input::Pipe(text.clone()),
                file => Input::File(Content::from_json(file)),
            },
            stdout: string(&json["stdout"]),
            status: json["status"].as_i64().expect("a status") as i32,
            files_after: serde_json::from_value(json["files_after"].clone()).expect("paths with texts"),
        }
    }
}

impl Content {
    fn put(&self, folder: &Path) {
        let path = folder.join(&self.path);
        std::fs::create_dir_all(path.parent().expect("of the folder")).expect("it can be written to");
        std::fs::write(&path, &self.text).expect("it can be written to");
        let file = File::options().write(true).open(&path).expect("it was made");
        file.set_modified(UNIX_EPOCH + Duration::from_nanos(self.modified)).expect("the time can be set");
    }

    /// A file as it is.
    pub(crate) fn of(folder: &Path, path: &str) -> Content {
        let full = folder.join(path);
        let modified = std::fs::metadata(&full).and_then(|m| m.modified()).expect("it has a time");
        Content {
            path: path.to_owned(),
            text: std::fs::read_to_string(&full).expect("a text"),
            modified: nanoseconds(modified),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "path": self.path, "text": self.text, "modified": self.modified })
    }

    fn from_json(json: &Value) -> Content {
        Content {
            path: string(&json["path"]),
            text: string(&json["text"]),
            modified: json["modified"].as_u64().expect("a time"),
        }
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64
}

fn string(json: &Value) -> String {
    json.as_str().expect("a text").to_owned()
}

fn strings(json: &Value) -> Vec<String> {
    json.as_array().expect("a list").iter().map(string).collect()
}
