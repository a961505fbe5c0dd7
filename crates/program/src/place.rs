//! Whether an image can be written where the settings say. It is looked at before the program starts: the request for a
//! checkpoint may come hours later, and then it is too late to be told.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::policy::{Resolved, Setting, SettingError, Settings};

impl Settings {
    /// [`Settings::resolve`], and a look at the folder that images go to.
    ///
    /// # Errors
    /// The first setting that is wrong, or that no image could be written to.
    pub fn resolve_here(&self) -> Result<Resolved, SettingError> {
        let resolved = self.resolve()?;
        self.parse(Setting::Checkpoint, check)?;
        Ok(resolved)
    }
}

/// Whether a file could be put there, as far as can be known without doing it.
fn check(path: &OsStr) -> Result<(), String> {
    let path = Path::new(path);
    if path.is_dir() {
        return Err("it is a directory; the name of a file is needed".to_owned());
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let fail = |why: io::Error| {
        // Without the number that Rust puts behind it.
        let why = why.to_string();
        let why = why.split(" (os error").next().unwrap_or(&why);
        format!("no image can be written to the folder {}: {why}", folder.display())
    };
    // With a slash behind it, only a directory will do.
    let name = [folder.as_os_str().as_bytes(), b"/"].concat();
    let name = CString::new(name).map_err(|e| e.to_string())?;
    // SAFETY: a string; the rights looked at are those that files are opened with.
    match unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) }
    {
        0 => Ok(()),
        _ => Err(fail(io::Error::last_os_error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &Path) -> String {
        let mut settings = Settings::default();
        assert!(settings.take_flag(OsStr::new(&format!("--checkpoint={}", path.display()))));
        settings.resolve_here().map_or_else(|e| e.to_string(), |_| String::new())
    }

    #[test]
    fn folders_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(said(&at("image")), "");
        assert_eq!(said(Path::new("image")), "", "the working directory of tests");
        std::fs::write(at("file"), "").unwrap();
        assert_eq!(said(&at("file")), "", "it is replaced");
        let none = said(&at("none/image"));
        assert!(
            none.starts_with("--checkpoint=") && none.ends_with("/none: No such file or directory"),
            "{none}"
        );
        assert!(said(&at("file/image")).ends_with("/file: Not a directory"));
        assert!(said(folder.path()).contains("it is a directory"));
    }

    #[test]
    fn it_is_named_as_it_was_set() {
        let set = |name: &str| (name == "WAYFARER_CHECKPOINT").then(|| "/no/such/image".into());
        let error = Settings::from_variables(set).resolve_here().unwrap_err();
        assert_eq!(
            error.to_string(),
            "WAYFARER_CHECKPOINT=/no/such/image: no image can be written to the folder /no/such: \
             No such file or directory"
        );
        assert_eq!(Settings::default().resolve_here(), Ok(Resolved::default()));
    }
}
