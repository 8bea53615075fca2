//! Reading again what was read while a transaction was being written, and is therefore of no one version.

use std::time::Duration;

use super::StoreError;
use crate::metrics;

/// How often the same is read until it is of one version, before the caller is told to come back later.
pub const MAX_READS: u32 = 5;

/// How long to wait before the third read; it doubles with each further one. The second is made at once.
const PAUSE: Duration = Duration::from_millis(5);

/// What a read came to.
#[derive(Debug)]
pub(super) enum Reading<T> {
    /// It is of one version.
    Whole(T),
    /// It mixes versions.
    Torn,
}

/// Reads until what is read is of one version. `what` names it in the log.
///
/// # Errors
/// [`StoreError::Unavailable`] if it is torn [`MAX_READS`] times, or what a read fails with.
pub(super) async fn until_whole<T, F>(what: &str, read: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<Reading<T>, StoreError>>,
{
    for reads in 1..=MAX_READS {
        match read().await? {
            Reading::Whole(found) => return Ok(found),
            Reading::Torn => {
                metrics::count(metrics::TORN_READS);
                tracing::info!(what, reads, "a read was torn");
            }
        }
        if reads > 1 && reads < MAX_READS {
            tokio::time::sleep(PAUSE * (1 << (reads - 2))).await;
        }
    }
    Err(StoreError::Unavailable(format!("{what} was torn each time that it was read")))
}
