//! Figures of the whole business, as the difference that each change of a deployment makes to them. The sum of the
//! differences of all changes up to a moment is the figures of that moment; `arcadia_store` keeps those sums.
//!
//! Recurring revenue counts the live subscriptions of active and past due deployments outside their trial: plan and
//! add-ons less the discount that runs, in minor units per year. It is divided by twelve only when it is shown. The rule of its movements, at any
//! time: recurring revenue = new + expansion + reactivated - contraction - churned.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;

use super::aggregate::Aggregate;
use super::attention::Attention;
use super::lifecycle::State;
use super::money::Currency;
use super::values::ShortCode;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// The number of deployments in a state.
    State(State),
    /// The number of live subscriptions bound to a plan version.
    Plan(ShortCode, u32),
    /// Recurring revenue, in minor units per year.
    Recurring(Currency),
    /// The gain or loss of recurring revenue by a kind of movement, in minor units per year.
    Movement(Movement, Currency),
    /// The number of deployments that need a person for one of [`Attention::OF_STATE`].
    Attention(Attention),
    /// The amount due on open invoices with a due date on that day (UTC), in minor units.
    Open(Currency, NaiveDate),
}

named! {
    /// A kind of change of recurring revenue.
    pub enum Movement("invalid_movement") {
        /// A deployment has recurring revenue for the first time, or has it in another currency than before.
        New = "new",
        /// The recurring revenue of a deployment rose.
        Expansion = "expansion",
        /// The recurring revenue of a deployment fell. The amount is never negative.
        Contraction = "contraction",
        /// A deployment lost its recurring revenue, or has it in another currency now. The amount is never negative.
        Churned = "churned",
        /// A deployment has recurring revenue again.
        Reactivated = "reactivated",
    }
}

/// Figures, or a difference of figures. A figure of zero is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<Figure, i64>);

impl Movement {
    /// 1 if it raises recurring revenue, -1 if it lowers it.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::New | Self::Expansion | Self::Reactivated => 1,
            Self::Contraction | Self::Churned => -1,
        }
    }
}

impl Figures {
    /// The difference that a change of a deployment makes.
    #[must_use]
    pub fn of_change(before: Option<&Aggregate>, after: &Aggregate) -> Self {
        let mut figures = Self::default();
        if let Some(before) = before {
            figures.add_present(before, -1);
        }
        figures.add_present(after, 1);
        figures.add_movements(before, after);
        figures
    }

    /// The figures of one deployment as it is, without movements.
    #[must_use]
    pub fn of_present(aggregate: &Aggregate) -> Self {
        let mut figures = Self::default();
        figures.add_present(aggregate, 1);
        figures
    }

    fn add_present(&mut self, aggregate: &Aggregate, times: i64) {
        let deployment = &aggregate.deployment;
        self.add(Figure::State(deployment.state), times);
        for kind in Attention::OF_STATE {
            self.add(Figure::Attention(kind), if kind.since(deployment).is_some() { times } else { 0 });
        }
        if let Some(live) = aggregate.live_subscription() {
            self.add(Figure::Plan(live.terms.plan_code.clone(), live.terms.plan_version), times);
        }
        if let Some((currency, cents)) = aggregate.recurring() {
            self.add(Figure::Recurring(currency), times * cents);
        }
        for open in &deployment.open_invoices {
            self.add(Figure::Open(open.currency, open.due_at.date_naive()), times * open.due_cents);
        }
    }

    fn add_movements(&mut self, before: Option<&Aggregate>, after: &Aggregate) {
        let (was, is) = (before.and_then(Aggregate::recurring), after.recurring());
        let entry = if before.is_some_and(|before| before.deployment.has_had_revenue) {
            Movement::Reactivated
        } else {
            Movement::New
        };
        match (was, is) {
            (Some((old, was)), Some((new, is))) if old == new => {
                let movement = if is > was { Movement::Expansion } else { Movement::Contraction };
                self.add(Figure::Movement(movement, new), (is - was).abs());
            }
            // A change of currency counts as churned in the old currency and new in the new one.
            (Some((old, was)), Some((new, is))) => {
                self.add(Figure::Movement(Movement::Churned, old), was);
                self.add(Figure::Movement(Movement::New, new), is);
            }
            (Some((old, was)), None) => self.add(Figure::Movement(Movement::Churned, old), was),
            (None, Some((new, is))) => self.add(Figure::Movement(entry, new), is),
            (None, None) => {}
        }
    }

