//! `arcadia deployments`: manages deployments, their subscriptions, resources and history through the API.

use arcadia_api::Body as _;
use arcadia_api::answer::{
    ChangePlanAnswer, DeploymentAnswer, ExtendTrialAnswer, SubscribeAnswer, SubscriptionAnswer, TransitionAnswer,
};
use arcadia_api::body::UpdateDeploymentRequest;
use arcadia_domain::lifecycle::INITIAL_STATES;
use arcadia_domain::{AnchorMode, Effective, Event, Proration, State};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::{Confirmed, Connection};
use super::corrections::{OfDeployment, Remarks};
use crate::client::{Client, Failure, Moment, Once, Options, Paging, Request, one_of, show_deployment, views};

#[derive(Debug, Args)]
pub struct Deployments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

/// Selects a deployment.
#[derive(Debug, Args)]
struct Which {
    /// The deployment: its id, its slug, or its tenant and slug as in acme/shop
    #[arg(value_name = "DEPLOYMENT")]
    id: String,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List deployments, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        paging: Paging,
    },
    /// Create a deployment
    Create {
        #[command(flatten)]
        fields: CreateFields,
        #[command(flatten)]
        once: Once,
    },
    /// Show a deployment: its state and moves, scheduled steps, subscription, open invoices and latest events
    Show(Which),
    /// Change a deployment's own fields
    Update {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: UpdateFields,
        /// Field to clear; can be repeated
        #[arg(long, value_name = "FIELD", value_parser = PossibleValuesParser::new(UpdateDeploymentRequest::clearable()))]
        clear: Vec<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Move a deployment to another state
    Transition {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: TransitionFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
        #[command(flatten)]
        confirmed: Confirmed,
    },
    /// List the events of a deployment, newest first
    Events {
        #[command(flatten)]
        which: Which,
        /// Oldest first
        #[arg(long)]
        oldest_first: bool,
        /// Only events after this sequence
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        #[command(flatten)]
        paging: Paging,
    },
    /// List the cloud resources of a deployment, newest first
    Resources {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        paging: Paging,
    },
    /// Record a cloud resource (platform_admin, data_plane)
    CreateResource {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: CreateResourceFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    /// Mark a cloud resource as deleted (platform_admin, data_plane)
    DeleteResource {
        #[command(flatten)]
        which: Which,
        /// Id of the resource
        resource_id: String,
        #[command(flatten)]
        options: Options,
    },
    /// Move the end of a running trial (platform_admin)
    ExtendTrial {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: ExtendTrialFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    #[command(flatten)]
    Subscription(SubscriptionVerb),
    #[command(flatten)]
    Correction(OfDeployment),
}

/// Commands on the subscription of a deployment.
#[derive(Debug, Subcommand)]
enum SubscriptionVerb {
    /// Subscribe a deployment to a plan
    Subscribe {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: SubscribeFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    /// Attach an add-on; its current prices and quantity are copied and stay fixed
    AttachAddon {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: AttachAddonFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    /// Detach an add-on
    DetachAddon {
        #[command(flatten)]
        which: Which,
        /// Id of the attached add-on, as shown by `show`
        addon_id: String,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
    /// Change the plan, or show the cost with --dry-run
    ChangePlan {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: ChangePlanFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    /// Withdraw a scheduled plan change
    WithdrawPlanChange {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
    /// Grant the discount of a coupon, from the next period that opens (platform_admin)
    GrantDiscount {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: GrantDiscountFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
    },
    /// Remove the discount: a running one ends with the period, any other at once (platform_admin)
    RemoveDiscount {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
    /// Cancel the subscription
    CancelSubscription {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: CancelSubscriptionFields,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        once: Once,
        #[command(flatten)]
        confirmed: Confirmed,
    },
    /// Withdraw a scheduled cancellation
    WithdrawCancellation {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Only deployments of this tenant (platform_admin)
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Only deployments in this state
    #[arg(long, value_parser = one_of(&State::ALL))]
    state: Option<State>,
    /// Only deployments with this slug
    #[arg(long)]
    slug: Option<String>,
    /// Only deployments in this region
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Only deployments with a live subscription to this plan
    #[arg(long, value_name = "CODE")]
    plan: Option<String>,
    /// Only deployments subscribed to this version of --plan
    #[arg(long, value_name = "N", requires = "plan")]
    plan_version: Option<u32>,
    /// Only deployments with (true) or without (false) a live subscription
    #[arg(long, value_name = "BOOLEAN")]
    subscribed: Option<bool>,
    /// Only deployments on hold (true) or not on hold (false)
    #[arg(long, value_name = "BOOLEAN")]
    billing_action_suspended: Option<bool>,
}

/// The fields that a creation sets and an update changes.
#[derive(Debug, Args, Serialize)]
struct OwnFields {
    /// Name for display. Default of a new deployment: its slug
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Region that it runs in
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// How it gets access to a language model, such as managed or byo_key
    #[arg(long, value_name = "CODE")]
    llm_mode: Option<String>,
    /// Code of the template that it is built from
    #[arg(long, value_name = "CODE")]
    template_code: Option<String>,
    /// Version of that template
    #[arg(long, value_name = "VERSION")]
    template_version: Option<String>,
}

#[derive(Debug, Args, Serialize)]
struct CreateFields {
    /// Name for URLs, unique within the tenant; never changes
    #[arg(long)]
    slug: String,
    /// Owning tenant; never changes (platform_admin; a tenant's users create their own)
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    own: OwnFields,
    /// Initial state: active (default), or trial (platform_admin)
    #[arg(long, value_parser = one_of(INITIAL_STATES))]
    state: Option<State>,
    /// End of its trial, such as 2027-02-14, or 14d for two weeks from now (platform_admin)
    #[arg(long, value_name = "TIME")]
    #[serde(skip)]
    trial_ends_at: Option<Moment>,
}

#[derive(Debug, Args, Serialize)]
struct UpdateFields {
    #[command(flatten)]
    #[serde(flatten)]
    own: OwnFields,
    /// Hold: whether scheduled steps leave its state unchanged (platform_admin)
    #[arg(long, value_name = "BOOLEAN")]
    billing_action_suspended: Option<bool>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct TransitionFields {
    /// The state to enter
    #[arg(value_parser = one_of(&State::ALL))]
    to_state: State,
    /// One-line reason, stored in the event
    #[arg(long)]
    reason: Option<String>,
    /// Notes, stored in the event
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// When the pause ends automatically, such as 2027-02-14, or 14d for two weeks from now
    #[arg(long, value_name = "TIME")]
    #[serde(skip)]
    resume_at: Option<Moment>,
}

#[derive(Debug, Args, Serialize)]
struct CreateResourceFields {
    /// Kind of resource, such as database
    #[arg(long, value_name = "CODE")]
    kind: String,
    /// The provider's name for it, such as an ARN
    #[arg(long, value_name = "TEXT")]
    provider_reference: String,
    /// Region that it runs in
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
}

#[derive(Debug, Args, Serialize)]
struct ExtendTrialFields {
    /// New end of the trial, such as 2027-02-14, or 14d for two weeks from now
    #[arg(value_name = "TIME")]
    #[serde(skip)]
    trial_ends_at: Moment,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct SubscribeFields {
    /// Code of the plan
    plan_code: String,
    /// Version of the plan. Default: the newest (platform_admin: any)
    #[arg(long, value_name = "N")]
    plan_version: Option<u32>,
    /// Code of an add-on; can be repeated
    #[arg(long = "addon", value_name = "CODE")]
    addons: Vec<String>,
    /// Anchor of the periods. Default: calendar
    #[arg(long, value_parser = one_of(&AnchorMode::ALL))]
    anchor: Option<AnchorMode>,
    /// End of its trial, instead of the plan's (platform_admin)
    #[arg(long, value_name = "TIME")]
    #[serde(skip)]
    trial_ends_at: Option<Moment>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct AttachAddonFields {
    /// Code of the add-on
    addon_code: String,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct ChangePlanFields {
    /// Code of the new plan
    plan_code: String,
    /// Version of the plan. Default: the newest (platform_admin: any)
    #[arg(long, value_name = "N")]
    plan_version: Option<u32>,
    /// When the change takes effect. Default: immediate
    #[arg(long, value_parser = one_of(&Effective::ALL))]
    effective: Option<Effective>,
    /// How the rest of the period is billed. Default: prorate (none: platform_admin)
    #[arg(long, value_parser = one_of(&Proration::ALL))]
    proration: Option<Proration>,
    /// Drop add-ons of another currency instead of rejecting the change
    #[arg(long)]
    drop_incompatible: bool,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct GrantDiscountFields {
    /// Code of the coupon
    coupon: String,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct CancelSubscriptionFields {
    /// When the cancellation takes effect. Default: period_end
    #[arg(long, value_parser = one_of(&Effective::ALL))]
    effective: Option<Effective>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

impl Which {
    /// Builds a request to a route of the deployment.
    fn to(&self, client: &Client, handler: &str, open: &[(&str, &str)]) -> Result<Request, Failure> {
        let id = client.deployment_id(&self.id)?;
        let mut all = vec![("id", id.as_str())];
        all.extend(open);
        Request::to(handler, &all)
    }
}

impl Deployments {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        match &self.verb {
            Verb::List {
                filter:
                    Filter { tenant_id, state, slug, region, plan, plan_version, subscribed, billing_action_suspended },
                paging,
            } => {
                let request = Request::to("list_deployments", &[])?.query("tenant_id", tenant_id.clone());
                let request = request.query("state", *state).query("slug", slug.clone());
                let request = request.query("region", region.clone()).query("plan_code", plan.clone());
                let request = request.query("plan_version", *plan_version);
                let request = request.query("subscribed", *subscribed);
                let request = request.query("billing_action_suspended", *billing_action_suspended);
                client.list(&request, "deployments", paging, views::deployments)
            }
            Verb::Create { fields, once } => {
                let request = Request::to("create_deployment", &[])?.body(fields)?;
                let trial_ends_at = client.moment(fields.trial_ends_at.as_ref())?;
                let request = request.time("trial_ends_at", trial_ends_at)?.once(once);
                client.tell::<Event, _>(&request, |answer: &DeploymentAnswer<'_>, is_dry_run| {
                    views::deployment(&answer.deployment, true, is_dry_run)
                })
            }
            Verb::Show(which) => client.show(&which.to(client, "show_deployment", &[])?, show_deployment),
            Verb::Update { which, fields, clear, options } => {
                let request = which.to(client, "update_deployment", &[])?.body(fields)?.clear(clear)?.with(options);
                client.tell::<Event, _>(&request, |answer: &DeploymentAnswer<'_>, is_dry_run| {
                    views::deployment(&answer.deployment, true, is_dry_run)
                })
            }
            Verb::Transition { which, fields, options, once, confirmed } => {
                if fields.to_state == State::Archived {
                    confirmed.check(options, &format!("{} will be archived", which.id))?;
                }
                let request = which.to(client, "transition_deployment", &[])?.body(fields)?;
                let request = request.time("resume_at", client.moment(fields.resume_at.as_ref())?)?;
                let request = request.with(options).once(once);
                client.tell::<Event, _>(&request, |answer: &TransitionAnswer<'_>, is_dry_run| {
                    views::deployment(&answer.deployment, answer.event.is_some(), is_dry_run)
                })
            }
            Verb::Events { which, oldest_first, after, paging } => {
                let request = which.to(client, "list_events", &[])?.query("after", *after);
                let request = request.query("order", oldest_first.then_some("asc"));
                client.list(&request, "events", paging, views::events)
            }
            Verb::Resources { which, paging } => {
                client.list(&which.to(client, "list_resources", &[])?, "resources", paging, views::resources)
            }
            Verb::CreateResource { which, fields, options, once } => {
                let request = which.to(client, "create_resource", &[])?.body(fields)?.with(options).once(once);
                client.tell::<Event, _>(&request, |answer, _| views::resource(answer))
            }
            Verb::DeleteResource { which, resource_id, options } => {
                let request = which.to(client, "delete_resource", &[("resource_id", resource_id)])?.with(options);
                client.tell::<Event, _>(&request, |answer, _| views::resource(answer))
            }
            Verb::ExtendTrial { which, fields, options, once } => {
                let request = which.to(client, "extend_trial", &[])?.body(fields)?;
                let request = request.time("trial_ends_at", client.moment(Some(&fields.trial_ends_at))?)?;
                let request = request.with(options).once(once);
                client.tell::<Event, _>(&request, |answer: &ExtendTrialAnswer<'_>, is_dry_run| {
                    views::deployment(&answer.deployment, answer.event.is_some(), is_dry_run)
                })
            }
            Verb::Subscription(verb) => verb.run(client),
            Verb::Correction(verb) => verb.run(client),
        }
    }
}

impl SubscriptionVerb {
    fn run(&self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Subscribe { which, fields, options, once } => {
                let request = which.to(client, "subscribe_deployment", &[])?.body(fields)?;
                let trial_ends_at = client.moment(fields.trial_ends_at.as_ref())?;
                let request = request.time("trial_ends_at", trial_ends_at)?.with(options).once(once);
                client.tell::<Event, _>(&request, |answer: &SubscribeAnswer<'_>, _| {
                    views::subscription(answer.subscription.as_ref(), &[], answer.invoice.as_ref())
                })
            }
            Self::ChangePlan { which, fields, options, once } => {
                let request = which.to(client, "change_plan", &[])?.body(fields)?.with(options).once(once);
                client.tell::<Event, _>(&request, |answer: &ChangePlanAnswer<'_>, is_dry_run| {
                    // A dry run has its lines beside the response.
                    let lines = if is_dry_run { &[] } else { answer.lines.as_slice() };
                    views::subscription(answer.subscription.as_ref(), lines, answer.invoice.as_ref())
                })
            }
            Self::AttachAddon { which, fields, options, once } => {
                tell(client, &which.to(client, "attach_addon", &[])?.body(fields)?.with(options).once(once))
            }
            Self::DetachAddon { which, addon_id, remarks, options } => {
                let request = which.to(client, "detach_addon", &[("addon_id", addon_id)])?.body(remarks)?;
                tell(client, &request.with(options))
            }
            Self::WithdrawPlanChange { which, remarks, options } => {
                tell(client, &which.to(client, "withdraw_plan_change", &[])?.body(remarks)?.with(options))
            }
            Self::GrantDiscount { which, fields, options, once } => {
                tell(client, &which.to(client, "grant_discount", &[])?.body(fields)?.with(options).once(once))
            }
            Self::RemoveDiscount { which, remarks, options } => {
                tell(client, &which.to(client, "remove_discount", &[])?.body(remarks)?.with(options))
            }
            Self::CancelSubscription { which, fields, options, once, confirmed } => {
                if matches!(fields.effective, Some(Effective::Immediate)) {
                    confirmed.check(options, &format!("the subscription of {} will end immediately", which.id))?;
                }
                tell(client, &which.to(client, "cancel_subscription", &[])?.body(fields)?.with(options).once(once))
            }
            Self::WithdrawCancellation { which, remarks, options } => {
                tell(client, &which.to(client, "withdraw_cancellation", &[])?.body(remarks)?.with(options))
            }
        }
    }
}

/// Sends a command on a subscription that answers with it.
fn tell(client: &Client, request: &Request) -> Result<(), Failure> {
    client.tell::<Event, _>(request, |answer: &SubscriptionAnswer<'_>, _| {
        views::subscription(answer.subscription.as_ref(), &[], None)
    })
}
