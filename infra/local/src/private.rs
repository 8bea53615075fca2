//! Files that are nobody else's: the key, the records and the lock of a data directory. On Unix they are made for their
//! owner alone, and refused where somebody else could have put or could read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// What others may do with a file or directory, as bits of its mode.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;

/// Makes a directory for its owner alone, unless it is there; then nobody else may be able to put anything into it.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::PermissionDenied`] if others can write to it.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    if mode(&fs::metadata(path)?) & OTHERS_WRITE != 0 {
        return Err(refused(path, "can be written to by others: chmod go-w it, or choose another"));
    }
    Ok(())
}

/// Opens a file for its owner alone, and makes it if it is missing. What is in it stays there.
///
/// # Errors
/// As [`check`], and those of the file system.
pub fn file(path: &Path) -> io::Result<File> {
    check(path)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Insists that what is at a path, if anything is, is a file that only its owner can read and write. A symbolic link is
/// not: whoever made it chose what is written over.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] if it is something else, or others can read or write it.
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
        return Err(refused(path, "can be read or written by others: chmod 600 it if it is yours"));
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
