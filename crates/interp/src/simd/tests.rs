//! Every instruction against a definition by lane, in arithmetic wide enough not to overflow. Where there is a
//! form for the host's processor, both it and the portable one are held to the definition.

mod float;
mod int;
mod move_lanes;

/// Pseudo-random bits (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// Vectors of `bits`-wide lanes: each of `edges` in all lanes, mixtures of edges, and random bits.
fn vectors(bits: u32, edges: &[u64]) -> Vec<u128> {
    let lanes = 128 / bits;
    let vector = |pick: &mut dyn FnMut() -> u64| {
        (0..lanes).fold(0, |v, lane| v | (u128::from(pick()) & mask(bits)) << (lane * bits))
    };
    let mut random = Random(u64::from(bits));
    let mut all: Vec<u128> = edges.iter().map(|&edge| vector(&mut || edge)).collect();
    for _ in 0..40 {
        all.push(vector(&mut || edges[(random.next() % edges.len() as u64) as usize]));
        all.push(vector(&mut || random.next()));
    }
    all
}

/// As [`vectors`], with the edges of integers.
fn int_vectors(bits: u32) -> Vec<u128> {
    let top = 1 << (bits - 1);
    let mut edges = vec![0, 1, 2, 3, top - 2, top - 1, top, top + 1, u64::MAX, u64::MAX - 1];
    edges.extend([0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0xffff_8000, 0xffff_ff80]);
    vectors(bits, &edges)
}

fn mask(bits: u32) -> u128 {
    u128::MAX >> (128 - bits)
}

/// Lane `lane` of `v`, zero-extended.
fn unsigned(v: u128, bits: u32, lane: u32) -> i128 {
    (v >> (bits * lane) & mask(bits)) as i128
}

/// Lane `lane` of `v`, sign-extended.
fn signed(v: u128, bits: u32, lane: u32) -> i128 {
    unsigned(v, bits, lane) << (128 - bits) >> (128 - bits)
}

/// The vector whose lanes are the low bits of what `lane` gives for each.
fn build(bits: u32, lane: impl Fn(u32) -> i128) -> u128 {
    (0..128 / bits).fold(0, |v, i| v | (lane(i) as u128 & mask(bits)) << (bits * i))
}

/// Both forms of an instruction, which are the same function where the host has no form of its own.
macro_rules! both {
    ($name:ident) => {
        [("portable", $crate::simd::portable::$name as _), ("host", $crate::simd::$name as _)]
    };
}
use both;

/// What [`both`] gives.
type Forms<F> = [(&'static str, F); 2];
type Unary = fn(u128) -> u128;
type Binary = fn(u128, u128) -> u128;
type Shift = fn(u128, u32) -> u128;
type Shuffle = fn(u128, u128, u128) -> u128;
type Test = fn(u128) -> u32;
