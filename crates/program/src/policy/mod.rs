//! When a program is checkpointed, where the image goes, what it is restored from: the settings that `iwasm` takes as
//! flags and every other host takes from its environment.
//!
//! Nothing here acts on them, or looks at more than their text.

mod values;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use wayfarer_wasi::{ByPrefix, FileChoice, FilePolicy, UnknownWord};

use super::group::{DEFAULT_LIMIT, GroupSettings};
use values::{in_text, parse_group, parse_mode, parse_point, parse_then, path, path_of_image};

pub use values::{is_image_mode, parse_duration, parse_signal, signal_name};

/// Signal that asks for a checkpoint if none is named. Not SIGUSR1: WAMR hosts expect that one to wake blocked calls.
pub const DEFAULT_SIGNAL: i32 = libc::SIGUSR2;

/// Exit status of a program that was checkpointed and told to end then.
pub const EXIT_CHECKPOINTED: i32 = 86;

/// When to take checkpoints, and where to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The file that each image goes to, replacing the one before.
    pub path: PathBuf,
    /// Number of the signal that asks for a checkpoint.
    pub signal: i32,
    /// Take one at this stable point, counted from 1.
    pub at: Option<u64>,
    /// Take one each time this has passed.
    pub every: Option<Duration>,
    /// What to do after a checkpoint.
    pub then: Then,
    /// Others that are checkpointed with it.
    pub group: Option<GroupSettings>,
    /// How long they are waited for.
    pub group_limit: Duration,
}

impl Policy {
    /// Checkpoints to `path` when [`DEFAULT_SIGNAL`] arrives, and goes on.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Policy {
            path: path.into(),
            signal: DEFAULT_SIGNAL,
            at: None,
            every: None,
            then: Then::Continue,
            group: None,
            group_limit: DEFAULT_LIMIT,
        }
    }
}

/// What a program does after a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Then {
    /// It goes on.
    #[default]
    Continue,
    /// Its process ends with status [`EXIT_CHECKPOINTED`].
    Exit,
}

/// One of the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Path of the image to write.
    Checkpoint,
    /// Signal that asks for a checkpoint.
    Signal,
    /// Stable point to take a checkpoint at.
    At,
    /// Time between checkpoints.
    Every,
    /// What to do after one.
    Then,
    /// Folder and size of the group that it is checkpointed with.
    Group,
    /// How long the others of the group are waited for.
    GroupLimit,
    /// Path of the image to restore.
    Restore,
    /// What files that the program has open must be like when it is restored.
    Files,
    /// Permissions of images.
    Mode,
    /// How long a thread is waited for that does not come to a stable point.
    StopLimit,
    /// Path of the file that WASI calls are logged in.
    Record,
    /// What images hold of open files.
    Carried,
}

impl Setting {
    /// All settings, in the order they are checked in.
    pub const ALL: [Setting; 13] = [
        Setting::Checkpoint,
        Setting::Signal,
        Setting::At,
        Setting::Every,
        Setting::Then,
        Setting::Group,
        Setting::GroupLimit,
        Setting::Restore,
        Setting::Files,
        Setting::Mode,
        Setting::StopLimit,
        Setting::Record,
        Setting::Carried,
    ];

    /// Name of its environment variable.
    pub fn variable(self) -> &'static str {
        match self {
            Setting::Checkpoint => "WAYFARER_CHECKPOINT",
            Setting::Signal => "WAYFARER_CHECKPOINT_SIGNAL",
            Setting::At => "WAYFARER_CHECKPOINT_AT",
            Setting::Every => "WAYFARER_CHECKPOINT_EVERY",
            Setting::Then => "WAYFARER_CHECKPOINT_THEN",
            Setting::Group => "WAYFARER_CHECKPOINT_GROUP",
            Setting::GroupLimit => "WAYFARER_GROUP_LIMIT",
            Setting::Restore => "WAYFARER_RESTORE",
            Setting::Files => "WAYFARER_RESTORE_FILES",
            Setting::Mode => "WAYFARER_IMAGE_MODE",
            Setting::StopLimit => "WAYFARER_STOP_LIMIT",
            Setting::Record => "WAYFARER_RECORD",
            Setting::Carried => "WAYFARER_CHECKPOINT_FILES",
        }
    }

    /// Name of its command line flag.
    pub fn flag(self) -> &'static str {
        match self {
            Setting::Checkpoint => "--checkpoint",
            Setting::Signal => "--checkpoint-signal",
            Setting::At => "--checkpoint-at",
            Setting::Every => "--checkpoint-every",
            Setting::Then => "--checkpoint-then",
            Setting::Group => "--checkpoint-group",
            Setting::GroupLimit => "--group-limit",
            Setting::Restore => "--restore",
            Setting::Files => "--restore-files",
            Setting::Mode => "--checkpoint-mode",
            Setting::StopLimit => "--stop-limit",
            Setting::Record => "--record",
            Setting::Carried => "--checkpoint-files",
        }
    }

    /// Whether it is made for one path after the other.
    fn is_list(self) -> bool {
        matches!(self, Setting::Files | Setting::Carried)
    }
}

