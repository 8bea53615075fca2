//! Bodies of requests about deployments and their resources.

use arcadia_domain::{
    DisplayName, Notes, ProviderReference, Reason, ShortCode, Slug, State, TemplateVersion, TenantId, Timestamp,
};

use super::body;
use super::fields::{boolean, text, timestamp};
#[cfg(feature = "json-schema")]
use super::times::Moment;

body! {
    /// The body of `POST /deployments`.
    CreateDeploymentRequest {
        /// The owning tenant. Required for platform_admin; for other callers it must be their own tenant.
        tenant_id: Option<TenantId> = optional(text),
        /// Name for URLs, unique within the tenant. Never changes.
        slug: Slug = required(text),
        /// Name for display. Default: the slug.
        display_name: Option<DisplayName> = optional(text),
        /// The region that it runs in. Default: the platform's default region.
        region: Option<ShortCode> = optional(text),
        /// `active` (the default), or `trial`, which is for platform_admin.
        state: Option<State> = optional(text),
        /// When the trial ends: required with the state `trial`, not allowed otherwise. For platform_admin. At most 100
        /// years ahead.
        trial_ends_at: Option<Timestamp> = optional(timestamp) [with = "Option<Moment>"],
        /// How it gets access to a language model, such as `managed` or `byo_key`.
        llm_mode: Option<ShortCode> = optional(text),
        /// Code of the template that it is built from. Requires `template_version`.
        template_code: Option<ShortCode> = optional(text),
        /// Version of that template. Requires `template_code`.
        template_version: Option<TemplateVersion> = optional(text),
    }
}

body! {
    /// The body of `PATCH /deployments/{id}`.
    UpdateDeploymentRequest {
        /// Name for display.
        display_name: Option<DisplayName> = settable(text)
            [default, with = "DisplayName", skip_serializing_if = "Option::is_none"],
        /// The region that it runs in.
        region: Option<ShortCode> = settable(text)
            [default, with = "ShortCode", skip_serializing_if = "Option::is_none"],
        /// How it gets access to a language model, such as `managed` or `byo_key`.
        llm_mode: Option<Option<ShortCode>> = nullable(text) [with = "Option<ShortCode>"],
        /// Code of the template that it is built from. Clearing it clears the version too.
        template_code: Option<Option<ShortCode>> = nullable(text) [with = "Option<ShortCode>"],
        /// Version of that template.
        template_version: Option<Option<TemplateVersion>> = nullable(text) [with = "Option<TemplateVersion>"],
        /// The hold: whether scheduled steps leave its state unchanged. Only for platform_admin.
        billing_action_suspended: Option<bool> = settable(boolean)
            [default, with = "bool", skip_serializing_if = "Option::is_none"],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/transition`.
    TransitionRequest {
        /// The state to enter.
        to_state: State = required(text),
        /// A one-line reason, stored in the event.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the event.
        notes: Option<Notes> = optional(text),
        /// When the pause ends automatically; only for the state `paused`. At most 100 years ahead. For a deployment that
        /// is already paused, omitting it keeps the current date and null clears it.
        resume_at: Option<Option<Timestamp>> = nullable(timestamp) [with = "Option<Moment>"],
        /// Return the result without storing anything.
        dry_run: Option<bool> = optional(boolean),
    }
}

body! {
    /// The body of `POST /deployments/{id}/trial`.
    ExtendTrialRequest {
        /// The new end, later or earlier than the current one. In the future, at most 100 years ahead.
        trial_ends_at: Timestamp = required(timestamp) [with = "Moment"],
        /// One-line reason, stored in the events.
        reason: Option<Reason> = optional(text),
        /// Notes, stored in the events.
        notes: Option<Notes> = optional(text),
    }
}

body! {
    /// The body of `POST /deployments/{id}/resources`.
    CreateResourceRequest {
        /// Kind of resource, such as `database`.
        kind: ShortCode = required(text),
        /// The provider's name for it, such as an ARN.
        provider_reference: ProviderReference = required(text),
        /// The region that it runs in. Default: the deployment's region.
        region: Option<ShortCode> = optional(text),
    }
}
