//! Signatures of native functions: `(iIfFr*~$)i`.
//!
//! | letter | Wasm type | the native function gets |
//! |---|---|---|
//! | `i` `I` `f` `F` | i32, i64, f32, f64 | the value |
//! | `r` | externref | the host object's pointer |
//! | `*` | i32 | a pointer into linear memory, one byte checked |
//! | `*~` | i32 i32 | such a pointer, and its length, which is how many bytes are checked |
//! | `$` | i32 | a pointer to a NUL-terminated string in linear memory |
//!
//! The result is one of `i` `I` `f` `F` `r`, or nothing.

use wayfarer_module::{FuncType, ValType};

/// What is done with a parameter before the native function gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Param {
    /// Passed as it is.
    Value,
    /// Address of one byte.
    Pointer,
    /// Address of as many bytes as the next parameter says.
    Buffer,
    /// Address of a string.
    Str,
}

/// Checks a signature against a function's type. `None` if they do not fit together.
pub fn parse(signature: &str, ty: &FuncType) -> Option<Box<[Param]>> {
    let (letters, result) = signature.strip_prefix('(')?.split_once(')')?;
    let letters = letters.as_bytes();
    if letters.len() != ty.params.len() {
        return None;
    }
    let mut params = Vec::with_capacity(letters.len());
    for (i, (&letter, &ty)) in letters.iter().zip(&ty.params).enumerate() {
        params.push(match (letter, ty) {
            (b'*', ValType::I32) if letters.get(i + 1) == Some(&b'~') => Param::Buffer,
            (b'*', ValType::I32) => Param::Pointer,
            (b'~', ValType::I32) if i > 0 && letters[i - 1] == b'*' => Param::Value,
            (b'$', ValType::I32) => Param::Str,
            (letter, ty) if letter_of(ty) == Some(letter) => Param::Value,
            _ => return None,
        });
    }
    // Of several results only the first has a letter.
    let result_fits = match (ty.results.first(), result.as_bytes()) {
        (None, []) => true,
        (Some(&ty), &[letter]) => letter_of(ty) == Some(letter),
        _ => false,
    };
    result_fits.then(|| params.into())
}

/// The parameters of a function without signature: nothing is converted.
pub fn unchecked(ty: &FuncType) -> Box<[Param]> {
    vec![Param::Value; ty.params.len()].into()
}

fn letter_of(ty: ValType) -> Option<u8> {
    match ty {
        ValType::I32 => Some(b'i'),
        ValType::I64 => Some(b'I'),
        ValType::F32 => Some(b'f'),
        ValType::F64 => Some(b'F'),
        ValType::ExternRef => Some(b'r'),
        ValType::V128 | ValType::FuncRef => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::{ExternRef, F32, F64, FuncRef, I32, I64, V128};

    fn parsed(signature: &str, params: &[ValType], results: &[ValType]) -> Option<Vec<Param>> {
        parse(signature, &FuncType { params: params.into(), results: results.into() }).map(Vec::from)
    }

    #[test]
    fn good_signatures() {
        use Param::{Buffer, Pointer, Str, Value};
        assert_eq!(parsed("()", &[], &[]), Some(vec![]));
        assert_eq!(
            parsed("(iIfFr)F", &[I32, I64, F32, F64, ExternRef], &[F64]),
            Some(vec![Value, Value, Value, Value, Value])
        );
        assert_eq!(parsed("(*~$*)i", &[I32; 4], &[I32]), Some(vec![Buffer, Value, Str, Pointer]));
        assert_eq!(parsed("(**~)", &[I32; 3], &[]), Some(vec![Pointer, Buffer, Value]));
        assert_eq!(parsed("()i", &[], &[I32, I64]), Some(vec![]), "only the first result counts");
    }

    #[test]
    fn bad_signatures() {
        for (signature, params, results) in [
            ("", &[][..], &[][..]),
            ("()v", &[], &[]),
            ("()i", &[], &[]),
            ("()", &[], &[I32]),
            ("()ii", &[], &[I32, I32]),
            ("()I", &[], &[I32]),
            ("(i)", &[], &[]),
            ("()", &[I32], &[]),
            ("(i)", &[I64], &[]),
            ("(I)", &[I32], &[]),
            ("(~)", &[I32], &[]),
            ("(i~)", &[I32, I32], &[]),
            ("(*~~)", &[I32, I32, I32], &[]),
            ("(*)", &[I64], &[]),
            ("($)", &[I64], &[]),
            ("(*~)", &[I32, I64], &[]),
            ("(i)i", &[V128], &[I32]),
            ("(r)", &[FuncRef], &[]),
            ("i)i", &[I32], &[I32]),
            ("(ii", &[I32, I32], &[]),
            ("(x)", &[I32], &[]),
        ] {
            assert_eq!(parsed(signature, params, results), None, "{signature} {params:?} {results:?}");
        }
    }
}
