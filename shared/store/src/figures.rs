//! The stored figures of the whole business. Each commit stores its difference beside its last event, and the reader of
//! the table's stream adds the differences up in batches, so requests do no extra writes. The difference of a change is
//! computed by [`arcadia_domain::Figures`].
//!
//! There are totals, the movements of each month, and the differences of each hour, kept for a few days. A total less
//! the hours since a moment is the total at that moment. So no hour has to be closed, and a late difference still
//! counts in its hour.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use arcadia_domain::{Attention, ClockHealth, Figure, Figures, Summary, Timestamp};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use chrono::{DurationRound as _, TimeDelta};

use super::item::{Item, number, string};
use super::keys::{self, DueEntry};
use super::pages::Part;
use super::reread::{Reading, until_whole};
use super::schema::{DUE_INDEX, TTL_ATTRIBUTE};
use super::transact::{Verdict, is_transient, kept_being_cancelled};
use super::{CommitId, Store, StoreError};

/// The attribute of a commit's last event with the difference of the commit.
pub(super) const FIGURES: &str = "figures";

/// The attribute of a batch's mark with the sequence number of its last record.
const LAST: &str = "last";

/// How long the differences of an hour are kept.
const HOURS_KEPT_FOR: TimeDelta = TimeDelta::days(3);

/// How long the mark of an added batch is kept. The stream keeps a record for one day.
const BATCHES_KEPT_FOR: TimeDelta = TimeDelta::days(3);

/// How long after its end an hour is shown; it is the longest delay expected of the stream.
const CLOSED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The number of items of each bucket, so that readers of several shards of the stream seldom write the same item.
const SLOTS: u64 = 8;

/// The most updates in one transaction: below DynamoDB's limit of 100 writes, with room for the mark of the batch.
const MAX_UPDATES: usize = 90;

/// The most figures in one update: DynamoDB's limit of an expression is 4 KB.
const MAX_FIGURES: usize = 150;

/// The difference of one commit, from a record of the table's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The sequence number of the record in the stream.
    pub sequence: u128,
    /// When the commit was made.
    pub at: Timestamp,
    /// The difference.
    pub figures: Figures,
}

impl Store {
    /// The same store, which adds figures up in the transaction of each commit: for a local table, whose stream has no
    /// reader.
    #[must_use]
    pub const fn counting(mut self) -> Self {
        self.counts = true;
        self
    }

    /// The attribute with a commit's difference. It leaves recurring revenue out, which follows from the movements.
    pub(super) fn figures_attribute(figures: &Figures) -> AttributeValue {
        let said = figures.iter().filter(|(figure, _)| !matches!(figure, Figure::Recurring(_)));
        AttributeValue::M(said.map(|(figure, value)| (figure.to_string(), number(value))).collect())
    }

    /// The updates of the buckets for a commit at `at`; none unless this store is [`Self::counting`].
    pub(super) fn count_with(&self, at: Timestamp, figures: &Figures) -> Result<Vec<TransactWriteItem>, StoreError> {
        if !self.counts || figures.is_empty() {
            return Ok(Vec::new());
        }
        let figures = BTreeMap::from([(keys::hour(at), figures.clone())]);
        buckets(&figures, 0).into_iter().map(|bucket| self.add_to(&bucket, at)).collect()
    }

