//! The least that an operation can cost: the reads and writes that it cannot do without. They follow from its purpose
//! and from the design of the table. Nothing here looks at a request.
//!
//! A request reads one key, up to 100 keys at once, or one range of one partition in one order; it writes one record,
//! or up to 100 as a transaction. So the least number of requests is one for each read below, and one for all writes
//! together.

use std::fmt::Write as _;

use Entry::{Appears, Goes, Moves, Rewritten};
use arcadia_store::schema::{DUE_INDEX, STATE_INDEX, TENANT_INDEX};
use serde_json::Value;

use super::capacity::{Consistency, Cost, Index, Items, half_read_units, item_size, write_units};

/// The reads and writes that an operation cannot do without.
#[derive(Debug, Clone)]
pub struct Floor {
    /// The name of the operation.
    pub name: String,
    pub reads: Vec<Read>,
    pub writes: Vec<Write>,
}

/// A read that cannot be part of another one: its description, and its keys.
#[derive(Debug, Clone)]
pub struct Read(&'static str, Of);

#[derive(Debug, Clone)]
enum Of {
    /// The records of a partition whose sort keys begin so: one Query, consistent.
    Range { pk: String, prefix: &'static str },
    /// All records of partitions: a Query of each.
    Partitions(Vec<String>),
    /// Records by their keys: one GetItem or BatchGetItem, consistent or not.
    Keys(Vec<Key>, Consistency),
    /// The entries of partitions of an index, up to a sort key: a Query of each.
    Entries { index: &'static str, partitions: Vec<String>, until: String },
}

/// Partition key and sort key.
pub type Key = (String, String);

/// A record that changes, by its `type`, and the changes of its index entries.
pub type Write = (&'static str, &'static [(&'static str, Entry)]);

/// The change of an index entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It is new.
    Appears,
    /// It keeps its key and changes its content.
    Rewritten,
    /// Its key changes: one write deletes it, another one puts it.
    Moves,
    /// It is deleted.
    Goes,
}

/// Every change of a deployment writes this record: lists show it whole, and its version goes up.
pub const DEPLOYMENT: Write = ("deployment", &[(TENANT_INDEX, Rewritten)]);
/// The same with another next action.
pub const DUE_ELSEWHERE: Write = ("deployment", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Moves)]);
/// The same in another state too.
pub const IN_ANOTHER_STATE: Write =
    ("deployment", &[(TENANT_INDEX, Rewritten), (STATE_INDEX, Moves), (DUE_INDEX, Moves)]);
pub const EVENT: Write = ("event", &[]);
pub const SUBSCRIPTION: Write = ("subscription", &[]);
pub const ADDON: Write = ("subscription_addon", &[]);
/// An invoice that is issued: it is listed as the tenant's, as everyone's, and as open.
pub const INVOICE: Write = ("invoice", &[(TENANT_INDEX, Appears), (STATE_INDEX, Appears), (DUE_INDEX, Appears)]);
/// An invoice that keeps its status.
pub const INVOICE_STAYS: Write = ("invoice", &[(TENANT_INDEX, Rewritten)]);
/// An invoice that is settled.
pub const INVOICE_SETTLED: Write = ("invoice", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Goes)]);
/// An invoice of another status or due date.
pub const INVOICE_MOVES: Write = ("invoice", &[(TENANT_INDEX, Rewritten), (DUE_INDEX, Moves)]);
/// The fields of a tenant, which the list of tenants shows.
pub const ACCOUNT: Write = ("account", &[(TENANT_INDEX, Rewritten)]);
pub const TENANT_EVENT: Write = ("tenant_event", &[]);
pub const TENANT_LIMITS: Write = ("tenant_limits", &[]);
/// A coupon, which the list of coupons shows.
pub const COUPON: Write = ("coupon", &[(TENANT_INDEX, Rewritten)]);
/// An event of the catalog, which the list of all of them shows.
pub const CATALOG_EVENT: Write = ("catalog_event", &[(TENANT_INDEX, Appears)]);
/// An operation that starts, and the list of running operations.
pub const OPERATION: Write = ("operation", &[(TENANT_INDEX, Appears)]);
pub const RUNNING: Write = ("running_operations", &[]);

/// Greater than every sort key.
const END: &str = "~";

impl Floor {
    /// Adds writes.
    pub fn writing(mut self, writes: &[Write]) -> Self {
        self.writes.extend_from_slice(writes);
        self
    }

    /// The cost with the records as they are stored. Insists that exactly the declared records changed.
    pub fn cost(&self, before: &Items, after: &Items, indexes: &[Index]) -> Cost {
        let mut cost: Cost = self.reads.iter().map(|Read(_, of)| of.cost(before, indexes)).sum();
        let mut declared = self.writes.clone();
        let times = if declared.len() > 1 { 2 } else { 1 };
        for (key, record) in after.iter().chain(before.iter().filter(|(key, _)| !after.contains_key(*key))) {
            let (old, new) = (before.get(key), after.get(key));
            if old == new {
                continue;
            }
            let kind = record["type"]["S"].as_str().expect("a type");
            let found = declared.iter().position(|(declared, _)| *declared == kind);
            let (_, entries) =
                declared.swap_remove(found.unwrap_or_else(|| panic!("{}: {key:?} need not have changed", self.name)));
            cost.write_units += times * write_units(old, new);
            for (name, entry) in entries {
                let index = indexes.iter().find(|index| index.name == *name).expect("an index");
                cost.add_index(name, entry.write_units(index.entry(old).as_ref(), index.entry(new).as_ref()));
            }
        }
        assert!(declared.is_empty(), "{}: these should have changed: {declared:?}", self.name);
        cost.requests += usize::from(!self.writes.is_empty());
        cost
    }

    /// Describes the reads.
    pub fn describe_reads(&self) -> String {
        let words: Vec<&str> = self.reads.iter().map(|Read(words, _)| *words).collect();
        words.join("; ")
    }

    /// Describes the writes.
    pub fn describe_writes(&self) -> String {
        let mut words = Vec::new();
        for (kind, entries) in &self.writes {
            let mut word = kind.replace('_', " ");
            for (n, (index, entry)) in entries.iter().enumerate() {
                write!(word, "{} {index} {}", if n == 0 { ":" } else { "," }, entry.word()).expect("a text");
            }
            words.push(word);
        }
        words.join("; ")
    }
}

impl Read {
    /// The records of a partition whose sort keys begin with `prefix`.
    pub fn range(words: &'static str, pk: impl Into<String>, prefix: &'static str) -> Self {
        Self(words, Of::Range { pk: pk.into(), prefix })
    }

    /// All records of partitions.
    pub fn partitions(words: &'static str, partitions: impl IntoIterator<Item = String>) -> Self {
        Self(words, Of::Partitions(partitions.into_iter().collect()))
    }

    /// One record, consistently.
    pub fn record(words: &'static str, pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self::records(words, [(pk.into(), sk.into())])
    }

    /// Records, consistently.
    pub fn records(words: &'static str, keys: impl Into<Vec<Key>>) -> Self {
        Self(words, Of::Keys(keys.into(), Consistency::Strong))
    }

    /// Records of a list, which may be a moment old.
    pub fn listed(words: &'static str, keys: &[Key]) -> Self {
        Self(words, Of::Keys(keys.to_vec(), Consistency::Eventual))
    }

    /// Whole partitions of an index.
    pub fn entries(
        words: &'static str,
        index: &'static str,
        partitions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self::entries_until(words, index, partitions, END)
    }

    /// Partitions of an index up to a sort key.
    pub fn entries_until(
        words: &'static str,
        index: &'static str,
        partitions: impl IntoIterator<Item = impl Into<String>>,
        until: &str,
    ) -> Self {
        let partitions = partitions.into_iter().map(Into::into).collect();
        Self(words, Of::Entries { index, partitions, until: until.to_owned() })
    }

    /// A page of a list that the index of tenants has.
    pub fn page(words: &'static str, partition: impl Into<String>) -> Self {
        Self::entries(words, TENANT_INDEX, [partition])
    }
}

impl Of {
    fn cost(&self, items: &Items, indexes: &[Index]) -> Cost {
        let (requests, half_read_units) = match self {
            Self::Range { pk, prefix } => {
                let found = items.iter().filter(|((found, sk), _)| found == pk && sk.starts_with(prefix));
                (1, half_read_units(found.map(|(_, item)| item_size(item)).sum(), Consistency::Strong))
            }
            Self::Partitions(partitions) => {
                let of_one = |partition: &String| {
                    let found = items.iter().filter(|((pk, _), _)| pk == partition);
                    half_read_units(found.map(|(_, item)| item_size(item)).sum(), Consistency::Strong)
                };
                (partitions.len(), partitions.iter().map(of_one).sum())
            }
            Self::Keys(keys, consistency) => {
                let size = |key| items.get(key).map_or(0, item_size);
                (1, keys.iter().map(|key| half_read_units(size(key), *consistency)).sum())
            }
            Self::Entries { index, partitions, until } => {
                let index = indexes.iter().find(|found| found.name == *index).expect("an index");
                let [pk, sk] = ["PK", "SK"].map(|part| format!("{}{part}", index.name));
                let entries: Vec<Value> = items.values().filter_map(|item| index.entry(Some(item))).collect();
                let text = |entry: &Value, name: &str| entry[name]["S"].as_str().expect("a key").to_owned();
                let of_one = |partition: &String| {
                    let found = entries
                        .iter()
                        .filter(|e| text(e, &pk) == *partition && text(e, &sk).as_str() <= until.as_str());
                    half_read_units(found.map(item_size).sum(), Consistency::Eventual)
                };
                (partitions.len(), partitions.iter().map(of_one).sum())
            }
        };
        Cost { requests, half_read_units, ..Cost::default() }
    }
}

impl Entry {
    fn write_units(self, old: Option<&Value>, new: Option<&Value>) -> usize {
        let there = (old.is_some(), new.is_some());
        assert_eq!(there, (self != Appears, self != Goes), "an entry does not do what it should: {self:?}");
        match self {
            Appears | Rewritten | Goes => write_units(old, new),
            Moves => write_units(old, None) + write_units(None, new),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Appears => "appears",
            Rewritten => "rewritten",
            Moves => "moves",
            Goes => "goes",
        }
    }
}
