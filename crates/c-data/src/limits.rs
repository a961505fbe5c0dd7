//! Limits that the C interface tells where a module declares none.

use wayfarer_module::TableType;

/// Pages a memory without declared maximum can have.
pub const DEFAULT_MAX_PAGES: u64 = 65536;

/// Elements that WAMR lets a table without declared maximum have.
const DEFAULT_MAX_TABLE: u64 = 1024;

/// Most elements a table of this type can have.
pub fn table_max(ty: &TableType) -> u32 {
    let max = ty.limits.max.unwrap_or_else(|| (2 * ty.limits.min).max(DEFAULT_MAX_TABLE));
    u32::try_from(max).unwrap_or(u32::MAX)
}
