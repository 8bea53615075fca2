//! The table of powers: the actions about money that each role may take, as data. `GET /lifecycle`, the documentation
//! and the OpenAPI document are made from it, and [`super::decide()`] checks it first.
//!
//! Powers that are moves are defined by the lifecycle map; the table only names them. Scheduled steps are not here:
//! they need no power of a caller.

use Grant::{Always, Limited, Never};
use Holders::{Moves, Roles};

use super::actor::{Authority, Grant};
use super::lifecycle::State;

/// An action about money that not every role may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Buy plans and add-ons, and cancel or detach them.
    Buy,
    /// Choose the version of a plan that is bought.
    ChooseVersion,
    /// Change the plan without proration.
    SkipProration,
    /// Grant a trial, or move the end of one.
    SetTrial,
    /// Withdraw or replace a scheduled change of plan, or withdraw a scheduled cancellation.
    TakeBack,
    /// Resume a paused deployment.
    Resume,
    /// Cancel a deployment that is past due or suspended.
    Leave,
    /// Reactivate a cancelled deployment.
    Reactivate,
    /// Set or clear the hold of a deployment.
    Hold,
    /// Record cloud resources and their deletion.
    RecordResources,
    /// Record payments and their reversal.
    RecordPayments,
    /// Void an invoice.
    Void,
    /// Set the fields of a tenant.
    SetTenant,
    /// Hold a tenant and release it.
    HoldTenant,
    /// Charge once, credit, refund, write off and move due dates.
    Correct,
    /// Grant and remove the discount of a subscription.
    Discount,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerRow {
    /// The power.
    pub power: Power,
    /// The action that it allows, as a phrase that begins with a verb.
    pub description: &'static str,
    /// The roles that have it; `platform_admin` has every power.
    holders: Holders,
}

/// The roles that have a power, apart from `platform_admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holders {
    /// These roles.
    Roles { tenant_user: Grant, payment_provider: Grant, data_plane: Grant },
    /// The roles that may make these moves of the lifecycle map.
    Moves(&'static [(State, State)]),
}

/// No role but `platform_admin`.
const PLATFORM_ALONE: Holders = Roles { tenant_user: Never, payment_provider: Never, data_plane: Never };

/// The table, in the order of [`Power`].
pub const POWERS: &[PowerRow] = &[
    PowerRow {
        power: Power::Buy,
        description: "subscribe, attach and detach add-ons, change the plan, cancel the subscription",
        holders: Roles { tenant_user: Always, payment_provider: Never, data_plane: Never },
    },
    PowerRow {
        power: Power::ChooseVersion,
        description: "choose the version of a plan",
        holders: Roles {
            tenant_user: Limited(
                "the newest of a plan on sale, or the terms that the live subscription has, even if the plan is retired",
            ),
            payment_provider: Never,
            data_plane: Never,
        },
    },
    PowerRow {
        power: Power::SkipProration,
        description: "change the plan with `proration` `none`",
        holders: PLATFORM_ALONE,
    },
    PowerRow {
        power: Power::SetTrial,
        description: "create in `trial`, set `trial_ends_at`, extend or shorten a trial",
        holders: PLATFORM_ALONE,
    },
    PowerRow {
        power: Power::TakeBack,
        description: "withdraw or replace a scheduled plan change, withdraw a scheduled cancellation",
        holders: Roles {
            tenant_user: Limited("those that a tenant's user scheduled"),
            payment_provider: Never,
            data_plane: Never,
        },
    },
    PowerRow {
        power: Power::Resume,
        description: "resume: `paused` to `active`",
        holders: Moves(&[(State::Paused, State::Active)]),
    },
    PowerRow {
        power: Power::Leave,
        description: "cancel with debts: `past_due` or `suspended` to `cancelled`",
        holders: Moves(&[(State::PastDue, State::Cancelled), (State::Suspended, State::Cancelled)]),
    },
    PowerRow {
        power: Power::Reactivate,
        description: "reactivate: `cancelled` to `active`",
        holders: Moves(&[(State::Cancelled, State::Active)]),
    },
    PowerRow {
        power: Power::Hold,
        description: "set or clear the hold, `billing_action_suspended`",
        holders: PLATFORM_ALONE,
    },
    PowerRow {
        power: Power::RecordResources,
        description: "record cloud resources and their deletion",
        holders: Roles { tenant_user: Never, payment_provider: Never, data_plane: Always },
    },
    PowerRow {
        power: Power::RecordPayments,
        description: "record payments and their reversal",
        holders: Roles { tenant_user: Never, payment_provider: Always, data_plane: Never },
    },
    PowerRow { power: Power::Void, description: "void an invoice", holders: PLATFORM_ALONE },
    PowerRow {
        power: Power::SetTenant,
        description: "set a tenant's fields",
        holders: Roles {
            tenant_user: Limited("the billing address and the e-mail address"),
            payment_provider: Never,
            data_plane: Never,
        },
    },
    PowerRow { power: Power::HoldTenant, description: "hold a tenant and release it", holders: PLATFORM_ALONE },
    PowerRow {
        power: Power::Correct,
        description: "charge once, grant and issue credits, refund, write off, move due dates",
        holders: PLATFORM_ALONE,
    },
    PowerRow { power: Power::Discount, description: "grant and remove discounts", holders: PLATFORM_ALONE },
];

