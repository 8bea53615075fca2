//! Where things are.

/// The folder of the workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// A folder for files that a test needs and nobody keeps.
pub const TEMPORARY: &str = env!("CARGO_TARGET_TMPDIR");