/// Where a setting was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Flag,
    Environment,
}

/// A setting's text, and where it was made. A list has several; those of a variable are separated by commas.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Given {
    place: Place,
    value: OsString,
}

/// The settings as they were given, not yet looked at. A flag wins over the environment variable of the same setting.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    given: [Vec<Given>; Setting::ALL.len()],
}

/// What the settings say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resolved {
    /// When to take checkpoints, if at all.
    pub policy: Option<Policy>,
    /// The image to go on from, if any.
    pub restore: Option<PathBuf>,
    /// What a restore does about files that the program has open and that are not what they were.
    pub restore_files: ByPrefix<FileChoice>,
    /// What images hold of files that are open.
    pub checkpoint_files: ByPrefix<FilePolicy>,
    /// Whether the host may look at the guest between its calls: hosts that know nothing of checkpoints may.
    pub observed: bool,
    /// Permissions of images, also of those that the host asks for itself. `None`: their owner may read and write them.
    pub image_mode: Option<u32>,
    /// How long a thread is waited for that does not come to a stable point, unless the host says so itself.
    pub stop_limit: Option<Duration>,
    /// The file that WASI calls are logged in, if they are.
    pub record: Option<PathBuf>,
}

/// A setting that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingError {
    /// Flag or environment variable, as its user knows it.
    pub name: &'static str,
    /// Its value, bytes that are no UTF-8 replaced.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}: {}", self.name, self.value, self.why)
    }
}

impl std::error::Error for SettingError {}

