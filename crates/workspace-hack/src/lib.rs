//! Nothing. It is in the workspace for its dependencies' features: see `Cargo.toml`.
