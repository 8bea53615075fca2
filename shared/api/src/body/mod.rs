//! The bodies of requests. Each is declared once, by the macro `body!`: its fields with their types, how each is read, and
//! what the OpenAPI document says about it.
//!
//! # Layout
//! [`fields`]: how bodies and values are read. One file for each group of routes.

mod catalog;
mod corrections;
mod deployments;
pub mod fields;
mod invoices;
mod operations;
mod subscriptions;
mod tenants;
#[cfg(feature = "json-schema")]
mod times;

pub use catalog::{PublishPlanVersionRequest, PutAddonRequest, PutCouponRequest, PutPlanRequest};
pub use corrections::{
    AddChargeRequest, CreditNoteLine, GrantCreditRequest, IssueCreditNoteRequest, RefundBalanceRequest, RemarksRequest,
    ReversePaymentRequest, UpdateInvoiceRequest,
};
pub use deployments::{
    CreateDeploymentRequest, CreateResourceRequest, ExtendTrialRequest, TransitionRequest, UpdateDeploymentRequest,
};
pub use fields::{BodyError, FieldError, Fields, Unread};
pub use invoices::RecordPaymentRequest;
pub use operations::{OperationFilterRequest, StartOperationRequest, StopOperationRequest};
pub use subscriptions::{
    AttachAddonRequest, CancelSubscriptionRequest, ChangePlanRequest, GrantDiscountRequest, SubscribeRequest,
};
pub use tenants::{HoldTenantRequest, PutDunningPolicyRequest, PutTenantRequest};
#[cfg(feature = "json-schema")]
pub use times::{Day, Moment};

/// Maximum length of a body, in bytes.
pub const MAX_BODY_LEN: usize = 64 * 1024;

/// The body of a request.
pub trait Body: Sized {
    /// Reads it from its fields.
    ///
    /// # Errors
    /// [`Unread`] if a required field is missing or invalid; [`Fields::finish`] then reports why.
    fn read(fields: &mut Fields) -> Result<Self, Unread>;

    /// The names of the fields that null clears.
    #[must_use]
    fn clearable() -> Vec<&'static str>;
}

/// Reads a body from its text.
///
/// # Errors
/// [`BodyError`], which names every mistake.
pub fn read_body<B: Body>(text: &[u8]) -> Result<B, BodyError> {
    let mut fields = Fields::parse(text)?;
    let body = B::read(&mut fields);
    fields.finish(body)
}

/// Declares a body: `name: Type = how(reader)`, where `how` is `required`, `optional`, `nullable` or `settable` of
/// [`Fields`], and in square brackets what schemars is told about it. `checked` names a function for the rules that
/// concern several fields; it records what they break.
macro_rules! body {
    (
        $(#[doc = $about:expr])*
        $([$($of_body:tt)+])?
        $name:ident {
            $($(#[doc = $doc:expr])* $field:ident: $type:ty = $how:ident($read:expr) $([$($schema:tt)+])?,)*
        }
        $(checked $check:path)?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
        $(#[cfg_attr(feature = "json-schema", schemars($($of_body)+))])?
        pub struct $name {
            $(
                $(#[doc = $doc])*
                $(#[cfg_attr(feature = "json-schema", schemars($($schema)+))])?
                pub $field: $type,
            )*
        }

        impl $crate::body::Body for $name {
            fn read(fields: &mut $crate::body::Fields) -> Result<Self, $crate::body::Unread> {
                let _ = &fields;
                $(let $field = fields.$how(stringify!($field), $read);)*
                $($check(fields);)?
                Ok(Self { $($field: $crate::body::body!(@value $how $field),)* })
            }

            fn clearable() -> Vec<&'static str> {
                let fields: &[Option<&'static str>] = &[$($crate::body::body!(@clearable $how $field)),*];
                fields.iter().copied().flatten().collect()
            }
        }
    };
    (@value required $field:ident) => { $field? };
    (@value object $field:ident) => { $field? };
    (@value $how:ident $field:ident) => { $field };
    (@clearable nullable $field:ident) => { Some(stringify!($field)) };
    (@clearable $how:ident $field:ident) => { None };
}
use body;
