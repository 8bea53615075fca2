//! The table, in memory. It executes the transactions that the store builds, each as a whole or not at all, and keeps
//! request tokens as long as DynamoDB does. A read beside a transaction can find some items as before it and some as
//! after it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use arcadia_domain::{DeploymentId, Timestamp};
use arcadia_store::DueRow;
use arcadia_store::item::Item;
use arcadia_store::keys::{self, Key};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use chrono::TimeDelta;

use super::expression::Terms;
use crate::harness::Random;

/// How long a repeated request token is recognised.
pub const TOKEN_MEMORY: TimeDelta = TimeDelta::minutes(10);
/// The most writes of one transaction.
const MAX_WRITES: usize = 100;

/// The outcome of a transaction.
#[derive(Debug)]
pub enum Outcome {
    /// It was executed.
    Written,
    /// It was executed before, under the same token.
    WrittenBefore,
    /// It was not executed, for these reasons.
    Cancelled(Vec<CancellationReason>),
}

/// An entry of the due index, or its absence.
type DueEntry = Option<(String, String)>;

/// The table and its due index.
#[derive(Default)]
pub struct Table {
    partitions: BTreeMap<String, BTreeMap<String, Item>>,
    /// The items that the last transaction in each partition has replaced.
    before: HashMap<String, BTreeMap<String, Option<Item>>>,
    tokens: HashMap<String, (Timestamp, Rc<Vec<TransactWriteItem>>)>,
    /// The due index as readers see it, and the changes that have not arrived there yet.
    due: BTreeMap<(String, String), DeploymentId>,
    due_of: HashMap<DeploymentId, (String, String)>,
    arriving: VecDeque<(DeploymentId, DueEntry)>,
    /// The number of writes so far.
    pub writes: u64,
}

/// The parts that every kind of write has.
struct Write<'a> {
    key: (&'a str, &'a str),
    condition: Option<&'a str>,
    terms: Terms<'a>,
    returns_old: bool,
}

impl Table {
    /// Reads an item.
    pub fn get(&self, key: &Key) -> Option<&Item> {
        self.partitions.get(&key.pk)?.get(&key.sk)
    }

