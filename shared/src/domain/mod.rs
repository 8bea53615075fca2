//! The rules of the product, pure: what a deployment is, which moves it may make and who may make them.
//!
//! Nothing here is async, reads a clock, makes an id or does I/O; time and ids are arguments. Storage is in
//! [`crate::store`], the wire in [`crate::http`].

mod actor;
mod decide;
mod deployment;
mod event;
pub mod lifecycle;
mod resource;
mod values;

pub use actor::{Actor, Authority};
pub use decide::{
    Aggregate, Change, Command, CreateDeployment, MAX_LIVE_RESOURCES, Rejection, Transition, UpdateDeployment,
    allowed_transitions, create, decide,
};
pub use deployment::{Deployment, Template};
pub use event::{Changed, Event, EventKind, ReplayError, Updated, replay};
pub use lifecycle::State;
pub use resource::Resource;
pub use values::{
    DeploymentId, DisplayName, InvalidValue, Notes, ProviderReference, Reason, ResourceId, ShortCode, Slug,
    TemplateVersion, TenantId, Timestamp,
};
