//! Private files: the key, the records and the lock of a data directory. On Unix they are created for their owner only,
//! and rejected if other users could have written or could read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Permission bits of other users.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;

/// Creates a directory for its owner only. An existing directory must not be writable by other users.
///
/// # Errors
/// Errors of the file system; [`io::ErrorKind::PermissionDenied`] if other users can write to it.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    if mode(&fs::metadata(path)?) & OTHERS_WRITE != 0 {
        return Err(refused(path, "can be written to by others: run chmod go-w on it, or choose another directory"));
    }
    Ok(())
}

/// Opens a file for its owner only, and creates it if it is missing. Existing content is kept.
///
/// # Errors
/// As [`check`], and errors of the file system.
pub fn file(path: &Path) -> io::Result<File> {
    check(path)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Checks that the path is missing or is a file that only its owner can read and write. A symbolic link is rejected,
/// because its creator would choose the target.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] if it is not a plain file, or other users can read or write it.
pub fn check(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_file() {
        return Err(refused(path, "is not a plain file"));
    }
    #[cfg(unix)]
    if mode(&found) & OTHERS != 0 {
        return Err(refused(path, "can be read or written by others: run chmod 600 on it if it is yours"));
    }
    Ok(())
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
}
