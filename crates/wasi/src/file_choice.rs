//! What images hold of a guest's open files, and what a restore does about files that are not what they were: by path.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

/// What an image holds of an open file, and so how a restore comes by it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FilePolicy {
    /// Its path, and what it is known again by: size and time of modification, or what
    /// [`SavePolicy::identity`](crate::SavePolicy::identity) says.
    #[default]
    Reopen,
    /// As [`Self::Reopen`], with the SHA-256 of its content in place of the time.
    ReopenHash,
    /// All of its bytes as well: a restore makes it where it is not there.
    Carry,
    /// Its path only: whatever is there is opened.
    Ignore,
}

/// What a restore does about a file that is not what it was.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FileChoice {
    /// It is refused.
    #[default]
    Same,
    /// Whatever is there is opened. Right for a program that went on after the checkpoint and is now taken back to it: it writes the
    /// same again, over what it had written.
    Changed,
    /// One that has grown is cut off at the size that it had; all else is refused.
    Truncate,
    /// One that the image carries takes its place; all else is refused.
    Replace,
}

/// Words for values, in the order of their numbers.
trait Words: Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
    /// For messages.
    const EXPECTED: &'static str;
}

impl Words for FilePolicy {
    const ALL: &'static [(&'static str, Self)] = &[
        ("reopen", FilePolicy::Reopen),
        ("reopen-hash", FilePolicy::ReopenHash),
        ("carry", FilePolicy::Carry),
        ("ignore", FilePolicy::Ignore),
    ];
    const EXPECTED: &'static str =
        "`reopen`, `reopen-hash`, `carry` or `ignore`, or one of these with `:PREFIX`";
}

impl Words for FileChoice {
    const ALL: &'static [(&'static str, Self)] = &[
        ("same", FileChoice::Same),
        ("changed", FileChoice::Changed),
        ("truncate", FileChoice::Truncate),
        ("replace", FileChoice::Replace),
    ];
    const EXPECTED: &'static str =
        "`same`, `changed`, `truncate` or `replace`, or one of these with `:PREFIX`";
}

/// A word that says nothing here. Displays as what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownWord(&'static str);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for UnknownWord {}

fn parse<T: Words>(word: &str) -> Result<T, UnknownWord> {
    let found = T::ALL.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or(UnknownWord(T::EXPECTED))
}

impl FromStr for FilePolicy {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        parse(word)
    }
}

impl FromStr for FileChoice {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        parse(word)
    }
}

impl FilePolicy {
    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL[self.number() as usize].0
    }

    /// Its number in images.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// That of the number.
    pub(crate) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(_, policy)| *policy)
    }
}

/// A value for each path: that of the longest prefix which it begins with, by whole names. Paths are those of guests: the name of a
/// preopened directory, and the path from there.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ByPrefix<T> {
    /// No two prefixes are alike.
    set: Vec<(Vec<u8>, T)>,
}

/// One for all paths.
impl<T> From<T> for ByPrefix<T> {
    fn from(value: T) -> Self {
        ByPrefix { set: vec![(Vec::new(), value)] }
    }
}

impl<T: Copy + Default> ByPrefix<T> {
    /// Sets it for paths that begin so; the empty prefix is that of all paths. The last one counts for a prefix.
    pub fn set(&mut self, prefix: &[u8], value: T) -> &mut Self {
        self.set.retain(|(other, _)| names(other) != names(prefix));
        self.set.push((prefix.to_vec(), value));
        self
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// What was set, in that order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], T)> {
        self.set.iter().map(|(prefix, value)| (&prefix[..], *value))
    }

