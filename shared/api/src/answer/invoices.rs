//! Answers about invoices.

use super::{answer, page};
use crate::view::{DeploymentView, InvoiceRowView, InvoiceView};

page! {
    /// A page of a deployment's invoices.
    InvoiceList<'a> {
        /// The invoices, newest first.
        invoices: Vec<InvoiceView<'a>>,
    }
}

page! {
    /// A page of invoices across deployments.
    InvoiceRowList<'a> {
        /// The invoices.
        invoices: Vec<InvoiceRowView<'a>>,
    }
}

answer! {
    /// An invoice.
    InvoiceAnswer<'a> {
        /// The invoice.
        invoice: InvoiceView<'a>,
    }
}

answer! {
    /// An invoice after a command, with its deployment.
    SettledInvoiceAnswer<'a> {
        /// The invoice.
        invoice: InvoiceView<'a>,
        /// Its deployment. It may have returned to `active`.
        deployment: DeploymentView<'a>,
    }
}
