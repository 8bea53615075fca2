//! Answers about deployments, their history and their resources.

use std::borrow::Cow;

use arcadia_domain::{Event, Resource, State};

use super::{answer, page};
use crate::view::{DeploymentRowView, DeploymentView, NextInvoiceView, SubscriptionView};

answer! {
    /// The answer to creating or updating a deployment.
    DeploymentAnswer<'a> {
        /// The deployment after the command.
        deployment: DeploymentView<'a>,
    }
}

page! {
    /// A page of deployments.
    DeploymentList<'a> {
        /// The deployments.
        deployments: Vec<DeploymentRowView<'a>>,
    }
}

answer! {
    /// The answer to moving a deployment to another state.
    TransitionAnswer<'a> {
        /// The deployment after the move.
        deployment: DeploymentView<'a>,
        /// The change of state; null if the deployment was already in that state.
        event: Option<Cow<'a, Event>>,
        /// Whether this is a dry run: nothing was stored.
        dry_run: bool,
    }
}

answer! {
    /// The answer to moving the end of a trial.
    ExtendTrialAnswer<'a> {
        /// The deployment after the command.
        deployment: DeploymentView<'a>,
        /// Its subscription; null if it never had one.
        subscription: Option<SubscriptionView<'a>>,
        /// The event; null if the trial already ended then.
        event: Option<Cow<'a, Event>>,
    }
}

answer! {
    /// A deployment with all that a page about it shows.
    DeploymentDetails<'a> {
        /// The deployment.
        deployment: DeploymentView<'a>,
        /// Its live or last subscription; null if it never had one.
        subscription: Option<SubscriptionView<'a>>,
        /// The invoices that scheduled steps issue next if the open ones are paid in time and nothing else happens:
        /// usually one, and one for each currency that falls due at that moment.
        next_invoices: Vec<NextInvoiceView>,
        /// Its latest events, newest first, at most 50.
        events: Vec<Event>,
        /// The states that the caller can move it to.
        allowed_transitions: Vec<State>,
    }
}

page! {
    /// A page of a deployment's history.
    EventList {
        /// The events.
        events: Vec<Event>,
    }
}

answer! {
    /// A cloud resource.
    ResourceAnswer<'a> {
        /// The resource.
        resource: Option<Cow<'a, Resource>> [with = "Resource"],
    }
}

page! {
    /// A page of a deployment's cloud resources.
    ResourceList {
        /// The resources, newest first.
        resources: Vec<Resource>,
    }
}
