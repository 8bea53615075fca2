//! Answers about subscriptions.

use std::borrow::Cow;

use arcadia_domain::{Event, Line};

use super::answer;
use crate::view::{InvoiceView, SubscriptionAddonView, SubscriptionView};

answer! {
    /// The answer to subscribing a deployment.
    SubscribeAnswer<'a> {
        /// The subscription.
        subscription: Option<SubscriptionView<'a>> [with = "SubscriptionView<'static>"],
        /// The invoice of the first period; null during a trial.
        invoice: Option<InvoiceView<'a>>,
    }
}

answer! {
    /// The answer to attaching an add-on.
    AttachAddonAnswer<'a> {
        /// The attached add-on, with its fixed prices and quantity.
        addon: Option<SubscriptionAddonView<'a>> [with = "SubscriptionAddonView<'static>"],
        /// The subscription.
        subscription: Option<SubscriptionView<'a>> [with = "SubscriptionView<'static>"],
    }
}

answer! {
    /// The answer to a command on a subscription.
    SubscriptionAnswer<'a> {
        /// The subscription.
        subscription: Option<SubscriptionView<'a>> [with = "SubscriptionView<'static>"],
    }
}

answer! {
    /// The answer to a change of plan.
    ChangePlanAnswer<'a> {
        /// The subscription.
        subscription: Option<SubscriptionView<'a>> [with = "SubscriptionView<'static>"],
        /// The charges and credits of the change.
        lines: Vec<Cow<'a, Line>>,
        /// The invoice issued with the change; null if none is, and the charges wait for the next invoice.
        invoice: Option<InvoiceView<'a>>,
        /// The event; null if nothing needed to change.
        event: Option<Cow<'a, Event>>,
        /// Whether this is a dry run: nothing was stored.
        dry_run: bool,
    }
}
