//! `arcadia tenants`: shows tenants, sets their fields and dunning policies, holds and releases them through the API.

use arcadia_api::Body as _;
use arcadia_api::body::PutTenantRequest;
use arcadia_domain::TenantEvent;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::Connection;
use super::corrections::Remarks;
use crate::client::{Client, Failure, Options, Paging, Request, views};

#[derive(Debug, Args)]
pub struct Tenants {
    #[command(subcommand)]
    noun: Noun,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// List tenants with the amounts they owe (platform_admin)
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a tenant: name, billing address, e-mail address, tax id and rate, quota, hold
    Show {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
    },
    /// Set fields of a tenant (platform_admin; a tenant's users set the billing address and the e-mail address)
    Set {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
        #[command(flatten)]
        fields: Fields,
        /// Field to clear; can be repeated
        #[arg(long, value_name = "FIELD", value_parser = PossibleValuesParser::new(PutTenantRequest::clearable()))]
        clear: Vec<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Hold a tenant: pause its active deployments until it is released (platform_admin)
    Hold {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
        #[command(flatten)]
        fields: HoldFields,
        #[command(flatten)]
        options: Options,
    },
    /// Release a tenant from its hold: resume the deployments that the hold paused (platform_admin)
    Release {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
        #[command(flatten)]
        remarks: Remarks,
        #[command(flatten)]
        options: Options,
    },
    /// List a tenant's own history, newest first
    Events {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
        /// Oldest first
        #[arg(long)]
        oldest_first: bool,
        /// Only events after this sequence
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a tenant's account: deployments by state, amounts owed, next invoices
    Account {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
        /// Include the statement of this month, such as 2027-01
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
    },
    /// Show or set a tenant's dunning policy
    #[command(subcommand)]
    DunningPolicy(Verb),
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show a tenant's dunning policy, or the default if none is set
    Show {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
    },
    /// Set a tenant's dunning policy; deadlines that already run do not move (platform_admin)
    Set {
        /// Id of the tenant
        #[arg(value_name = "TENANT")]
        tenant_id: String,
        #[command(flatten)]
        fields: PolicyFields,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args, Serialize)]
struct Fields {
    /// Name of the customer
    #[arg(long)]
    name: Option<String>,
    /// The address on its invoices
    #[arg(long, value_name = "TEXT")]
    billing_address: Option<String>,
    /// Where its invoices are sent
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Its tax id, such as a VAT number
    #[arg(long, value_name = "ID")]
    tax_id: Option<String>,
    /// The tax rate of its invoices from now on, in basis points; 1900 is 19 percent
    #[arg(long, value_name = "N")]
    tax_rate_basis_points: Option<u32>,
    /// The most live deployments that it can have
    #[arg(long, value_name = "N")]
    deployment_quota: Option<u32>,
    /// Pause an active deployment after this many days without a live subscription
    #[arg(long, value_name = "N")]
    unsubscribed_after_days: Option<u32>,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

#[derive(Debug, Args, Serialize)]
struct HoldFields {
    /// One-line reason, which the tenant's users can read
    #[arg(long)]
    reason: String,
    /// Notes, which the tenant's users can read
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

#[derive(Debug, Args, Serialize)]
struct PolicyFields {
    /// Days from an invoice's issue to its due date
    #[arg(long, value_name = "N")]
    payment_terms_days: i64,
    /// Days from the due date to past_due
    #[arg(long, value_name = "N")]
    past_due_after_days: i64,
    /// Days from the due date to suspended
    #[arg(long, value_name = "N")]
    suspended_after_days: i64,
    /// Days from the due date to cancelled
    #[arg(long, value_name = "N")]
    cancelled_after_days: i64,
    /// Days from cancelled to archived
    #[arg(long, value_name = "N")]
    archived_after_days: i64,
    #[command(flatten)]
    #[serde(flatten)]
    remarks: Remarks,
}

impl Tenants {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let verb = match &self.noun {
            Noun::DunningPolicy(verb) => verb,
            Noun::Show { tenant_id } => {
                let request = Request::to("show_tenant", &[("tenant_id", tenant_id)])?;
                return client.show(&request, |answer| views::tenant(answer, false));
            }
            Noun::Set { tenant_id, fields, clear, options } => {
                return set(client, tenant_id, fields, clear, options);
            }
            Noun::Hold { tenant_id, fields, options } => {
                let request = Request::to("hold_tenant", &[("tenant_id", tenant_id)])?.body(fields)?.with(options);
                return client.tell::<TenantEvent, _>(&request, views::tenant);
            }
            Noun::Release { tenant_id, remarks, options } => {
                let request = Request::to("release_tenant", &[("tenant_id", tenant_id)])?.body(remarks)?.with(options);
                return client.tell::<TenantEvent, _>(&request, views::tenant);
            }
            Noun::Events { tenant_id, oldest_first, after, paging } => {
                let request = Request::to("list_tenant_events", &[("tenant_id", tenant_id)])?
                    .query("after", *after)
                    .query("order", oldest_first.then_some("asc"));
                return client.list(&request, "events", paging, views::tenant_events);
            }
            Noun::List { paging } => {
                return client.list(&Request::to("list_tenants", &[])?, "tenants", paging, views::tenants);
            }
            Noun::Account { tenant_id, month } => {
                let request = Request::to("show_account", &[("tenant_id", tenant_id)])?.query("month", month.clone());
                return client.show(&request, views::account);
            }
        };
        let request = match verb {
            Verb::Show { tenant_id } => Request::to("show_dunning_policy", &[("tenant_id", tenant_id)])?,
            Verb::Set { tenant_id, fields, options } => {
                Request::to("put_dunning_policy", &[("tenant_id", tenant_id)])?.body(fields)?.with(options)
            }
        };
        client.tell::<TenantEvent, _>(&request, |answer, _| views::dunning_policy(answer))
    }
}

fn set(client: &Client, tenant_id: &str, fields: &Fields, clear: &[String], options: &Options) -> Result<(), Failure> {
    let request = Request::to("put_tenant", &[("tenant_id", tenant_id)])?.body(fields)?.clear(clear)?.with(options);
    client.tell::<TenantEvent, _>(&request, views::tenant)
}