    /// Reads the items of a partition whose sort keys begin with `prefix`.
    pub fn query<'a>(&'a self, pk: &str, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Item)> {
        let items = self.partitions.get(pk).into_iter();
        items.flat_map(move |items| items.range(prefix.to_owned()..).take_while(move |(sk, _)| sk.starts_with(prefix)))
    }

    /// Reads all items, with their keys.
    pub fn items(&self) -> impl Iterator<Item = ((String, String), &Item)> {
        let items = self.partitions.iter().flat_map(|(pk, items)| items.iter().map(move |(sk, item)| (pk, sk, item)));
        items.map(|(pk, sk, item)| ((pk.clone(), sk.clone()), item))
    }

    /// Puts an item without a condition.
    pub fn put(&mut self, item: Item) {
        self.writes += 1;
        let (pk, sk) = (text(&item, "PK").to_owned(), text(&item, "SK").to_owned());
        self.partitions.entry(pk).or_default().insert(sk, item);
    }

    /// Executes a transaction, or a single write, which has no token. The writes for which `is_busy` is true conflict
    /// with another transaction.
    pub fn transact(
        &mut self,
        token: Option<&str>,
        writes: &Rc<Vec<TransactWriteItem>>,
        now: Timestamp,
        mut is_busy: impl FnMut(usize) -> bool,
    ) -> Outcome {
        if let Some((at, before)) = token.and_then(|token| self.tokens.get(token))
            && now - *at < TOKEN_MEMORY
        {
            assert!(Rc::ptr_eq(before, writes) || before == writes, "one token for two transactions");
            return Outcome::WrittenBefore;
        }
        let parts: Vec<Write<'_>> = writes.iter().map(Write::of).collect();
        assert!(parts.len() <= MAX_WRITES, "{} writes in a transaction", parts.len());
        for (index, part) in parts.iter().enumerate() {
            assert!(parts[..index].iter().all(|earlier| earlier.key != part.key), "{:?} is written twice", part.key);
        }
        let reasons: Vec<CancellationReason> =
            parts.iter().enumerate().map(|(index, part)| self.judge(part, is_busy(index))).collect();
        if reasons.iter().any(|reason| reason.code() != Some("None")) {
            return Outcome::Cancelled(reasons);
        }
        self.remember(&parts);
        self.writes += 1;
        for write in writes.iter() {
            self.write(write);
        }
        if let Some(token) = token {
            self.tokens.insert(token.to_owned(), (now, Rc::clone(writes)));
        }
        Outcome::Written
    }

    /// Keeps the items that a transaction is about to replace.
    fn remember(&mut self, parts: &[Write<'_>]) {
        let mut before: HashMap<String, BTreeMap<String, Option<Item>>> = HashMap::new();
        for Write { key: (pk, sk), .. } in parts {
            let found = self.partitions.get(*pk).and_then(|items| items.get(*sk)).cloned();
            before.entry((*pk).to_owned()).or_default().insert((*sk).to_owned(), found);
        }
        self.before.extend(before);
    }

    /// An item as it was before the last transaction of its partition, if that wrote it.
    pub fn stale(&self, key: &Key) -> Option<Option<&Item>> {
        Some(self.before.get(&key.pk)?.get(&key.sk)?.as_ref())
    }

    /// The present state of a deployment as a Query beside its last transaction may find it: of the items that the
    /// transaction changed, at least one as before it and at least one as after it. `None` if it changed only one.
    pub fn torn(&self, id: DeploymentId, random: &mut Random) -> Option<Vec<Item>> {
        let pk = keys::partition(id);
        let mut items: BTreeMap<&String, &Item> = self.query(&pk, keys::PRESENT).collect();
        let written = self.before.get(&pk)?.iter().filter(|(sk, _)| sk.starts_with(keys::PRESENT));
        let mut changed: Vec<(&String, &Option<Item>)> =
            written.filter(|(sk, before)| items.get(sk).copied() != before.as_ref()).collect();
        if changed.len() < 2 {
            return None;
        }
        changed.swap_remove(random.below(changed.len()));
        let first = changed.swap_remove(random.below(changed.len()));
        changed.retain(|_| random.below(2) == 0);
        for (sk, before) in changed.into_iter().chain([first]) {
            match before {
                Some(item) => items.insert(sk, item),
                None => items.remove(sk),
            };
        }
        Some(items.into_values().cloned().collect())
    }

    fn judge(&self, write: &Write<'_>, is_busy: bool) -> CancellationReason {
        let reason = CancellationReason::builder();
        if is_busy {
            return reason.code("TransactionConflict").build();
        }
        let found = self.partitions.get(write.key.0).and_then(|items| items.get(write.key.1));
        if write.terms.hold(write.condition, found) {
            return reason.code("None").build();
        }
        let old = found.filter(|_| write.returns_old).cloned();
        reason.code("ConditionalCheckFailed").set_item(old).build()
    }

    fn write(&mut self, write: &TransactWriteItem) {
        if let Some(put) = &write.put {
            let (pk, sk) = key_of(&put.item);
            self.index(pk, sk, &put.item);
            self.put(put.item.clone());
        } else if let Some(delete) = &write.delete {
            let (pk, sk) = key_of(&delete.key);
            self.partitions.get_mut(pk).and_then(|items| items.remove(sk)).expect("what a condition has found");
        } else if let Some(update) = &write.update {
            let (pk, sk) = key_of(&update.key);
            let names = update.expression_attribute_names.as_ref();
            let terms = Terms { names, values: update.expression_attribute_values.as_ref() };
            let items = self.partitions.entry(pk.to_owned()).or_default();
            // An update without a condition creates a missing item.
            let item = items.entry(sk.to_owned()).or_insert_with(|| update.key.clone());
            terms.apply(&update.update_expression, item);
            let item = item.clone();
            self.index(pk, sk, &item);
        }
    }

    /// Sends the change of the due index on its way, if a write makes one.
    fn index(&mut self, pk: &str, sk: &str, item: &Item) {
        if let Some(id) = keys::deployment_id(pk).filter(|_| sk == "#DEPLOYMENT") {
            self.arriving.push_back((id, due_entry(item)));
        }
    }

    /// The number of changes that the readers of the due index do not see yet.
    pub fn lag(&self) -> usize {
        self.arriving.len()
    }

    /// Delivers the oldest `count` of them.
    pub fn catch_up(&mut self, count: usize) {
        for _ in 0..count {
            let Some((id, entry)) = self.arriving.pop_front() else { return };
            if let Some(old) = self.due_of.remove(&id) {
                self.due.remove(&old);
            }
            if let Some(entry) = entry {
                self.due.insert(entry.clone(), id);
                self.due_of.insert(id, entry);
            }
        }
    }

    /// A page of the due index, and whether there is more.
    pub fn due(&self, shard: u8, now: Timestamp, after: Option<&str>, limit: usize) -> (Vec<DueRow>, bool) {
        let pk = keys::due_partition(shard);
        let range = (pk.clone(), keys::due_after(after))..=(pk, keys::due_until(now));
        let mut found = self.due.range(range).map(|((_, sk), id)| DueRow { id: *id, sort_key: sk.clone() });
        let rows: Vec<DueRow> = found.by_ref().take(limit).collect();
        // As in DynamoDB, a full page may be the last.
        let more = rows.len() == limit;
        (rows, more)
    }

    /// Deletes the items that have expired, as DynamoDB does some time later. Returns their number.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let is_expired = |item: &Item| {
            let at = item.get("expires_at").and_then(|value| value.as_n().ok());
            at.is_some_and(|at| at.parse::<i64>().expect("seconds") < now.timestamp())
        };
        let expired: Vec<String> = self
            .partitions
            .range("IDEMPOTENCY#".to_owned()..)
            .take_while(|(pk, _)| pk.starts_with("IDEMPOTENCY#"))
            .filter(|(_, items)| items.values().any(is_expired))
            .map(|(pk, _)| pk.clone())
            .collect();
        for pk in &expired {
            self.partitions.remove(pk);
        }
        expired.len()
    }
}

