//! `arcadia operations`: gives a command to many deployments through the API, and follows it.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use arcadia_api::answer::{OperationAnswer, OperationDryRun};
use arcadia_domain::{Effective, Invoiced, OperationOutcome, Proration, State};
use clap::{ArgAction, ArgGroup, Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::connection::{Confirmed, Connection};
use super::money::Sum;
use crate::client::{Client, Failure, Moment, Once, Options, Paging, Request, Text, one_of, plain, views};

/// Time between two requests for the progress of an operation.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many requests in a row may fail before a watch ends.
const MAX_FAILURES: u32 = 60;

#[derive(Debug, Args)]
pub struct Operations {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one is made for each run of the program")]
enum Verb {
    /// Start a command on many deployments, or show what it would do with --dry-run
    Start {
        #[command(subcommand)]
        command: Command,
    },
    /// List operations, newest first
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an operation with its progress
    Show(Which),
    /// List the results of an operation, by deployment
    Results {
        #[command(flatten)]
        which: Which,
        /// Only results with this outcome
        #[arg(long, value_parser = one_of(&OperationOutcome::ALL))]
        outcome: Option<OperationOutcome>,
        /// Print comma-separated values
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        #[command(flatten)]
        paging: Paging,
    },
    /// Stop an operation; deployments that have a result keep it
    Stop {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        once: Once,
    },
    /// Show the progress of an operation until it has ended: a bar in a terminal, otherwise lines
    Watch(Which),
}

/// Selects an operation.
#[derive(Debug, Args)]
struct Which {
    /// Id of the operation
    #[arg(value_name = "OPERATION")]
    id: String,
}

/// The command of an operation.
#[derive(Debug, Subcommand)]
enum Command {
    /// Move each deployment to another state
    Transition {
        /// The state to enter
        #[arg(value_parser = one_of(&State::ALL))]
        to_state: State,
        #[command(flatten)]
        how: How,
    },
    /// Change the plan version of each live subscription
    ChangePlan {
        #[command(flatten)]
        fields: ChangePlanFields,
        #[command(flatten)]
        how: How,
    },
    /// Set or clear the hold of each deployment
    Update {
        /// Hold: whether scheduled steps leave its state unchanged
        #[arg(long, value_name = "BOOLEAN", action = ArgAction::Set)]
        billing_action_suspended: bool,
        #[command(flatten)]
        how: How,
    },
    /// Grant each deployment a credit, such as for an outage; requires --reason
    Credit {
        #[command(flatten)]
        amount: Sum,
        #[command(flatten)]
        how: How,
    },
    /// Charge each deployment once
    Charge {
        #[command(flatten)]
        amount: Sum,
        /// The description on the invoice
        #[arg(long, value_name = "TEXT")]
        description: String,
        /// When it is invoiced
        #[arg(long, value_parser = one_of(&Invoiced::ALL), default_value = Invoiced::NextInvoice.as_str())]
        when: Invoiced,
        #[command(flatten)]
        how: How,
    },
    /// Give every open invoice of each deployment a later due date: --due-at or --days
    #[command(group(ArgGroup::new("later").required(true)))]
    DueDate {
        /// The new due date, such as 2027-02-14, or 14d for two weeks from now; an invoice that is due then or later keeps its own
        #[arg(long, value_name = "TIME", group = "later")]
        due_at: Option<Moment>,
        /// Days that each invoice is postponed by, from its due date, or from now on if it is overdue
        #[arg(long, value_name = "N", group = "later")]
        days: Option<u32>,
        #[command(flatten)]
        how: How,
    },
    /// Grant the subscription of each deployment the discount of a coupon
    Discount {
        /// Code of the coupon
        #[arg(value_name = "COUPON")]
        coupon: String,
        #[command(flatten)]
        how: How,
    },
    /// Copy the rules of its tenant, such as a hold or a tax rate, to each deployment again
    CopyTenantRules {
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args, Serialize)]
struct ChangePlanFields {
    /// Code of the new plan
    #[arg(value_name = "PLAN")]
    plan_code: String,
    /// Version of the new plan
    #[arg(value_name = "VERSION")]
    plan_version: u32,
    /// When the change takes effect. Default: immediate
    #[arg(long, value_parser = one_of(&Effective::ALL))]
    effective: Option<Effective>,
    /// How the rest of the period is billed. Default: prorate
    #[arg(long, value_parser = one_of(&Proration::ALL))]
    proration: Option<Proration>,
    /// Drop add-ons of another currency instead of rejecting the change
    #[arg(long)]
    drop_incompatible: bool,
}

/// The deployments of an operation, and how it is carried out.
#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    fields: HowFields,
    /// Show how many deployments match and what the first ones would get, without storing anything
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    confirmed: Confirmed,
}

#[derive(Debug, Args)]
struct Filter {
    /// Only deployments of this tenant
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Only deployments in this state
    #[arg(long, value_parser = one_of(&State::ALL))]
    state: Option<State>,
    /// Only deployments with a live subscription to this plan
    #[arg(long, value_name = "CODE")]
    plan: Option<String>,
    /// Only deployments subscribed to this version of --plan
    #[arg(id = "filter_plan_version", long = "plan-version", value_name = "N", requires = "plan")]
    plan_version: Option<u32>,
    /// Only these deployments: their ids, their slugs, or tenants and slugs as in acme/shop; can be repeated
    #[arg(long = "deployment", value_name = "DEPLOYMENT")]
    deployments: Vec<String>,
}

#[derive(Debug, Args, Serialize)]
struct HowFields {
    /// One-line reason, stored in the events
    #[arg(long)]
    reason: Option<String>,
    /// Notes, stored in the events
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Deployments per second, at most 400. Default: 100
    #[arg(long = "rate", value_name = "N")]
    rate_per_second: Option<u32>,
}

/// A command as the API has it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire<'a> {
    Transition {
        to_state: State,
    },
    ChangePlan(&'a ChangePlanFields),
    Update {
        billing_action_suspended: bool,
    },
    Credit(&'a Sum),
    Charge {
        #[serde(flatten)]
        amount: &'a Sum,
        description: &'a str,
        when: Invoiced,
    },
    DueDate {
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    },
    Discount {
        coupon: &'a str,
    },
    CopyTenantRules {},
}

/// A filter as the API has it.
#[derive(Debug, Serialize)]
struct WireFilter<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_version: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
}

impl Command {
    /// The command as the API has it, and how it is carried out.
    fn parts(&self, client: &Client) -> Result<(Wire<'_>, &How), Failure> {
        Ok(match self {
            Self::Transition { to_state, how } => (Wire::Transition { to_state: *to_state }, how),
            Self::ChangePlan { fields, how } => (Wire::ChangePlan(fields), how),
            Self::Update { billing_action_suspended, how } => {
                (Wire::Update { billing_action_suspended: *billing_action_suspended }, how)
            }
            Self::Credit { amount, how } => (Wire::Credit(amount), how),
            Self::Charge { amount, description, when, how } => (Wire::Charge { amount, description, when: *when }, how),
            Self::DueDate { due_at, days, how } => {
                (Wire::DueDate { due_at: client.moment(due_at.as_ref())?, days: *days }, how)
            }
            Self::Discount { coupon, how } => (Wire::Discount { coupon }, how),
            Self::CopyTenantRules { how } => (Wire::CopyTenantRules {}, how),
        })
    }

    fn start(&self, client: &Client) -> Result<(), Failure> {
        let (command, how) = self.parts(client)?;
        let How { filter, fields, dry_run, once, confirmed } = how;
        let request = Request::to("start_operation", &[])?.body(fields)?.field("filter", Some(filter.wire(client)?))?;
        let due_at = if let Wire::DueDate { due_at, .. } = &command { due_at.clone() } else { None };
        let request = request.field("command", Some(command))?.naming("due_at", due_at.as_deref()).once(once);
        let preview = request.clone().field("dry_run", Some(true))?;
        if *dry_run {
            return client.show(&preview, views::operation_preview);
        }
        let OperationDryRun { matching, .. } = client.call(&preview)?;
        // One that is repeated under its key may have been carried out already.
        if matching.count == 0 && once.idempotency_key.is_none() {
            return Err(Failure::Usage("no deployment matches: nothing was started".to_owned()));
        }
        let matching = views::matching(matching);
        confirmed.check(&Options::default(), &format!("the command will be given to {matching}"))?;
        client.show(&request, |answer: &OperationAnswer<'_>| {
            let mut text = show(answer);
            text.line([plain(&format!("follow it with arcadia operations watch {}", answer.operation.id))]);
            text
        })
    }
}

