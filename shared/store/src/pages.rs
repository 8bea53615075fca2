//! Pages of lists: from one partition of an index, merged from several partitions, and of the records of their entries.
//! Which index a list reads is decided by its own module.

use std::collections::HashMap;
use std::iter;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;

use super::item::{Item, string};
use super::keys::Key;
use super::{Store, StoreError};

/// The most reads that fill a page of a filtered list. A page that needs more ends early, with a cursor.
const MAX_FILLINGS: usize = 10;

/// The page size of the later Query requests that fill a page; DynamoDB returns at most 1 MB.
const FILLING: usize = 1_000;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The records, in the order of the list.
    pub items: Vec<T>,
    /// The position after which the list continues; `None` at its end.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// A page of the first `limit` of `items`. There is more if items are left over, or if `more_unread`.
    pub(super) fn cut(mut items: Vec<T>, limit: usize, more_unread: bool, position: impl Fn(&T) -> P) -> Self {
        let more = more_unread || items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(position);
        Self { items, next }
    }
}

/// The range to read in a partition of an index or of the table.
pub(super) struct Part {
    pub index: &'static str,
    /// The range of sort keys.
    pub keys: RangeInclusive<String>,
    pub oldest_first: bool,
}

impl Store {
    /// One Query of a partition of an index: the items, and the position of the last one read if there may be more.
    pub(super) async fn index_page<P: FromStr>(
        &self,
        part: &Part,
        partition: &str,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<P>), StoreError> {
        let Part { index, keys, oldest_first } = part;
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(Some((*index).to_owned()).filter(|index| !index.is_empty()))
            .consistent_read(index.is_empty())
            .scan_index_forward(*oldest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .key_condition_expression(format!("{index}PK = :pk AND {index}SK BETWEEN :first AND :last"))
            .expression_attribute_values(":pk", string(partition))
            .expression_attribute_values(":first", string(keys.start()))
            .expression_attribute_values(":last", string(keys.end()))
            .send()
            .await?;
        let read_to = output.last_evaluated_key.as_ref().map(|key| position(index, key)).transpose()?;
        Ok((output.items.unwrap_or_default(), read_to))
    }

    /// All records of a partition of an index, in the order of `part`; `None` if there are more than `most`. One Query
    /// for each thousand records or each megabyte.
    pub(super) async fn whole<P: FromStr, T>(
        &self,
        partition: &str,
        most: usize,
        part: impl Fn(Option<P>) -> Part,
        read: impl Fn(Item) -> Result<T, StoreError>,
    ) -> Result<Option<Vec<T>>, StoreError> {
        let (mut records, mut position) = (Vec::new(), None);
        loop {
            let (items, read_to) = self.index_page(&part(position), partition, FILLING).await?;
            for item in items {
                records.push(read(item)?);
            }
            if records.len() > most {
                return Ok(None);
            }
            position = read_to;
            if position.is_none() {
                return Ok(Some(records));
            }
        }
    }

    /// The first entries of all partitions together, each with the key of its record: one Query for each partition.
    pub(super) async fn merged<P: FromStr + Ord + Clone>(
        &self,
        part: &Part,
        partitions: &[String],
        limit: usize,
    ) -> Result<Page<(P, Key), P>, StoreError> {
        let pages = partitions.iter().map(|partition| self.index_page::<P>(part, partition, limit + 1));
        let mut entries: Vec<(P, Key)> = Vec::new();
        for (items, _) in try_join_all(pages).await? {
            for item in items {
                entries.push((position(part.index, &item)?, key_of(&item)?));
            }
        }
        entries.sort_unstable_by(|(a, key), (b, other)| {
            let order = a.cmp(b).then_with(|| (&key.pk, &key.sk).cmp(&(&other.pk, &other.sk)));
            if part.oldest_first { order } else { order.reverse() }
        });
        // An entry can be in two partitions while the index is catching up with a change of its record.
        entries.dedup();
        Ok(Page::cut(entries, limit, false, |(position, _)| position.clone()))
    }

    /// A page of the records of entries: one BatchGetItem for each page of entries. If it `is_sifted`, `read` leaves
    /// records out; the page is then filled from later entries, or ends early.
    pub(super) async fn filled<P, T, F>(
        &self,
        limit: usize,
        after: Option<P>,
        is_sifted: bool,
        entries: impl Fn(Option<P>) -> F,
        read: impl Fn(&P, Item) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T, P>, StoreError>
    where
        P: Clone,
        F: Future<Output = Result<Page<(P, Key), P>, StoreError>>,
    {
        let (mut records, mut read_to) = (Vec::new(), after);
        for _ in 0..MAX_FILLINGS {
            let found = entries(read_to.take()).await?;
            let mut items: HashMap<Key, Item> = HashMap::new();
            for item in self.get_items(found.items.iter().map(|(_, key)| key.clone()), false).await? {
                items.insert(key_of(&item)?, item);
            }
            for (position, key) in found.items {
                // A record that is gone since its entry was read is left out.
                let record = items.remove(&key).map(|item| read(&position, item)).transpose()?.flatten();
                records.extend(record.map(|record| (position, record)));
            }
            read_to = found.next;
            // In a list without a filter, the next entry is known to be wanted and need not be read.
            if read_to.is_none() || records.len() > limit || (records.len() == limit && !is_sifted) {
                break;
            }
        }
        let page = full_or_not(records, limit, read_to, |(position, _)| position.clone());
        let items = page.items.into_iter().map(|(_, record)| record).collect();
        Ok(Page { items, next: page.next })
    }
}

/// A page of the records found. A page that is not full continues where the read ended.
fn full_or_not<T, P>(records: Vec<T>, limit: usize, read_to: Option<P>, position: impl Fn(&T) -> P) -> Page<T, P> {
    if records.len() >= limit {
        Page::cut(records, limit, read_to.is_some(), position)
    } else {
        Page { items: records, next: read_to }
    }
}

/// A page of records that a Query returns whole. `read` leaves records out; the page is then filled by further Queries,
/// or ends early.
pub(super) async fn sifted<P, T, F>(
    limit: usize,
    after: Option<P>,
    query: impl Fn(Option<P>, usize) -> F,
    read: impl Fn(Item) -> Result<Option<T>, StoreError>,
    position: impl Fn(&T) -> P,
) -> Result<Page<T, P>, StoreError>
where
    F: Future<Output = Result<(Vec<Item>, Option<P>), StoreError>>,
{
    let (mut records, mut read_to) = (Vec::new(), after);
    for size in iter::once(limit + 1).chain(iter::repeat_n(FILLING, MAX_FILLINGS - 1)) {
        let (items, next) = query(read_to.take(), size).await?;
        for item in items {
            records.extend(read(item)?);
        }
        read_to = next;
        if read_to.is_none() || records.len() > limit {
            break;
        }
    }
    Ok(full_or_not(records, limit, read_to, position))
}

/// The position of an entry in an index.
pub(super) fn position<P: FromStr>(index: &str, item: &Item) -> Result<P, StoreError> {
    let text = text(item, &format!("{index}SK"))?;
    text.parse().map_err(|_| StoreError::Damaged(format!("an entry of {index} at {text:?}").into()))
}

/// The key of an item.
pub(super) fn key_of(item: &Item) -> Result<Key, StoreError> {
    Ok(Key { pk: text(item, "PK")?.to_owned(), sk: text(item, "SK")?.to_owned() })
}

fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    let text = item.get(name).and_then(|value| AttributeValue::as_s(value).ok());
    text.map(String::as_str).ok_or_else(|| StoreError::Damaged(format!("an item without {name}").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_next_only_when_there_is_more() {
        let cut = |n: u64, more| Page::cut((0..n).collect(), 3, more, |i: &u64| *i);
        assert_eq!(cut(3, false), Page { items: vec![0, 1, 2], next: None });
        assert_eq!(cut(4, false), Page { items: vec![0, 1, 2], next: Some(2) });
        assert_eq!(cut(2, true), Page { items: vec![0, 1], next: Some(1) });
        assert_eq!(cut(0, false), Page { items: vec![], next: None });
    }
}
