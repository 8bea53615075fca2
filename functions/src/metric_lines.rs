//! Prints the metrics of an invocation, which [`arcadia_store::metrics`] collects.

use std::io::Write as _;
use std::sync::OnceLock;

use arcadia_store::metrics::{collect, is_measured};

use crate::runtime::{Clock as _, RealClock};

/// The output of metric lines. Set once per process, like the logging.
static SINK: OnceLock<Sink> = OnceLock::new();

#[derive(Debug)]
struct Sink {
    namespace: String,
    output: Output,
}

/// An output of metric lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, which Lambda reads.
    Stdout,
    /// Standard error, the local program's log.
    Stderr,
}

/// Enables output. Until this is called nothing is written; a second call has no effect.
pub fn start(namespace: String, output: Output) {
    let _ = SINK.set(Sink { namespace, output });
}

/// Runs `work` and writes one line with the metrics it collected, if any. Nested calls add to the outer call's metrics.
pub fn measured<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    // On the heap: otherwise every future that awaits this one would contain it.
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
    /// Writes a line in one call, so that lines do not mix. Write errors are ignored.
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
    fn work_measured_within_measured_work_is_part_of_it() {
        let metrics = collected(measured(async {
            count(COMMITS);
            measured(async { count(COMMITS) }).await;
        }));
        assert_eq!(metrics.get(COMMITS), Some(2));
        count(COMMITS);
        assert_eq!(collected(async {}), Metrics::default(), "nothing is counted outside");
    }
}
