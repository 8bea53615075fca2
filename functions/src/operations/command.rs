//! The command that an operation gives to one deployment, with the records that it needs.

use arcadia_domain::{
    Amount, AnnouncePrice, Command, Correction, GrantDiscount, OneOff, Operation, OperationCommand, Rejection,
    Transition, UpdateDeployment,
};

use crate::Error;
use crate::execute::Current;
use crate::runtime::App;
use crate::subscriptions::change_plan::NewTerms;

/// The most deployments of a page that are taken concurrently.
pub const CONCURRENCY: usize = 32;

/// Makes the command of an operation for a deployment.
///
/// # Errors
/// As the handler of the single command.
pub async fn order(app: &App, operation: &Operation, current: Current) -> Result<(Current, Command), Error> {
    match &operation.command {
        OperationCommand::Transition { to_state } => {
            let Operation { reason, notes, .. } = operation;
            let (reason, notes) = (reason.clone(), notes.clone());
            let transition = Transition { to_state: *to_state, reason, notes, resume_at: None };
            Ok((current, Command::Transition(transition)))
        }
        OperationCommand::ChangePlan { plan_code, plan_version, effective, proration, drop_incompatible } => {
            let terms = NewTerms {
                plan_code,
                plan_version: Some(*plan_version),
                effective: *effective,
                proration: *proration,
                drop_incompatible: *drop_incompatible,
            };
            terms.order(app, current).await
        }
        OperationCommand::AnnouncePrice { terms, replaces, effective_from } => {
            let (terms, replaces, effective_from) = (terms.clone(), *replaces, *effective_from);
            Ok((current, Command::AnnouncePrice(AnnouncePrice { terms, replaces, effective_from })))
        }
        OperationCommand::Update { billing_action_suspended } => {
            let billing_action_suspended = Some(*billing_action_suspended);
            let update = UpdateDeployment { billing_action_suspended, ..UpdateDeployment::default() };
            Ok((current, Command::Update(update)))
        }
        OperationCommand::Credit { amount_cents, currency } => {
            let amount = Amount { amount_cents: *amount_cents, currency: *currency };
            Ok((current, correct(operation, Correction::Credit(amount))))
        }
        OperationCommand::Charge { description, amount_cents, currency, when } => {
            let (description, amount_cents) = (description.clone(), *amount_cents);
            let one_off = OneOff { description, amount_cents, currency: *currency, when: *when };
            Ok((current, correct(operation, Correction::Charge(one_off))))
        }
        OperationCommand::DueDate { postponement } => {
            Ok((current, correct(operation, Correction::Postpone(*postponement))))
        }
        OperationCommand::Discount { coupon: code } => {
            let coupon = app.store.load_coupon(code).await?.ok_or_else(|| Rejection::UnknownCoupon(code.clone()))?;
            let Operation { reason, notes, .. } = operation;
            let (reason, notes) = (reason.clone(), notes.clone());
            Ok((current, Command::GrantDiscount(GrantDiscount { coupon, reason, notes })))
        }
        OperationCommand::CopyTenantRules => {
            // Read after the deployment, whose commit fails if newer rules reach it meanwhile.
            let limits = app.store.load_limits(&current.aggregate.deployment.tenant_id).await?;
            Ok((current, Command::FollowTenant(limits.unwrap_or_default().rules())))
        }
    }
}

/// Number of deployments of a page that are taken concurrently. Grants of one coupon are counted at the coupon, so they
/// would only make each other fail.
pub const fn concurrency(command: &OperationCommand) -> usize {
    match command {
        OperationCommand::Discount { .. } => 1,
        OperationCommand::Transition { .. }
        | OperationCommand::ChangePlan { .. }
        | OperationCommand::AnnouncePrice { .. }
        | OperationCommand::Update { .. }
        | OperationCommand::Credit { .. }
        | OperationCommand::Charge { .. }
        | OperationCommand::DueDate { .. }
        | OperationCommand::CopyTenantRules => CONCURRENCY,
    }
}

fn correct(operation: &Operation, correction: Correction) -> Command {
    let Operation { reason, notes, .. } = operation;
    crate::corrections::correct(correction, reason.clone(), notes.clone())
}
