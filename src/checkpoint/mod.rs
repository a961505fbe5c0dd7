//! Checkpoint and restore of a host's instances.

pub mod policy;
