//! Corrections of a deployment's books that concern no invoice: charges made once, granted credits, refunds. Those of an
//! invoice are in [`crate::invoices`].

pub mod charge;
pub mod credit;
pub mod refund;

use arcadia_domain::{Command, Correct, Correction, Notes, Reason};

/// The command that makes a correction.
pub const fn correct(correction: Correction, reason: Option<Reason>, notes: Option<Notes>) -> Command {
    Command::Correct(Correct { correction, reason, notes })
}
