//! Repeats torn reads: reads that met a transaction and mix its items from before and after it. How a read is found to
//! be torn is in [`super::present`] and in each list.

use std::time::Duration;

use super::StoreError;
use crate::metrics;

/// The most attempts of a read before it fails as unavailable.
pub const MAX_READS: u32 = 5;

/// The wait before the third attempt; it doubles with each further one. The second attempt is made at once.
const PAUSE: Duration = Duration::from_millis(5);

/// The result of one attempt of a read.
#[derive(Debug)]
pub(super) enum Reading<T> {
    /// All of it is of one version.
    Whole(T),
    /// It mixes versions.
    Torn,
}

/// Repeats a read until it is of one version. `what` is its name in logs and errors.
///
/// # Errors
/// [`StoreError::Unavailable`] if all [`MAX_READS`] attempts are torn, or the error of a failed attempt.
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
    Err(StoreError::Unavailable(format!("{what} was still being changed after {MAX_READS} reads").into()))
}
