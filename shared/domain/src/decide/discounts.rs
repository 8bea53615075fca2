//! The rules of discounts: granting the discount of a coupon to a subscription, and removing it. How a discount lowers
//! charges is in [`super::books`].

use super::subscriptions::live_subscription;
use super::{Context, Rejection};
use crate::aggregate::Change;
use crate::catalog::CatalogStatus;
use crate::coupon::{Coupon, Discount, Redemption};
use crate::event::{Event, EventKind};
use crate::subscription::Subscription;
use crate::values::{Notes, Reason};

/// The command that grants the discount of a coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantDiscount {
    /// The coupon, as read from the catalog.
    pub coupon: Coupon,
    /// The reason.
    pub reason: Option<Reason>,
    /// Notes.
    pub notes: Option<Notes>,
}

/// The command that removes the discount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoveDiscount {
    /// The reason.
    pub reason: Option<Reason>,
    /// Notes.
    pub notes: Option<Notes>,
}

/// Grants a discount, which runs from the next period that opens. It can replace one that has no period left: then
/// further charges of the present period have no discount.
pub(super) fn grant(context: &Context<'_>, command: GrantDiscount) -> Result<Change, Rejection> {
    let GrantDiscount { coupon, reason, notes } = command;
    let subscription = live_subscription(context)?;
    let present = subscription.discount.as_ref().filter(|present| present.periods_left != Some(0));
    if let Some(present) = present {
        return Err(Rejection::DiscountExists(present.coupon.clone()));
    }
    let discount = coupon.grant(context.at);
    require_redeemable(context, &coupon)?;
    require_cover(&discount, &subscription)?;
    let subscription = Subscription { discount: Some(discount), ..subscription };
    let granted = Event { reason, notes, ..context.event(EventKind::DiscountGranted { subscription }) };
    let Coupon { code, revision, max_redemptions, .. } = coupon;
    Ok(Change {
        redeems: Some(Redemption { coupon: code, revision, max_redemptions }),
        ..context.change(vec![granted])
    })
}

/// Removes the discount: a running one at the end of the period, another one at once.
pub(super) fn remove(context: &Context<'_>, command: RemoveDiscount) -> Result<Option<Change>, Rejection> {
    let RemoveDiscount { reason, notes } = command;
    let mut subscription = live_subscription(context)?;
    let present = subscription.discount.take().ok_or(Rejection::NoDiscount)?;
    if present.running && present.periods_left == Some(0) {
        return Ok(None);
    }
    let coupon = present.coupon.clone();
    subscription.discount = Some(Discount { periods_left: Some(0), ..present }).filter(|present| present.running);
    let removed = EventKind::DiscountRemoved { coupon, subscription };
    Ok(Some(context.change(vec![Event { reason, notes, ..context.event(removed) }])))
}

fn require_redeemable(context: &Context<'_>, coupon: &Coupon) -> Result<(), Rejection> {
    match coupon.status {
        CatalogStatus::Active => {}
        CatalogStatus::Retired => return Err(Rejection::CouponRetired(coupon.code.clone())),
    }
    if coupon.redeem_by.is_some_and(|last| last < context.at) {
        return Err(Rejection::CouponExpired(coupon.code.clone()));
    }
    if coupon.max_redemptions.is_some_and(|max| coupon.redemptions >= max) {
        return Err(Rejection::CouponExhausted(coupon.code.clone()));
    }
    Ok(())
}

fn require_cover(discount: &Discount, subscription: &Subscription) -> Result<(), Rejection> {
    let (coupon, terms) = (discount.coupon.clone(), &subscription.terms);
    if !discount.is_for(&terms.plan_code) {
        return Err(Rejection::CouponNotForPlan { coupon, plan_code: terms.plan_code.clone() });
    }
    match discount.currency {
        Some(currency) if currency != terms.currency => {
            Err(Rejection::CouponCurrency { coupon, currency, expected: terms.currency })
        }
        Some(_) | None => Ok(()),
    }
}
