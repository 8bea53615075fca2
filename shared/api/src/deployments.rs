//! The answers of the routes of deployments: what handlers send, the OpenAPI document describes and the command line
//! reads. A dry run's answer is the command's own, with its charges, credits and events beside it.

use std::borrow::Cow;

use arcadia_domain::Event;
use serde::{Deserialize, Serialize};

use crate::view::{DeploymentRowView, DeploymentView, SubscriptionView};

/// The answer to creating or updating a deployment.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct DeploymentAnswer<'a> {
    /// The deployment after the command.
    pub deployment: DeploymentView<'a>,
}

/// A page of deployments.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct DeploymentList<'a> {
    /// The deployments.
    pub deployments: Vec<DeploymentRowView<'a>>,
    /// The `cursor` of the next page; null on the last page. It is opaque: do not parse it.
    pub next_cursor: Option<String>,
}

/// The answer to moving a deployment to another state.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TransitionAnswer<'a> {
    /// The deployment after the move.
    pub deployment: DeploymentView<'a>,
    /// The change of state; null if the deployment was already in that state.
    pub event: Option<Cow<'a, Event>>,
    /// Whether this is a dry run: nothing was stored.
    pub dry_run: bool,
}

/// The answer to moving the end of a trial.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ExtendTrialAnswer<'a> {
    /// The deployment after the command.
    pub deployment: DeploymentView<'a>,
    /// Its subscription; null if it never had one.
    pub subscription: Option<SubscriptionView<'a>>,
    /// The event; null if the trial already ended then.
    pub event: Option<Cow<'a, Event>>,
}
