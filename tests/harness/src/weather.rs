//! Bad weather: what goes wrong between the product and DynamoDB by itself, each kind at a rate, by a seeded choice.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::exchange::Seen;
use super::tears::Memory;
use super::{Fault, Random};

/// Rates are in so many.
pub const OF: usize = 1_000;
/// The longest delay, in milliseconds.
const MAX_DELAY_MS: usize = 40;

/// A way for a request to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// DynamoDB is short of capacity and says so, by one of three names.
    Throttled,
    /// Another transaction is at work on one of the items, or on all.
    Conflict,
    /// A transaction is cancelled for several passing reasons at once.
    Mixed,
    /// DynamoDB fails and has done nothing.
    ErrorBefore,
    /// DynamoDB fails, but has done it.
    ErrorAfter,
    /// The answer takes some milliseconds more.
    Slow,
    /// The connection is reset, and the request reaches DynamoDB some milliseconds later all the same.
    Late,
    /// DynamoDB does it, and its answer never comes.
    Unanswered,
    /// The connection is reset before DynamoDB hears of it.
    ResetBefore,
    /// The connection is reset when DynamoDB has done it.
    ResetAfter,
    /// The answer breaks off in the middle.
    Truncated,
    /// The answer is lost, and then DynamoDB does not know the request's token again, as after ten minutes.
    Forgotten,
    /// Some of the keys stay unread.
    Unprocessed,
    /// Of the items that a transaction has written some are read as before it and some as after it.
    Torn,
}

/// The weather of one table.
#[derive(Debug)]
pub struct Weather {
    random: Random,
    rates: Vec<(Kind, usize)>,
    injected: BTreeMap<Kind, usize>,
    forgotten: HashSet<String>,
}

impl Kind {
    /// The fault that a request meets; none if this cannot happen to it.
    fn fault(self, request: &Seen, memory: Option<&Memory>, random: &mut Random) -> Option<Fault> {
        const SHORTAGES: [&str; 3] =
            ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"];
        let items = request.body["TransactItems"].as_array().map(Vec::len);
        let fault = match self {
            Self::Throttled => Fault::named(random.pick::<&str>(&SHORTAGES)),
            Self::Conflict => match (items, request.operation.as_str()) {
                (Some(items), _) => Fault::cancelled(&conflicts(items, random)),
                (None, "PutItem" | "UpdateItem" | "DeleteItem") => Fault::named("TransactionConflictException"),
                (None, _) => return None,
            },
            Self::Mixed => Fault::cancelled(&mixed(items?, random)),
            Self::ErrorBefore => {
                let body = json!({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"});
                Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR, body)
            }
            Self::ErrorAfter => Fault::ServerError,
            Self::Slow => Fault::Delay(delay(random)),
            Self::Late => Fault::Late(delay(random)),
            Self::Unanswered => Fault::Unanswered,
            Self::ResetBefore => Fault::ResetBefore,
            Self::ResetAfter => Fault::ResetAfter,
            Self::Truncated => Fault::BreakOff,
            Self::Forgotten => {
                token(request)?;
                Fault::ServerError
            }
            Self::Unprocessed => {
                let tables = request.body["RequestItems"].as_object()?;
                let keys = tables.values().filter_map(|table| table["Keys"].as_array()).map(Vec::len);
                (keys.sum::<usize>() > 1).then_some(Fault::Unprocessed)?
            }
            Self::Torn => Fault::Torn(memory?.some(request, random)?),
        };
        Some(fault)
    }
}

impl Weather {
    /// Weather in which each kind happens to so many in [`OF`] requests.
    pub fn new(random: Random, rates: &[(Kind, usize)]) -> Self {
        Self { random, rates: rates.to_vec(), injected: BTreeMap::new(), forgotten: HashSet::new() }
    }

    /// What happens to a request, if anything. One whose token was lost comes under another.
    pub fn befall(&mut self, request: &mut Seen, memory: Option<&Memory>) -> Option<Fault> {
        if token(request).is_some_and(|token| self.forgotten.contains(token)) {
            request.body["ClientRequestToken"] = super::unique().into();
        }
        let mut chance = self.random.below(OF);
        for (kind, rate) in &self.rates {
            if chance < *rate {
                let fault = kind.fault(request, memory, &mut self.random)?;
                *self.injected.entry(*kind).or_default() += 1;
                if *kind == Kind::Forgotten {
                    self.forgotten.extend(token(request).map(str::to_owned));
                }
                return Some(fault);
            }
            chance -= rate;
        }
        None
    }

    /// Whether reads are torn in it.
    pub fn tears(&self) -> bool {
        self.rates.iter().any(|(kind, _)| *kind == Kind::Torn)
    }

    /// How often each kind has happened.
    pub fn injected(&self) -> BTreeMap<Kind, usize> {
        self.injected.clone()
    }
}

fn token(request: &Seen) -> Option<&str> {
    request.body["ClientRequestToken"].as_str()
}

fn delay(random: &mut Random) -> Duration {
    Duration::from_millis(u64::try_from(1 + random.below(MAX_DELAY_MS)).expect("some milliseconds"))
}

/// Conflicts on one of `items`, or on all.
fn conflicts(items: usize, random: &mut Random) -> Vec<&'static str> {
    let one = random.below(2 * items);
    (0..items).map(|item| if item == one || one >= items { "TransactionConflict" } else { "None" }).collect()
}

/// A passing reason or none for each of `items`; at least one is there.
fn mixed(items: usize, random: &mut Random) -> Vec<&'static str> {
    const PASSING: [&str; 3] = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    let certain = random.below(items);
    let mut reason = |item| if item == certain || random.below(2) == 0 { *random.pick(&PASSING) } else { "None" };
    (0..items).map(&mut reason).collect()
}

/// Half of a BatchGetItem's keys, and the others as DynamoDB names them when it leaves them unread.
pub fn halves(request: &Value) -> (Value, Value) {
    let (mut read, mut unread) = (request.clone(), request["RequestItems"].clone());
    for (table, wanted) in request["RequestItems"].as_object().expect("tables") {
        let keys = wanted["Keys"].as_array().expect("keys");
        let (first, rest) = keys.split_at(keys.len().div_ceil(2));
        read["RequestItems"][table]["Keys"] = json!(first);
        unread[table]["Keys"] = json!(rest);
    }
    (read, unread)
}