impl<'a> Write<'a> {
    fn of(write: &'a TransactWriteItem) -> Self {
        let all_old = Some(&ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(put) = &write.put {
            let terms = Terms {
                names: put.expression_attribute_names.as_ref(),
                values: put.expression_attribute_values.as_ref(),
            };
            let returns_old = put.return_values_on_condition_check_failure.as_ref() == all_old;
            Self { key: key_of(&put.item), condition: put.condition_expression(), terms, returns_old }
        } else if let Some(update) = &write.update {
            let terms = Terms {
                names: update.expression_attribute_names.as_ref(),
                values: update.expression_attribute_values.as_ref(),
            };
            let returns_old = update.return_values_on_condition_check_failure.as_ref() == all_old;
            Self { key: key_of(&update.key), condition: update.condition_expression(), terms, returns_old }
        } else if let Some(delete) = &write.delete {
            let terms = Terms { names: None, values: None };
            Self { key: key_of(&delete.key), condition: delete.condition_expression(), terms, returns_old: false }
        } else {
            panic!("an unknown kind of write: {write:?}")
        }
    }
}

/// The primary key in the attributes of a write.
pub fn key_of(attributes: &Item) -> (&str, &str) {
    (text(attributes, "PK"), text(attributes, "SK"))
}

/// The keys that a transaction writes.
pub fn keys_of(writes: &[TransactWriteItem]) -> impl Iterator<Item = (&str, &str)> {
    writes.iter().map(|write| Write::of(write).key)
}

/// The entry of a deployment's item in the due index.
pub fn due_entry(item: &Item) -> DueEntry {
    let part = |name: &str| Some(item.get(name)?.as_s().ok()?.clone());
    part("GSI3PK").zip(part("GSI3SK"))
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value: &AttributeValue| value.as_s().ok()).expect("a key")
}
