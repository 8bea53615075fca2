//! The project's directories.

/// The folder of the workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// A directory for temporary files. [`super::dynamodb`] creates it.
pub const TEMPORARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tmp");
