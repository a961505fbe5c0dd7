//! What the benchmarks share: the programs, the engines, and how time is taken and made into figures.

pub mod affinity;
pub mod artifacts;
pub mod cpu_time;
pub mod engines;
pub mod measure;
pub mod programs;
pub mod random;
pub mod statistics;

/// Why a benchmark failed.
pub type Error = Box<dyn std::error::Error>;