impl Filter {
    fn wire(&self, client: &Client) -> Result<WireFilter<'_>, Failure> {
        let Self { tenant_id, state, plan, plan_version, deployments } = self;
        let ids = deployments.iter().map(|name| client.deployment_id(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(WireFilter {
            tenant_id: tenant_id.as_deref(),
            state: *state,
            plan_code: plan.as_deref(),
            plan_version: *plan_version,
            ids,
        })
    }
}

impl Operations {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let client = &self.connection.open()?;
        let to = |handler: &str, which: &Which| Request::to(handler, &[("operation_id", &which.id)]);
        match &self.verb {
            Verb::Start { command } => command.start(client),
            Verb::List { paging } => {
                client.list(&Request::to("list_operations", &[])?, "operations", paging, views::operations)
            }
            Verb::Show(which) => client.show(&to("show_operation", which)?, show),
            Verb::Results { which, outcome, csv, paging } => {
                let request = to("list_operation_results", which)?.query("outcome", *outcome);
                if *csv {
                    client.list_csv(&request, paging)
                } else {
                    client.list(&request, "results", paging, views::operation_results)
                }
            }
            Verb::Stop { which, once } => client.show(&to("stop_operation", which)?.once(once), show),
            Verb::Watch(which) => watch(client, &to("show_operation", which)?),
        }
    }
}

fn show(answer: &OperationAnswer<'_>) -> Text {
    views::operation(&answer.operation)
}

/// Requests an operation repeatedly until it has ended, and then shows it.
fn watch(client: &Client, request: &Request) -> Result<(), Failure> {
    let bar = progress_bar();
    let (mut last, mut failures) = (String::new(), 0);
    loop {
        let OperationAnswer { operation } = match client.call(request) {
            // The operation continues whether or not it is watched.
            Err(failure) if failure.is_passing() && failures < MAX_FAILURES => {
                failures += 1;
                thread::sleep(LOOK_EVERY);
                continue;
            }
            answered => answered?,
        };
        failures = 0;
        let (done, line) = (views::results_so_far(&operation), views::operation_line(&operation));
        let remaining = operation.remaining;
        bar.set_length(done + remaining);
        bar.set_position(done);
        bar.set_message(line.clone());
        if !io::stderr().is_terminal() && line != last {
            eprintln!("{done} of about {}: {line}", done + remaining);
            last = line;
        }
        if !operation.status.has_work() {
            bar.finish_and_clear();
            return client.show(request, show);
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos} of about {len}, {elapsed} so far, {eta} to go: {msg}");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