    /// That of a path below a preopened directory of this name.
    pub(crate) fn of(&self, preopen: &[u8], path: &[u8]) -> T {
        if self.set.is_empty() {
            return T::default();
        }
        let mut full = preopen.to_vec();
        full.push(b'/');
        full.extend_from_slice(path);
        let full = names(&full);
        let prefixes = self.set.iter().map(|(prefix, value)| (names(prefix), value));
        let found =
            prefixes.filter(|(prefix, _)| full.starts_with(prefix)).max_by_key(|(prefix, _)| prefix.len());
        found.map(|(_, value)| *value).unwrap_or_default()
    }
}

impl<T: Copy + Default + FromStr<Err = UnknownWord>> ByPrefix<T> {
    /// Sets what a text says: a word, or `WORD:PREFIX`.
    ///
    /// # Errors
    /// It is no such word.
    pub fn add(&mut self, text: &OsStr) -> Result<&mut Self, UnknownWord> {
        let bytes = text.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
        let value = String::from_utf8_lossy(&bytes[..colon]).parse()?;
        Ok(self.set(bytes.get(colon + 1..).unwrap_or_default(), value))
    }
}

/// The names in a path, `/` first if it begins there. `..` takes one away, as if there were no links: this is about what somebody has
/// written, not about what may be reached.
fn names(path: &[u8]) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = Vec::new();
    if path.first() == Some(&b'/') {
        names.push(b"/");
    }
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.last().is_some_and(|last| *last != b"/" && *last != b"..") => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_prefix(texts: &[&str]) -> ByPrefix<FilePolicy> {
        let mut all = ByPrefix::default();
        for text in texts {
            all.add(OsStr::new(text)).unwrap();
        }
        all
    }

    #[test]
    fn the_longest_prefix_wins_by_whole_names() {
        use FilePolicy::{Carry, Ignore, Reopen, ReopenHash};
        let all =
            by_prefix(&["carry:/data", "ignore:/data/tmp/", "reopen-hash:/data/tmp/keep", "carry:here"]);
        for (preopen, path, expected) in [
            ("/data", "f", Carry),
            ("/data", "tmp", Ignore),
            ("/data", "tmp/f", Ignore),
            ("/data", "./tmp//x/../f", Ignore),
            ("/data", "tmp/keep/f", ReopenHash),
            ("/data", "tmpfile", Carry),
            ("/", "data/f", Carry),
            ("/database", "f", Reopen),
            ("data", "f", Reopen),
            (".", "here/f", Carry),
            (".", "there/f", Reopen),
            ("/data", "../etc", Reopen),
        ] {
            assert_eq!(all.of(preopen.as_bytes(), path.as_bytes()), expected, "{preopen} {path}");
        }
        let all = by_prefix(&["ignore", "carry:/x", "reopen", "reopen:/x/"]);
        assert_eq!(all.iter().count(), 2, "the last one counts");
        assert_eq!(all.of(b"/x", b"f"), Reopen);
        assert_eq!(ByPrefix::from(Carry).of(b"anything", b"f"), Carry);
        assert_eq!(by_prefix(&["carry:/"]).of(b"/x", b"f"), Carry);
        assert_eq!(by_prefix(&["carry:/"]).of(b"x", b"f"), Reopen);
    }

    #[test]
    fn words_are_policies_and_others_are_refused_with_a_list_of_them() {
        for (number, (word, policy)) in (0..).zip(FilePolicy::ALL) {
            assert_eq!((word.parse(), policy.name(), policy.number()), (Ok(*policy), *word, number));
            assert_eq!(FilePolicy::numbered(number), Some(*policy));
        }
        assert_eq!(FilePolicy::numbered(4), None);
        for (word, choice) in FileChoice::ALL {
            assert_eq!(word.parse(), Ok(*choice));
        }
        let error = ByPrefix::<FilePolicy>::default().add(OsStr::new("take:/x")).unwrap_err().to_string();
        assert_eq!(
            error,
            "expected `reopen`, `reopen-hash`, `carry` or `ignore`, or one of these with `:PREFIX`"
        );
        assert!("".parse::<FileChoice>().unwrap_err().to_string().starts_with("expected `same`"));
    }
}
