//! The lines of what an invocation counted, which [`arcadia_store::metrics`] collects.

use std::io::Write as _;
use std::sync::OnceLock;

use arcadia_store::metrics::{collect, is_measured};

use crate::runtime::{Clock as _, RealClock};

/// Where lines go. Set once for a process, as its logging is.
static SINK: OnceLock<Sink> = OnceLock::new();

#[derive(Debug)]
struct Sink {
    namespace: String,
    output: Output,
}

/// Where lines can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Where Lambda looks for them.
    Stdout,
    /// Where the local program logs.
    Stderr,
}

/// Has lines written from now on. Until then nothing is, and a second call changes nothing.
pub fn start(namespace: String, output: Output) {
    let _ = SINK.set(Sink { namespace, output });
}

/// Does some work and writes the line of what it counted, if it counted anything. Within work that is measured already
/// it is part of that.
pub fn measured<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    // On the heap: what waits for work holds all of it, and each that waits for another all of that once more.
    let work = Box::pin(work);
    async move {
        if is_measured() {
            return work.await;
        }
        let (done, metrics) = collect(work).await;
        if let Some(sink) = SINK.get().filter(|_| !metrics.is_empty()) {
            sink.write(&metrics.line(&sink.namespace, RealClock.now().timestamp_millis()));
        }
        done
    }
}

impl Sink {
    /// Writes a line at once, so that no other comes between. What cannot be written is no reason to fail.
    fn write(&self, line: &str) {
        let line = format!("{line}\n");
        let _ = match self.output {
            Output::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            Output::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

#[cfg(test)]
mod tests {
    use arcadia_store::metrics::{COMMITS, Metrics, count};

    use super::*;

    fn collected(work: impl Future<Output = ()>) -> Metrics {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(collect(work)).1
    }

    #[test]
    fn what_is_measured_within_a_measured_work_is_part_of_it() {
        let metrics = collected(measured(async {
            count(COMMITS);
            measured(async { count(COMMITS) }).await;
        }));
        assert_eq!(metrics.get(COMMITS), Some(2));
        count(COMMITS);
        assert_eq!(collected(async {}), Metrics::default(), "nobody counts outside");
    }
}
