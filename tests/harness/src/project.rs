//! The project's directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder of the workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A directory for temporary files. Its path has no `..`: Chromium reads no files of such a path.
///
/// # Panics
/// If it cannot be created.
pub fn temporary() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let path = format!("{ROOT}/target/tmp");
        let made = fs::create_dir_all(&path).and_then(|()| fs::canonicalize(&path));
        made.unwrap_or_else(|error| panic!("{path}: {error}"))
    })
}
