//! `--repl`: functions and arguments from standard input.

use std::ffi::CString;
use std::io::BufRead;

use crate::guest::Guest;
use crate::text::{flush, print};

/// Ends it.
const END: &[u8] = b"__exit__";

/// Calls what is asked for, until the input or the user ends it.
pub(crate) fn run(guest: &Guest) {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        print("webassembly> ");
        flush();
        line.clear();
        if input.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if line == END {
                print("exit repl mode\n");
                return;
            }
            if let Some((function, args)) = split(line).split_first() {
                guest.call(function, args);
            }
        } else {
            return;
        }
    }
}

/// Words, separated by spaces. A backslash in the function's name stands for a space.
fn split(line: &[u8]) -> Vec<CString> {
    let words = line.split(|&b| b == b' ').filter(|w| !w.is_empty()).enumerate();
    words
        .filter_map(|(index, word)| {
            let byte = |&b: &u8| if index == 0 && b == b'\\' { b' ' } else { b };
            // No function has a name with a NUL in it.
            CString::new(word.iter().map(byte).collect::<Vec<_>>()).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_line() {
        assert_eq!(split(b"add 1  2"), [c"add".to_owned(), c"1".to_owned(), c"2".to_owned()]);
        assert_eq!(split(br"a\ name 1\2"), [c"a ".to_owned(), c"name".to_owned(), c"1\\2".to_owned()]);
        assert_eq!(split(br"two\words"), [c"two words".to_owned()]);
        assert!(split(b"  ").is_empty());
    }
}
