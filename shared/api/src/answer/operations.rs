//! Answers about operations on many deployments.

use arcadia_domain::Matching;

use super::{answer, page};
use crate::operation::{OperationPreviewView, OperationResultView, OperationView};

answer! {
    /// An operation.
    OperationAnswer<'a> {
        /// The operation.
        operation: OperationView<'a>,
    }
}

answer! {
    /// What an operation would do.
    OperationDryRun {
        /// Always true.
        dry_run: bool,
        /// Number of deployments that match.
        matching: Matching,
        /// The results that the first deployments would get, at most 10.
        preview: Vec<OperationPreviewView>,
    }
}

page! {
    /// A page of operations.
    OperationList<'a> {
        /// The operations, newest first.
        operations: Vec<OperationView<'a>>,
    }
}

page! {
    /// A page of an operation's results.
    OperationResultList<'a> {
        /// The results, by deployment.
        results: Vec<OperationResultView<'a>>,
    }
}
