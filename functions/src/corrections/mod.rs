//! Corrections of a deployment's books that concern no invoice: charges made once, granted credits, refunds. Those of an
//! invoice are in [`crate::invoices`].

pub mod charge;
pub mod credit;
pub mod refund;

use arcadia_domain::{Command, Correct, Correction, Notes, Reason};

use crate::http::Fields;
use crate::http::fields::text;

/// The reason and the notes of a correction.
pub struct Remarks {
    reason: Option<Reason>,
    notes: Option<Notes>,
}

impl Remarks {
    /// Reads the fields `reason` and `notes`.
    pub fn read(fields: &mut Fields) -> Self {
        Self { reason: fields.optional("reason", text), notes: fields.optional("notes", text) }
    }

    /// The command that makes a correction.
    pub fn of(self, correction: Correction) -> Command {
        let Self { reason, notes } = self;
        Command::Correct(Correct { correction, reason, notes })
    }
}
