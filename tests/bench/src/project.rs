//! Where things are.

/// The folder of the workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// A folder for files that nobody keeps.
pub const TEMPORARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tmp");
