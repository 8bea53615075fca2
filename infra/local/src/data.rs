//! The data directory: its files, and the lock that admits one program at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::private;

const DATABASE_FILE: &str = "arcadia.db";
const LOCK_FILE: &str = "lock";

/// The locked database of a data directory. The lock ends with this value or with the process.
#[derive(Debug)]
pub struct DatabaseLock {
    path: PathBuf,
    _lock: File,
}

/// Error of a data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another program has locked it.
    #[error("the data directory {} is in use by another arcadia: stop that program, or choose another directory with --data", .0.display())]
    InUse(PathBuf),
    /// A file operation failed.
    #[error("the data directory {} cannot be used: {source}", path.display())]
    File {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl DatabaseLock {
    /// Locks the database in `dir` and creates the directory if it is missing.
    ///
    /// # Errors
    /// [`DataError::InUse`] if another program has locked it.
    pub fn acquire(dir: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::File { path: dir.to_owned(), source };
        private::directory(dir).map_err(failed)?;
        let lock = private::file(&dir.join(LOCK_FILE)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                // The engine gives the files that it creates beside this one the same permissions.
                let path = dir.join(DATABASE_FILE);
                private::file(&path).map_err(failed)?;
                Ok(Self { path, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(DataError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Path of the database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether `dir` contains records.
#[must_use]
pub fn has_database(dir: &Path) -> bool {
    fs::metadata(dir.join(DATABASE_FILE)).is_ok_and(|found| found.is_file() && found.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_at_a_time_has_the_database() {
        let dir = std::env::temp_dir().join(format!("arcadia-data-{}", std::process::id()));
        let first = DatabaseLock::acquire(&dir).unwrap();
        assert!(matches!(DatabaseLock::acquire(&dir), Err(DataError::InUse(_))));
        drop(first);
        assert!(DatabaseLock::acquire(&dir).is_ok());
        assert!(!has_database(&dir));
        fs::write(dir.join(DATABASE_FILE), "records").unwrap();
        assert!(has_database(&dir));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let file = std::env::temp_dir().join(format!("arcadia-data-{}.file", std::process::id()));
        fs::write(&file, "").unwrap();
        let error = DatabaseLock::acquire(&file).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        fs::remove_file(&file).unwrap();
    }
}
