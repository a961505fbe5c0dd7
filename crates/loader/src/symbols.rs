//! Which symbol of which object is which.

use crate::LoadError;
use crate::externals::External;
use crate::input::{Binding, Input, Place, Symbol};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// What a symbol turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Definition {
    /// A place in a section of an object.
    Section {
        object: usize,
        section: usize,
        offset: u64,
    },
    Absolute(u64),
    /// A function of the runtime.
    External(External),
    /// A place in a section that is not loaded.
    NotLoaded,
    /// Nothing defines it. That is an error only if it is used.
    Undefined,
}

/// Keeps the first copy of each group of sections that several objects have.
pub(crate) fn drop_second_copies(inputs: &mut [Input<'_>]) -> Result<(), LoadError> {
    let mut kept = HashSet::new();
    for (object, input) in inputs.iter_mut().enumerate() {
        for comdat in std::mem::take(&mut input.comdats) {
            if kept.insert(comdat.signature) {
                continue;
            }
            for member in comdat.members {
                let Some(section) = input.sections.get_mut(member) else {
                    let why = format!("a group has section {member}, which does not exist");
                    return Err(LoadError::Malformed { object, why });
                };
                section.part = None;
                section.relocations = &[];
            }
        }
    }
    Ok(())
}

fn place_of(input: &Input<'_>, object: usize, symbol: usize) -> Definition {
    let symbol = &input.symbols[symbol];
    match symbol.place {
        Place::Undefined => Definition::Undefined,
        Place::Absolute => Definition::Absolute(symbol.value),
        Place::Section(section) if input.sections[section].part.is_none() => Definition::NotLoaded,
        Place::Section(section) => Definition::Section { object, section, offset: symbol.value },
    }
}

/// The symbols that are not local, by name.
pub(crate) fn globals<'a>(inputs: &[Input<'a>]) -> Result<HashMap<&'a [u8], Definition>, LoadError> {
    // With the definition: whether it is weak, and its object.
    let mut found: HashMap<&[u8], (Definition, bool, usize)> = HashMap::new();
    for (object, input) in inputs.iter().enumerate() {
        for (index, symbol) in input.symbols.iter().enumerate() {
            let definition = place_of(input, object, index);
            let missing = matches!(definition, Definition::Undefined | Definition::NotLoaded);
            if symbol.binding == Binding::Local || missing {
                continue;
            }
            let weak = symbol.binding == Binding::Weak;
            match found.entry(symbol.name) {
                Entry::Vacant(entry) => {
                    entry.insert((definition, weak, object));
                }
                Entry::Occupied(_) if weak => {}
                Entry::Occupied(mut entry) => {
                    let (_, was_weak, first) = *entry.get();
                    if !was_weak {
                        let symbol = String::from_utf8_lossy(symbol.name).into_owned();
                        return Err(LoadError::Duplicate { symbol, first, second: object });
                    }
                    entry.insert((definition, weak, object));
                }
            }
        }
    }
    Ok(found.into_iter().map(|(name, (definition, ..))| (name, definition)).collect())
}

/// What each symbol of an object is.
pub(crate) fn definitions(
    input: &Input<'_>,
    object: usize,
    globals: &HashMap<&[u8], Definition>,
) -> Vec<Definition> {
    let define = |(index, symbol): (usize, &Symbol<'_>)| match symbol.binding {
        // Number 0 stands for no symbol.
        Binding::Local if index == 0 => Definition::Absolute(0),
        Binding::Local => place_of(input, object, index),
        _ => globals.get(symbol.name).copied().unwrap_or_else(|| match External::named(symbol.name) {
            Some(external) if symbol.place == Place::Undefined => Definition::External(external),
            _ => place_of(input, object, index),
        }),
    };
    input.symbols.iter().enumerate().map(define).collect()
}
