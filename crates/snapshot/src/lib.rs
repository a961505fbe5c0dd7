//! Images of stopped programs: the Wasm view ([`view`]) and its portable, versioned, checksummed file format.

pub mod view;