    /// Adds a batch of differences, in the order of the stream, and returns the number of transactions: one
    /// TransactWriteItems, or several if the batch spans many hours. A batch that begins with the same record as an
    /// earlier one is that batch delivered again: of it only the records beyond its end are added.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not accept it. Repeating the batch then adds only the missing part.
    pub async fn add_figures(
        &self,
        batch: &[Difference],
        now: Timestamp,
        new_id: &(dyn Fn() -> CommitId + Sync),
    ) -> Result<usize, StoreError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(0) };
        let mut by_hour: BTreeMap<String, Figures> = BTreeMap::new();
        for difference in batch {
            by_hour.entry(keys::hour(difference.at)).or_default().add_all(&difference.figures, 1);
        }
        let buckets = buckets(&by_hour, u64::try_from(first.sequence % u128::from(SLOTS)).unwrap_or_default());
        let is_too_much =
            buckets.len() > MAX_UPDATES || buckets.iter().any(|bucket| bucket.figures.len() > MAX_FIGURES);
        if is_too_much && batch.len() > 1 {
            // One that was added before in one piece is not to be added in two.
            if let Some(added) = self.get(keys::figures_batch(first.sequence)).await?.and_then(|mark| last_in(&mark)) {
                let rest = batch.partition_point(|difference| difference.sequence <= added);
                return Box::pin(self.add_figures(batch.get(rest..).unwrap_or_default(), now, new_id)).await;
            }
            let (head, tail) = batch.split_at(batch.len() / 2);
            let head = Box::pin(self.add_figures(head, now, new_id)).await?;
            return Ok(head + Box::pin(self.add_figures(tail, now, new_id)).await?);
        }
        let writes = || {
            let mut writes = vec![self.mark_of_batch(first.sequence, last.sequence, now)?];
            for bucket in &buckets {
                writes.push(self.add_to(bucket, now)?);
            }
            Ok(writes)
        };
        let added_before = OnceLock::new();
        let judge = |reasons: &[CancellationReason]| {
            let verdict = judge(reasons);
            if matches!(verdict, Verdict::CommittedBefore) {
                added_before.get_or_init(|| last_of(reasons));
            }
            verdict
        };
        self.transact(writes, new_id(), judge).await?;
        let Some(Some(added)) = added_before.into_inner() else { return Ok(1) };
        let rest = batch.partition_point(|difference| difference.sequence <= added);
        Ok(1 + Box::pin(self.add_figures(batch.get(rest..).unwrap_or_default(), now, new_id)).await?)
    }

    /// The write of the mark that the batch that begins and ends with these records was added.
    fn mark_of_batch(&self, first: u128, last: u128, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let key = keys::figures_batch(first);
        let expires_at = (now + BATCHES_KEPT_FOR).timestamp();
        let put = Put::builder()
            .table_name(&self.table)
            .item("PK", string(key.pk))
            .item("SK", string(key.sk))
            .item("type", string("figures_batch"))
            .item(LAST, string(last.to_string()))
            .item(TTL_ATTRIBUTE, number(expires_at))
            .condition_expression("attribute_not_exists(PK)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn add_to(&self, bucket: &Bucket, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("PK", string(keys::FIGURES_PARTITION))
            .key("SK", string(bucket.sort_key.clone()));
        let mut expression = String::from("SET #type = :type");
        update =
            update.expression_attribute_names("#type", "type").expression_attribute_values(":type", string("figures"));
        if bucket.expires {
            expression.push_str(&format!(", {TTL_ATTRIBUTE} = :expires"));
            update = update.expression_attribute_values(":expires", number((now + HOURS_KEPT_FOR).timestamp()));
        }
        for (n, (figure, value)) in bucket.figures.iter().enumerate() {
            let joint = if n == 0 { " ADD" } else { "," };
            expression.push_str(&format!("{joint} #n{n} :v{n}"));
            update = update
                .expression_attribute_names(format!("#n{n}"), figure.clone())
                .expression_attribute_values(format!(":v{n}"), number(value));
        }
        let update = update.update_expression(expression).build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The figures at the end of the last full hour that ended 10 minutes or more before `now`, or at `now` if this
    /// store is [`Self::counting`]: four Queries.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn summary(&self, now: Timestamp) -> Result<Summary, StoreError> {
        let as_of = if self.counts { now } else { full_hour(now - CLOSED_AFTER) };
        let month = keys::month(as_of);
        // A batch changes totals, a month and hours at once. While the hours stay the same, so do the others.
        let read = || async {
            let before = self.figures_between(keys::figures_since(full_hour(as_of))).await?;
            let totals = self.figures_between(keys::figures_totals());
            let movements = self.figures_between(keys::figures_of_month(&month));
            let (totals, movements) = futures_util::future::try_join(totals, movements).await?;
            let hours = self.figures_between(keys::figures_since(full_hour(as_of))).await?;
            let is_whole = self.counts || before == hours;
            Ok(if is_whole { Reading::Whole((totals, movements, hours)) } else { Reading::Torn })
        };
        let (totals, movements, hours) = until_whole("the summary", read).await?;
        let mut summary = Summary { as_of, ..Summary::default() };
        totals.iter().for_each(|(_, figures)| summary.totals.add_all(figures, 1));
        movements.iter().for_each(|(_, figures)| summary.movements.add_all(figures, 1));
        if self.counts {
            return Ok(summary);
        }
        for (sort_key, figures) in &hours {
            for (figure, value) in figures.iter() {
                match figure {
                    Figure::Movement(..) if keys::is_hour_of(sort_key, &month) => {
                        summary.movements.add(figure.clone(), -value);
                    }
                    Figure::Movement(..) => {}
                    _ => summary.totals.add(figure.clone(), -value),
                }
            }
        }
        Ok(summary)
    }

    /// The health of scheduled work: the lag of the due index and the number of failures. One Query for each partition
    /// of the due index, and one for each kind of failure.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn clock_health(&self, now: Timestamp) -> Result<ClockHealth, StoreError> {
        let partitions: Vec<String> = (0..self.due_shards).map(keys::due_partition).collect();
        let part = Part { index: DUE_INDEX, keys: keys::due_between(None, Some(now)), oldest_first: true };
        let first = self.merged::<DueEntry>(&part, &partitions, 1).await?;
        let lag = first.items.first().map_or(TimeDelta::zero(), |(entry, _)| now - entry.at);
        let postponed = self.count_failures(Attention::Postponed, now).await?;
        let not_published = self.count_failures(Attention::NotPublished, now).await?;
        Ok(ClockHealth { lag, postponed, not_published })
    }

    async fn figures_between(
        &self,
        range: std::ops::RangeInclusive<String>,
    ) -> Result<Vec<(String, Figures)>, StoreError> {
        let items = self.all_items(keys::FIGURES_PARTITION, range).await?;
        Ok(items.into_iter().map(bucket_of).collect())
    }

    /// All items of a partition in a range of sort keys: one consistent Query for each megabyte.
    pub(super) async fn all_items(
        &self,
        partition: &str,
        range: std::ops::RangeInclusive<String>,
    ) -> Result<Vec<Item>, StoreError> {
        let (first, last) = range.into_inner();
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("PK = :pk AND SK BETWEEN :first AND :last")
                .expression_attribute_values(":pk", string(partition))
                .expression_attribute_values(":first", string(first.clone()))
                .expression_attribute_values(":last", string(last.clone()))
                .set_exclusive_start_key(start)
                .send()
                .await?;
            items.extend(output.items.unwrap_or_default());
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

/// The update of one item.
struct Bucket {
    sort_key: String,
    /// Whether the item expires.
    expires: bool,
    figures: Vec<(String, i64)>,
}

/// The items to which the differences of some hours are added: totals, the month's movements, and the hours themselves.
fn buckets(by_hour: &BTreeMap<String, Figures>, slot: u64) -> Vec<Bucket> {
    let mut sums: BTreeMap<String, (bool, Figures)> = BTreeMap::new();
    for (hour, figures) in by_hour {
        for (figure, value) in figures.iter() {
            let group = group(figure);
            let long = match figure {
                Figure::Movement(..) => keys::figures_month(hour, slot, &group),
                _ => keys::figures_total(slot, &group),
            };
            let short = keys::figures_hour(hour, slot, &group);
            for (sort_key, expires) in [(long, false), (short, true)] {
                sums.entry(sort_key).or_insert_with(|| (expires, Figures::default())).1.add(figure.clone(), value);
            }
        }
    }
    let bucket = |(sort_key, (expires, figures)): (String, (bool, Figures))| Bucket {
        sort_key,
        expires,
        figures: figures.iter().map(|(figure, value)| (figure.to_string(), value)).collect(),
    };
    sums.into_iter().map(bucket).filter(|bucket| !bucket.figures.is_empty()).collect()
}

/// The group of a figure. Each item has the figures of one group, so that no item grows without bounds.
fn group(figure: &Figure) -> String {
    match figure {
        Figure::State(_) | Figure::Attention(_) => "state".to_owned(),
        Figure::Plan(code, _) => format!("plan/{code}"),
        Figure::Recurring(_) | Figure::Movement(..) => "recurring".to_owned(),
        Figure::Open(currency, day) => format!("open/{currency}/{}", day.format("%Y-%m")),
    }
}

/// The sort key of an item, and its figures.
fn bucket_of(item: Item) -> (String, Figures) {
    let mut figures = Figures::default();
    let mut sort_key = String::new();
    for (name, value) in item {
        match (name.as_str(), &value) {
            ("SK", AttributeValue::S(text)) => sort_key.clone_from(text),
            (_, AttributeValue::N(text)) => {
                if let (Ok(figure), Ok(value)) = (name.parse(), text.parse()) {
                    figures.add(figure, value);
                }
            }
            _ => {}
        }
    }
    (sort_key, figures)
}

/// The difference of a commit, from the item of its last event; empty for any other item.
#[must_use]
pub fn figures_of(item: &Item) -> Figures {
    let mut figures = Figures::default();
    for (name, value) in item.get(FIGURES).and_then(|value| value.as_m().ok()).into_iter().flatten() {
        let value = value.as_n().ok().and_then(|text| text.parse::<i64>().ok());
        if let (Ok(figure), Some(value)) = (name.parse(), value) {
            if let Figure::Movement(movement, currency) = figure {
                figures.add(Figure::Recurring(currency), movement.sign() * value);
            }
            figures.add(figure, value);
        }
    }
    figures
}

fn judge(reasons: &[CancellationReason]) -> Verdict {
    if reasons.first().and_then(CancellationReason::code) == Some("ConditionalCheckFailed") {
        // The mark exists: the batch was added before.
        Verdict::CommittedBefore
    } else if is_transient(reasons) {
        Verdict::Retry(kept_being_cancelled())
    } else {
        Verdict::Refused(StoreError::Refused("DynamoDB cancelled the update of the figures".into()))
    }
}

/// The last record of the batch whose mark exists.
fn last_of(reasons: &[CancellationReason]) -> Option<u128> {
    last_in(reasons.first()?.item()?)
}

/// The last record of a batch, by its mark.
fn last_in(mark: &Item) -> Option<u128> {
    mark.get(LAST)?.as_s().ok()?.parse().ok()
}

fn full_hour(at: Timestamp) -> Timestamp {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}
