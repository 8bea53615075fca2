//! `arcadia tenants`: shows tenants and sets dunning policies through the API.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::connection::Connection;
use crate::client::{Failure, Paging, Request, views};

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
    },
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
}

impl Tenants {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let verb = match &self.noun {
            Noun::DunningPolicy(verb) => verb,
            Noun::List { paging } => {
                return client.list(&Request::to("list_tenants", &[])?, "tenants", paging, views::tenants);
            }
            Noun::Account { tenant_id, month } => {
                let request = Request::to("show_account", &[("tenant_id", tenant_id)])?.query("month", month.clone());
                return client.tell(&request, views::account);
            }
        };
        let request = match verb {
            Verb::Show { tenant_id } => Request::to("show_dunning_policy", &[("tenant_id", tenant_id)])?,
            Verb::Set { tenant_id, fields } => {
                Request::to("put_dunning_policy", &[("tenant_id", tenant_id)])?.body(fields)?
            }
        };
        client.tell(&request, views::dunning_policy)
    }
}
