//! Objects that are damaged or lie: they load or give an error, and the unwinder lives with what was loaded.

mod common;

use common::compile;
use std::ffi::c_void;
use wayfarer_loader::{Code, LoadError, Machine};

unsafe extern "C" {
    /// Of libgcc: looks for a function's entry in all tables, sorting new ones first.
    fn _Unwind_Find_FDE(pc: *const c_void, bases: *mut [usize; 3]) -> *const c_void;
}

/// What came of many loads.
#[derive(Default, Debug)]
struct Tally {
    loaded: usize,
    malformed: usize,
    unsupported: usize,
    relocation: usize,
    unwind: usize,
    other: usize,
}

impl Tally {
    fn load(&mut self, machine: Machine, objects: &[&[u8]]) {
        let place = match Code::load_for(machine, objects) {
            Ok(code) => {
                // The unwinder reads the tables now.
                for f in code.symbols().take(3) {
                    // SAFETY: looks up an address.
                    unsafe { _Unwind_Find_FDE(f.address as *const c_void, &mut [0; 3]) };
                }
                &mut self.loaded
            }
            Err(e) => {
                assert!(!e.to_string().is_empty());
                match e {
                    LoadError::Malformed { .. } => &mut self.malformed,
                    LoadError::Unsupported { .. } => &mut self.unsupported,
                    LoadError::Relocation { .. } => &mut self.relocation,
                    LoadError::Unwind { .. } => &mut self.unwind,
                    _ => &mut self.other,
                }
            }
        };
        *place += 1;
    }
}

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn objects(machine: Machine) -> Vec<Vec<u8>> {
    let mut objects = vec![
        compile(machine, "pads.ll", &[]),
        compile(machine, "more_pads.ll", &[]),
        compile(machine, "other.c", &[]),
    ];
    objects.push(compile(machine, "calls.c", &["-ffunction-sections"]));
    objects
}

/// Loads with each object changed by `change` in turn.
fn each(
    machine: Machine,
    tally: &mut Tally,
    mut change: impl FnMut(&mut Tally, &mut dyn FnMut(&mut Tally, &[u8]), &[u8]),
) {
    let objects = objects(machine);
    for changed in 0..objects.len() {
        let mut load = |tally: &mut Tally, bytes: &[u8]| {
            let mut slices: Vec<&[u8]> = objects.iter().map(|o| &o[..]).collect();
            slices[changed] = bytes;
            tally.load(machine, &slices);
        };
        change(tally, &mut load, &objects[changed]);
    }
}

#[test]
fn truncations() {
    for machine in Machine::ALL {
        let mut tally = Tally::default();
        each(machine, &mut tally, |tally, load, object| {
            for len in (0..object.len()).step_by(7) {
                load(tally, &object[..len]);
            }
        });
        println!("{machine}: {tally:?}");
        assert_eq!(tally.loaded, 0, "section headers come last");
    }
}

#[test]
fn flipped_bits() {
    for machine in Machine::ALL {
        let mut tally = Tally::default();
        let mut random = Random(0x5eed);
        each(machine, &mut tally, |tally, load, object| {
            for at in 0..object.len() {
                let mut flipped = object.to_vec();
                flipped[at] ^= 1 << (random.next() % 8);
                load(tally, &flipped);
            }
        });
        println!("{machine}: {tally:?}");
        // All kinds occur, or this has not looked everywhere.
        let Tally { loaded, malformed, unsupported, relocation, unwind, other } = tally;
        for count in [loaded, malformed, unsupported, relocation, unwind, other] {
            assert!(count > 10, "{machine}: {tally:?}");
        }
    }
}

#[test]
fn words_that_lie() {
    const LIES: [u64; 8] = [0, 1, 8, 0x7fff_ffff, 0xffff_ffff, 1 << 40, 1 << 63, u64::MAX];
    for machine in Machine::ALL {
        let mut tally = Tally::default();
        let mut random = Random(0x11e5);
        each(machine, &mut tally, |tally, load, object| {
            for at in (0..object.len() - 8).step_by(4) {
                let mut lie = object.to_vec();
                let word = LIES[random.next() as usize % LIES.len()];
                // Half a word, or a whole one.
                let size = if random.next().is_multiple_of(2) { 4 } else { 8 };
                let word = if machine == Machine::S390x { word.to_be_bytes() } else { word.to_le_bytes() };
                lie[at..at + size].copy_from_slice(&word[..size]);
                load(tally, &lie);
            }
        });
        println!("{machine}: {tally:?}");
        assert!(tally.malformed > 10 && tally.loaded > 10, "{machine}: {tally:?}");
    }
}

#[test]
fn several_changes_at_once() {
    let mut random = Random(0xbad);
    for machine in Machine::ALL {
        let mut tally = Tally::default();
        each(machine, &mut tally, |tally, load, object| {
            for _ in 0..1000 {
                let mut changed = object.to_vec();
                for _ in 0..2 + random.next() % 6 {
                    let at = random.next() as usize % changed.len();
                    changed[at] = random.next() as u8;
                }
                load(tally, &changed);
            }
        });
        println!("{machine}: {tally:?}");
        assert!(tally.malformed > 10, "{machine}: {tally:?}");
    }
}