impl Settings {
    /// What the environment of this process says. One with more rights than its user has does not look: files are written
    /// with them.
    pub fn from_env() -> Self {
        // SAFETY: plain numbers.
        if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
            return Settings::default();
        }
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// What an environment says. A variable with an empty value counts as not set.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut settings = Settings::default();
        for setting in Setting::ALL {
            if let Some(value) = lookup(setting.variable()).filter(|v| !v.is_empty()) {
                let values: Vec<&[u8]> = match setting.is_list() {
                    true => value.as_bytes().split(|byte| *byte == b',').collect(),
                    false => vec![value.as_bytes()],
                };
                let given = values.into_iter().map(|value| Given {
                    place: Place::Environment,
                    value: OsStr::from_bytes(value).to_owned(),
                });
                settings.given[setting as usize] = given.collect();
            }
        }
        settings
    }

    /// Takes a command line word of the form `--flag=value`. False if it is none of these flags.
    pub fn take_flag(&mut self, word: &OsStr) -> bool {
        let bytes = word.as_bytes();
        let Some(equals) = bytes.iter().position(|&b| b == b'=') else { return false };
        let (flag, value) = (&bytes[..equals], &bytes[equals + 1..]);
        let Some(setting) = Setting::ALL.into_iter().find(|s| s.flag().as_bytes() == flag) else {
            return false;
        };
        let value = OsStr::from_bytes(value).to_owned();
        let given = &mut self.given[setting as usize];
        if !setting.is_list() || given.first().is_some_and(|given| given.place != Place::Flag) {
            given.clear();
        }
        given.push(Given { place: Place::Flag, value });
        true
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.given.iter().all(Vec::is_empty)
    }

    /// Makes sense of the settings.
    ///
    /// # Errors
    /// The first one that is wrong, or that is of no use because there is no path to checkpoint to.
    pub fn resolve(&self) -> Result<Resolved, SettingError> {
        let record = self.parse(Setting::Record, path)?;
        let path = self.parse(Setting::Checkpoint, path)?;
        let signal = self.parse(Setting::Signal, in_text(parse_signal))?;
        let at = self.parse(Setting::At, in_text(parse_point))?;
        let every = self.parse(Setting::Every, in_text(parse_duration))?;
        let then = self.parse(Setting::Then, in_text(parse_then))?;
        let group = self.parse(Setting::Group, parse_group)?;
        let group_limit = self.parse(Setting::GroupLimit, in_text(parse_duration))?;
        let restore = self.parse(Setting::Restore, path_of_image)?;
        let restore_files = self.parse_list(Setting::Files)?;
        let checkpoint_files = self.parse_list(Setting::Carried)?;
        let image_mode = self.parse(Setting::Mode, in_text(parse_mode))?;
        let stop_limit = self.parse(Setting::StopLimit, in_text(parse_duration))?;
        let is_of_no_use = |setting, without: &str, needed: Setting| {
            self.parse(setting, |_| -> Result<(), String> {
                Err(format!("needs {without}: set {} or {}", needed.flag(), needed.variable()))
            })
        };
        if restore.is_none() {
            is_of_no_use(Setting::Files, "an image to restore", Setting::Restore)?;
        }
        if path.is_none() {
            let details = [Setting::Signal, Setting::At, Setting::Every, Setting::Then, Setting::Group];
            for setting in details.into_iter().chain([Setting::GroupLimit]) {
                is_of_no_use(setting, "a file to checkpoint to", Setting::Checkpoint)?;
            }
        }
        let policy = path.map(|path| Policy {
            path,
            signal: signal.unwrap_or(DEFAULT_SIGNAL),
            at,
            every,
            then: then.unwrap_or_default(),
            group,
            group_limit: group_limit.unwrap_or(DEFAULT_LIMIT),
        });
        Ok(Resolved {
            policy,
            restore,
            restore_files,
            checkpoint_files,
            observed: false,
            image_mode,
            stop_limit,
            record,
        })
    }

    /// Makes sense of a setting, if it was made.
    pub(super) fn parse<T>(
        &self,
        setting: Setting,
        parse: impl FnOnce(&OsStr) -> Result<T, String>,
    ) -> Result<Option<T>, SettingError> {
        let Some(given) = self.given[setting as usize].last() else { return Ok(None) };
        parse(&given.value).map(Some).map_err(|why| given.error(setting, why))
    }

    /// Makes sense of a setting for one path after the other; the longest prefix of a path counts.
    fn parse_list<T>(&self, setting: Setting) -> Result<ByPrefix<T>, SettingError>
    where
        T: Copy + Default + std::str::FromStr<Err = UnknownWord>,
    {
        let mut list = ByPrefix::default();
        for given in &self.given[setting as usize] {
            list.add(&given.value).map_err(|why| given.error(setting, why.to_string()))?;
        }
        Ok(list)
    }
}

