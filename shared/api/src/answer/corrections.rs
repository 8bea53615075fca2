//! Answers to corrections of a deployment's books.

use std::borrow::Cow;

use arcadia_domain::{Line, Refund};

use super::answer;
use crate::view::{DeploymentView, InvoiceView};

answer! {
    /// The answer to a charge made once.
    ChargeAnswer<'a> {
        /// The deployment.
        deployment: DeploymentView<'a>,
        /// The charge.
        lines: Vec<Cow<'a, Line>>,
        /// The invoice that was issued; null if the charge waits for the next one.
        invoice: Option<InvoiceView<'a>>,
    }
}

answer! {
    /// The answer to a refund.
    RefundAnswer<'a> {
        /// The refund.
        refund: Option<Cow<'a, Refund>> [with = "Refund"],
        /// The deployment with its balances and open invoices.
        deployment: DeploymentView<'a>,
    }
}
