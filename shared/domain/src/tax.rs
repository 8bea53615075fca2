//! Tax: the tax line of an invoice, and the tax that its credits give back. Which rate a deployment has is in
//! [`super::tenant_rules`], when an invoice is issued or credited in [`super::decide()`].
//!
//! The rule: tax is exclusive, on the sum of the other lines of an invoice, rounded half up once. The tax line is a
//! charge. Credits of the other charges credit it down to the tax of what remains, so the remaining charges are always
//! taxed at the invoice's own rate, and an invoice that is credited in full has no tax left.

use super::coupon::WHOLE_BASIS_POINTS;
use super::money::prorate;

/// The tax on an amount, in minor units, rounded half up. The amount must not be negative, and the rate is at most
/// [`WHOLE_BASIS_POINTS`].
#[must_use]
pub fn tax_cents(net_cents: i64, rate_basis_points: u32) -> i64 {
    prorate(net_cents, i64::from(rate_basis_points), WHOLE_BASIS_POINTS)
}

/// The remaining part of an invoice: its charges before tax, and its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxed {
    /// Its tax rate.
    pub rate_basis_points: u32,
    /// Its charges before tax less their credits, in minor units.
    pub net_cents: i64,
    /// Its tax less the credits of that, in minor units.
    pub tax_cents: i64,
}

impl Taxed {
    /// The tax of a credit of `net_cents`, in minor units: down to the tax of the remaining part.
    #[must_use]
    pub fn credit_cents(self, net_cents: i64) -> i64 {
        (self.tax_cents - tax_cents((self.net_cents - net_cents).max(0), self.rate_basis_points)).max(0)
    }

    /// The part before tax of a credit of `gross_cents`, in minor units; the rest is tax. A cent that no credit at the
    /// rate gives exactly belongs to the tax. The caller checks that it does not exceed the remaining part.
    #[must_use]
    pub fn net_part_cents(self, gross_cents: i64) -> i64 {
        // The greatest part that does not make more than the whole. The whole grows with the part.
        let (mut least, mut beyond) = (0, self.net_cents.min(gross_cents) + 1);
        while beyond - least > 1 {
            let middle = least + (beyond - least) / 2;
            if middle + self.credit_cents(middle) <= gross_cents { least = middle } else { beyond = middle }
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::MAX_PRICE_CENTS;

    const fn taxed(rate_basis_points: u32, net_cents: i64, tax_cents: i64) -> Taxed {
        Taxed { rate_basis_points, net_cents, tax_cents }
    }

    #[test]
    fn tax_is_rounded_half_up_and_a_credit_leaves_the_tax_of_what_stands() {
        for (net, rate, tax) in [(2_900, 1_900, 551), (3_650, 1_900, 694), (50, 100, 1), (49, 100, 0), (7, 10_000, 7)] {
            assert_eq!(tax_cents(net, rate), tax, "{net} at {rate}");
        }
        let invoice = taxed(1_900, 3_650, 694);
        assert_eq!(invoice.credit_cents(375), 694 - 622, "of 3275 it is 622.25");
        assert_eq!(invoice.credit_cents(3_650), 694);
        assert_eq!(invoice.credit_cents(0), 0);
        assert_eq!(taxed(0, 3_650, 0).credit_cents(375), 0);
    }

    #[test]
    fn an_amount_paid_back_is_divided_at_the_rate() {
        let invoice = taxed(1_900, 3_650, 694);
        assert_eq!(invoice.net_part_cents(4_344), 3_650);
        assert_eq!((invoice.net_part_cents(1_190), invoice.credit_cents(1_000)), (1_000, 190));
        assert_eq!(taxed(0, 3_650, 0).net_part_cents(1_000), 1_000);
        // At 100 percent two cents are one of each. A single cent belongs to the tax, and the next one does not.
        assert_eq!(taxed(10_000, 2, 2).net_part_cents(1), 0);
        assert_eq!((taxed(10_000, 2, 1).net_part_cents(1), taxed(10_000, 2, 1).credit_cents(1)), (1, 0));
    }

    proptest! {
        #[test]
        fn the_rest_is_taxed_at_the_rate_after_any_credits(
            net in 0..=MAX_PRICE_CENTS,
            rate in 0..=10_000_u32,
            credits in prop::collection::vec((any::<bool>(), 0..=10_000_i64), 0..20),
        ) {
            let mut stands = taxed(rate, net, tax_cents(net, rate));
            let whole = |stands: Taxed| stands.net_cents + stands.tax_cents;
            for (by_gross, part) in credits {
                let before = stands;
                let (net, tax) = if by_gross {
                    let gross = prorate(whole(stands), part, 10_000);
                    let net = stands.net_part_cents(gross);
                    (net, gross - net)
                } else {
                    let net = prorate(stands.net_cents, part, 10_000);
                    (net, stands.credit_cents(net))
                };
                stands = taxed(rate, stands.net_cents - net, stands.tax_cents - tax);
                prop_assert!(net >= 0 && tax >= 0 && stands.net_cents >= 0 && stands.tax_cents >= 0, "{before:?} {stands:?}");
                let asked = tax_cents(stands.net_cents, rate);
                prop_assert!((asked - 1..=asked).contains(&stands.tax_cents), "{before:?} {stands:?}");
                if !by_gross && before.tax_cents == tax_cents(before.net_cents, rate) {
                    prop_assert_eq!(stands.tax_cents, asked);
                }
            }
            prop_assert_eq!(stands.credit_cents(stands.net_cents), stands.tax_cents);
        }
    }
}