impl Given {
    /// What is wrong with it.
    fn error(&self, setting: Setting, why: String) -> SettingError {
        SettingError {
            name: match self.place {
                Place::Flag => setting.flag(),
                Place::Environment => setting.variable(),
            },
            value: self.value.to_string_lossy().into_owned(),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)], flags: &[&str]) -> Settings {
        let find =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        let mut settings = Settings::from_variables(find);
        for flag in flags {
            assert!(settings.take_flag(OsStr::new(flag)), "{flag}");
        }
        settings
    }

    fn error(variables: &[(&str, &str)], flags: &[&str]) -> String {
        settings(variables, flags).resolve().unwrap_err().to_string()
    }

    #[test]
    fn nothing_set() {
        assert!(settings(&[], &[]).is_empty());
        assert!(settings(&[("WAYFARER_CHECKPOINT", ""), ("WAYFARER_RESTORE", "")], &[]).is_empty());
        assert_eq!(Settings::default().resolve(), Ok(Resolved::default()));
    }

    #[test]
    fn a_path_alone_gives_the_defaults() {
        let resolved = settings(&[("WAYFARER_CHECKPOINT", "a.image")], &[]).resolve().unwrap();
        assert_eq!(resolved, Resolved { policy: Some(Policy::new("a.image")), ..Resolved::default() });
        let policy = resolved.policy.unwrap();
        assert_eq!((policy.signal, policy.then), (libc::SIGUSR2, Then::Continue));
    }

    #[test]
    fn everything_by_variables_and_by_flags() {
        let expected = Resolved {
            policy: Some(Policy {
                path: "dir/a.image".into(),
                signal: libc::SIGHUP,
                at: Some(12),
                every: Some(Duration::from_millis(1500)),
                then: Then::Exit,
                group: Some(GroupSettings { folder: "a:b".into(), size: 3 }),
                group_limit: Duration::from_millis(250),
            }),
            restore: Some("b.image".into()),
            ..Resolved::default()
        };
        let variables = [
            ("WAYFARER_CHECKPOINT", "dir/a.image"),
            ("WAYFARER_CHECKPOINT_SIGNAL", "HUP"),
            ("WAYFARER_CHECKPOINT_AT", "12"),
            ("WAYFARER_CHECKPOINT_EVERY", "1.5s"),
            ("WAYFARER_CHECKPOINT_THEN", "exit"),
            ("WAYFARER_CHECKPOINT_GROUP", "a:b:3"),
            ("WAYFARER_GROUP_LIMIT", "250ms"),
            ("WAYFARER_RESTORE", "b.image"),
        ];
        assert_eq!(settings(&variables, &[]).resolve().unwrap(), expected);
        let flags = [
            "--checkpoint=dir/a.image",
            "--checkpoint-signal=SIGHUP",
            "--checkpoint-at=12",
            "--checkpoint-every=1500ms",
            "--checkpoint-then=exit",
            "--checkpoint-group=a:b:3",
            "--group-limit=250ms",
            "--restore=b.image",
        ];
        assert_eq!(settings(&[], &flags).resolve().unwrap(), expected);
    }

    #[test]
    fn flags_win_one_by_one() {
        let variables =
            [("WAYFARER_CHECKPOINT", "a"), ("WAYFARER_CHECKPOINT_AT", "1"), ("WAYFARER_RESTORE", "c")];
        let resolved =
            settings(&variables, &["--checkpoint=b", "--restore=d", "--restore=e"]).resolve().unwrap();
        assert_eq!(resolved.policy, Some(Policy { at: Some(1), ..Policy::new("b") }));
        assert_eq!(resolved.restore, Some("e".into()), "the last one counts");
    }

    #[test]
    fn other_words_are_no_flags() {
        for word in
            ["--checkpoint", "--restore", "--checkpoint-=1", "--dir=.", "-checkpoint=a", "checkpoint=a", ""]
        {
            assert!(!Settings::default().take_flag(OsStr::new(word)), "{word}");
        }
    }

    #[test]
    fn errors_name_flag_or_variable_and_value() {
        let with_path = |flag| error(&[], &["--checkpoint=a", flag]);
        assert_eq!(with_path("--checkpoint-at=0"), "--checkpoint-at=0: stable points are counted from 1");
        assert_eq!(
            with_path("--checkpoint-then=stop"),
            "--checkpoint-then=stop: expected `continue` or `exit`"
        );
        for group in ["g", "g:", ":3", "g:0", "g:x", "g:2000", ""] {
            let flag = format!("--checkpoint-group={group}");
            let error = error(&[], &["--checkpoint=a", &flag]);
            assert!(error.contains("expected a folder and the number of members"), "{error}");
        }
        assert!(with_path("--checkpoint-at=-1").contains("expected the number"));
        assert!(with_path("--checkpoint-at=").contains("expected the number"));
        assert_eq!(error(&[], &["--restore="]), "--restore=: the name of a file is missing");
        assert_eq!(error(&[], &["--checkpoint=dir/"]), "--checkpoint=dir/: not the name of a file");
        assert_eq!(error(&[], &["--checkpoint=.."]), "--checkpoint=..: not the name of a file");
        let variables = [("WAYFARER_CHECKPOINT", "a"), ("WAYFARER_CHECKPOINT_EVERY", "soon")];
        assert_eq!(
            error(&variables, &[]),
            "WAYFARER_CHECKPOINT_EVERY=soon: expected a number and a unit, like 500ms, 10s, 2m or 1h"
        );
        assert!(with_path("--checkpoint-signal=KILL").contains("SIGKILL cannot"));
        let mut not_text = settings(&[], &["--checkpoint=a"]);
        assert!(not_text.take_flag(OsStr::from_bytes(b"--checkpoint-then=\xff")));
        assert_eq!(not_text.resolve().unwrap_err().to_string(), "--checkpoint-then=\u{fffd}: not UTF-8");
    }

    #[test]
    fn details_without_a_path_are_of_no_use() {
        let needs = "needs a file to checkpoint to: set --checkpoint or WAYFARER_CHECKPOINT";
        assert_eq!(
            error(&[("WAYFARER_CHECKPOINT_AT", "5")], &[]),
            format!("WAYFARER_CHECKPOINT_AT=5: {needs}")
        );
        for flag in [
            "--checkpoint-signal=USR1",
            "--checkpoint-at=1",
            "--checkpoint-every=1s",
            "--checkpoint-then=exit",
            "--checkpoint-group=g:3",
            "--group-limit=1s",
        ] {
            assert_eq!(error(&[("WAYFARER_RESTORE", "a")], &[flag]), format!("{flag}: {needs}"));
        }
    }

    #[test]
    fn image_modes() {
        let mode =
            |text: &str| settings(&[("WAYFARER_IMAGE_MODE", text)], &[]).resolve().map(|r| r.image_mode);
        for (text, expected) in [("0640", 0o640), ("644", 0o644), ("0400", 0o400), ("0777", 0o777)] {
            assert_eq!(mode(text), Ok(Some(expected)), "{text}");
        }
        for text in ["64", "0240", "1640", "00640", "0o640", "640x", "0689", "-640", "+640"] {
            let error = mode(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("WAYFARER_IMAGE_MODE={text}: expected permissions")),
                "{error}"
            );
        }
        let flags = ["--checkpoint=a", "--checkpoint-mode=0660"];
        let resolved = settings(&[("WAYFARER_IMAGE_MODE", "0640")], &flags).resolve().unwrap();
        assert_eq!(resolved.image_mode, Some(0o660));
    }

    #[test]
    fn the_stop_limit_needs_no_file() {
        let limit = |value| settings(&[("WAYFARER_STOP_LIMIT", value)], &[]).resolve().map(|r| r.stop_limit);
        assert_eq!(limit("50ms"), Ok(Some(Duration::from_millis(50))));
        let error = limit("soon").unwrap_err().to_string();
        assert!(error.starts_with("WAYFARER_STOP_LIMIT=soon: expected a number"), "{error}");
    }

    #[test]
    fn a_record_needs_no_other_setting() {
        let record = |value| settings(&[("WAYFARER_RECORD", value)], &[]).resolve().map(|r| r.record);
        assert_eq!(record("a.log"), Ok(Some("a.log".into())));
        let error = record("dir/").unwrap_err().to_string();
        assert_eq!(error, "WAYFARER_RECORD=dir/: not the name of a file");
        let both = settings(&[("WAYFARER_RECORD", "a")], &["--record=b"]).resolve().unwrap();
        assert_eq!((both.record, both.policy), (Some("b".into()), None));
    }

    #[test]
    fn files_are_for_one_prefix_after_the_other() {
        let variables = [("WAYFARER_CHECKPOINT_FILES", "carry:/data,ignore:/data/tmp")];
        let policies = |flags: &[&str]| {
            let resolved = settings(&variables, flags).resolve().unwrap();
            let set = resolved.checkpoint_files.iter();
            set.map(|(prefix, policy)| (String::from_utf8_lossy(prefix).into_owned(), policy))
                .collect::<Vec<_>>()
        };
        let set = |prefix: &str, policy| (prefix.to_owned(), policy);
        assert_eq!(policies(&[]), [set("/data", FilePolicy::Carry), set("/data/tmp", FilePolicy::Ignore)]);
        let flags = ["--checkpoint-files=reopen-hash", "--checkpoint-files=carry:/a,b"];
        let expected = [set("", FilePolicy::ReopenHash), set("/a,b", FilePolicy::Carry)];
        assert_eq!(policies(&flags), expected, "flags win over the variable");
        let text = error(&[("WAYFARER_CHECKPOINT_FILES", "carry,keep:/x")], &[]);
        let expected = "WAYFARER_CHECKPOINT_FILES=keep:/x: expected `reopen`, `reopen-hash`, `carry` or `ignore`, or one of these with `:PREFIX`";
        assert_eq!(text, expected);
        assert!(error(&[], &["--checkpoint-files="]).starts_with("--checkpoint-files=: expected `reopen`"));

        let flags = ["--restore=a", "--restore-files=truncate", "--restore-files=replace:/data"];
        let choices = settings(&[], &flags).resolve().unwrap().restore_files;
        let set: Vec<_> = choices.iter().collect();
        assert_eq!(set, [(&b""[..], FileChoice::Truncate), (&b"/data"[..], FileChoice::Replace)]);
        let text = error(&[], &["--restore=a", "--restore-files=any"]);
        assert!(
            text.starts_with("--restore-files=any: expected `same`, `changed`, `truncate` or `replace`"),
            "{text}"
        );
    }
}