/// Ends the build if a row is not in its place.
const _: () = {
    let mut n = 0;
    while n < POWERS.len() {
        assert!(POWERS[n].power as usize == n, "the table is not in the order of the powers");
        n += 1;
    }
    assert!(POWERS.len() == Power::Discount as usize + 1, "a power has no row");
};

impl Power {
    /// Its row of the table.
    #[must_use]
    pub const fn row(self) -> &'static PowerRow {
        &POWERS[self as usize]
    }

    /// Whether `authority` may use it.
    #[must_use]
    pub fn grant(self, authority: Authority) -> Grant {
        self.row().grant(authority)
    }
}

impl PowerRow {
    /// Whether `authority` may use the power.
    #[must_use]
    pub fn grant(&self, authority: Authority) -> Grant {
        match self.holders {
            Moves(moves) => {
                let (from, to) = moves[0];
                from.move_to(to).map_or(Never, |step| step.permission.grant(authority))
            }
            Roles { tenant_user, payment_provider, data_plane } => match authority {
                Authority::PlatformAdmin => Always,
                Authority::TenantUser => tenant_user,
                Authority::PaymentProvider => payment_provider,
                Authority::DataPlane => data_plane,
                Authority::Billing => Never,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Authority = Authority::TenantUser;
    const PROVIDER: Authority = Authority::PaymentProvider;
    const DATA_PLANE: Authority = Authority::DataPlane;

    /// The table of the design, written out a second time by hand: who has a power always, and who within limits.
    const DESIGN: &[(Power, &[Authority], &[Authority])] = &[
        (Power::Buy, &[TENANT], &[]),
        (Power::ChooseVersion, &[], &[TENANT]),
        (Power::SkipProration, &[], &[]),
        (Power::SetTrial, &[], &[]),
        (Power::TakeBack, &[], &[TENANT]),
        (Power::Resume, &[], &[TENANT]),
        (Power::Leave, &[TENANT], &[]),
        (Power::Reactivate, &[], &[TENANT]),
        (Power::Hold, &[], &[]),
        (Power::RecordResources, &[DATA_PLANE], &[]),
        (Power::RecordPayments, &[PROVIDER], &[]),
        (Power::Void, &[], &[]),
        (Power::SetTenant, &[], &[TENANT]),
        (Power::HoldTenant, &[], &[]),
        (Power::Correct, &[], &[]),
        (Power::Discount, &[], &[]),
    ];

    #[test]
    fn every_row_is_as_designed() {
        assert_eq!(DESIGN.len(), POWERS.len());
        for (power, always, limited) in DESIGN {
            for authority in [TENANT, PROVIDER, DATA_PLANE] {
                let grant = power.grant(authority);
                assert_eq!(grant == Always, always.contains(&authority), "{power:?}, {authority:?}");
                assert_eq!(matches!(grant, Limited(_)), limited.contains(&authority), "{power:?}, {authority:?}");
            }
            assert_eq!(power.grant(Authority::PlatformAdmin), Always, "{power:?}");
        }
    }

    #[test]
    fn the_moves_of_a_row_are_in_the_map_and_are_all_granted_alike() {
        for row in POWERS {
            let Moves(moves) = row.holders else { continue };
            for (from, to) in moves {
                let step = from.move_to(*to).unwrap_or_else(|| panic!("{from} to {to} is not in the map"));
                for authority in Authority::ALL {
                    assert_eq!(step.permission.grant(authority), row.grant(authority), "{from} to {to}");
                }
            }
        }
    }
}
