//! Bad input gets a clear error, and nothing else happens: no crash, no hang, no half-restored program.
//! Images that are damaged, foreign, from the future or made by an enemy; places that an image cannot be
//! written to; malformed modules.

#[allow(dead_code, reason = "shared with the image format's own tests")]
#[path = "../../crates/snapshot/tests/common/assemble.rs"]
mod assemble;
mod damage;
#[path = "../everywhere/harness/mod.rs"]
mod harness;
mod hostile;
mod modules;
mod process;
mod samples;
#[allow(dead_code, reason = "shared with the tests of the command lines")]
#[path = "../cli/support.rs"]
mod support;