    /// Adds a difference to a figure.
    pub fn add(&mut self, figure: Figure, difference: i64) {
        let sum = self.0.get(&figure).copied().unwrap_or_default().saturating_add(difference);
        if sum == 0 {
            self.0.remove(&figure);
        } else {
            self.0.insert(figure, sum);
        }
    }

    /// Adds other figures, multiplied by `times`.
    pub fn add_all(&mut self, others: &Self, times: i64) {
        for (figure, value) in &others.0 {
            self.add(figure.clone(), value.saturating_mul(times));
        }
    }

    /// Every figure that is not zero, with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&Figure, i64)> {
        self.0.iter().map(|(figure, value)| (figure, *value))
    }

    /// The value of a figure; 0 if it is absent.
    #[must_use]
    pub fn get(&self, figure: &Figure) -> i64 {
        self.0.get(figure).copied().unwrap_or_default()
    }

    /// Whether every figure is zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => write!(f, "state/{state}"),
            Self::Attention(kind) => write!(f, "attention/{kind}"),
            Self::Plan(code, version) => write!(f, "plan/{code}/{version}"),
            Self::Recurring(currency) => write!(f, "recurring/{currency}"),
            Self::Movement(movement, currency) => write!(f, "{}/{currency}", movement.as_str()),
            Self::Open(currency, day) => write!(f, "open/{currency}/{day}"),
        }
    }
}

impl FromStr for Figure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('/');
        let figure = match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some("state"), Some(state), None, None] => Self::State(state.parse().map_err(|_| ())?),
            [Some("attention"), Some(kind), None, None] => Self::Attention(kind.parse().map_err(|_| ())?),
            [Some("plan"), Some(code), Some(version), None] => {
                Self::Plan(code.parse().map_err(|_| ())?, version.parse().map_err(|_| ())?)
            }
            [Some("recurring"), Some(currency), None, None] => Self::Recurring(currency.parse().map_err(|_| ())?),
            [Some("open"), Some(currency), Some(day), None] => {
                Self::Open(currency.parse().map_err(|_| ())?, day.parse().map_err(|_| ())?)
            }
            [Some(movement), Some(currency), None, None] => {
                let movement = Movement::ALL.into_iter().find(|known| known.as_str() == movement).ok_or(())?;
                Self::Movement(movement, currency.parse().map_err(|_| ())?)
            }
            _ => return Err(()),
        };
        if figure.to_string() == text { Ok(figure) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_as_it_is_written() {
        let (usd, code): (Currency, ShortCode) = ("USD".parse().unwrap(), "studio".parse().unwrap());
        let day = NaiveDate::from_ymd_opt(2027, 1, 8).unwrap();
        let mut figures = vec![
            (Figure::State(State::PastDue), "state/past_due"),
            (Figure::Attention(Attention::Held), "attention/held"),
            (Figure::Plan(code, 12), "plan/studio/12"),
            (Figure::Recurring(usd), "recurring/USD"),
            (Figure::Open(usd, day), "open/USD/2027-01-08"),
        ];
        figures.extend(Movement::ALL.map(|movement| (Figure::Movement(movement, usd), "")));
        for (figure, text) in figures {
            let written = figure.to_string();
            assert!(text.is_empty() || written == text, "{written}");
            assert_eq!(written.parse(), Ok(figure));
        }
        for bad in [
            "",
            "state",
            "state/gone",
            "plan/studio",
            "plan/studio/x",
            "plan/studio/01",
            "lost/USD",
            "open/USD/8",
            "a/b/c/d",
        ] {
            assert_eq!(bad.parse::<Figure>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn a_figure_of_zero_is_absent() {
        let mut figures = Figures::default();
        figures.add(Figure::State(State::Active), 2);
        let mut others = figures.clone();
        others.add(Figure::State(State::Paused), 1);
        figures.add_all(&others, -1);
        assert_eq!(figures.iter().collect::<Vec<_>>(), [(&Figure::State(State::Paused), -1)]);
        figures.add(Figure::State(State::Paused), 1);
        assert!(figures.is_empty());
    }
}
