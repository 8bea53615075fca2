//! The promise: every later release reads the items that any release has stored, and the code stores the newest
//! release's
//! items byte for byte. `tests/stored/<release>` has items of every kind as that release wrote them.
//!
//! `UPDATE_DOCS=1 cargo test -p arcadia-tests --test it stored::` writes the files of the version in `Cargo.toml` anew.
//! The files of earlier releases are never changed.

mod kinds;
mod sample;
mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use arcadia_store::error_chain;
use arcadia_store::item::Item;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::harness::environment;
use crate::harness::project::ROOT;
use kinds::{KINDS, Kind, record_types};
use sample::{item_of, json_of};

/// The release that is being developed.
const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The file of the required attributes of each record.
const REQUIRED: &str = "required";

/// The path of a value within an item: names, and indexes in lists.
type Path = Vec<Value>;

fn folder(release: &str) -> String {
    format!("{ROOT}/tests/stored/{release}")
}

fn read(release: &str, name: &str) -> Value {
    let path = format!("{}/{name}.json", folder(release));
    serde_json::from_str(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).expect("JSON")
}

fn items(release: &str, name: &str) -> Vec<Item> {
    read(release, name).as_array().expect("a list of items").iter().map(item_of).collect()
}

/// The releases, and the names of their files.
fn releases() -> BTreeMap<String, BTreeSet<String>> {
    let names = |path: &str| {
        let entries = fs::read_dir(path).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
        names.map(|name| name.trim_end_matches(".json").to_owned()).collect::<BTreeSet<String>>()
    };
    let releases = names(&format!("{ROOT}/tests/stored"));
    releases.into_iter().map(|release| (release.clone(), names(&folder(&release)))).collect()
}

/// Compares a file of this release with its expected text, or writes it.
fn keep(name: &str, value: &Value) {
    let path = format!("{}/{name}.json", folder(RELEASE));
    let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
    if environment("UPDATE_DOCS").is_some() {
        fs::create_dir_all(folder(RELEASE)).expect("a folder");
        fs::write(&path, text).expect("a file");
    } else {
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{path} is out of date: run bash infra/ci/generate-docs");
    }
}

/// The values of an item, each with its path.
fn values(value: &Value, path: &[Value], found: &mut Vec<(Path, Value)>) {
    let inner: Vec<(Value, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (json!(name), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(place, value)| (json!(place), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (step, value) in inner {
        let path = [path, &[step]].concat();
        found.push((path.clone(), value.clone()));
        values(value, &path, found);
    }
}

/// The item without the value at a path; none if the value is an element of a list.
fn without(item: &Value, path: &[Value]) -> Option<Value> {
    let (last, way) = path.split_last()?;
    let mut stripped = item.clone();
    let mut at = &mut stripped;
    for step in way {
        at = match step.as_u64() {
            Some(place) => &mut at[usize::try_from(place).ok()?],
            None => &mut at[step.as_str()?],
        };
    }
    at.as_object_mut()?.remove(last.as_str()?)?;
    Some(stripped)
}

/// A path as text. All elements of a list have the same text.
fn label(path: &[Value]) -> String {
    path.iter().map(|step| step.as_str().unwrap_or("*")).collect::<Vec<_>>().join(".")
}

/// A sample, and the names of its values.
struct Sample<'a> {
    item: &'a Value,
    values: Vec<(Path, Value)>,
    /// The names of its values, except null ones.
    present: BTreeSet<String>,
    /// The names of its objects; the item's own name is empty.
    objects: BTreeSet<String>,
}

impl<'a> Sample<'a> {
    fn new(item: &'a Value) -> Self {
        let mut found = Vec::new();
        values(item, &Path::new(), &mut found);
        let present = found.iter().filter(|(_, value)| !value.is_null()).map(|(path, _)| label(path)).collect();
        let objects = found.iter().filter(|(_, value)| value.is_object()).map(|(path, _)| label(path));
        Self { item, present, objects: objects.chain([String::new()]).collect(), values: found }
    }

    /// Returns whether it lacks a value, though it is of the same type as `other` and has the object around the value.
    fn is_without(&self, name: &str, other: &Self) -> bool {
        let of_type = |sample: &Self| {
            let (event, command) = (&sample.item["record"]["event"], &sample.item["record"]["command"]);
            // A later due date is a time or a number of days.
            (event["type"].clone(), command["type"].clone(), command.get("days").is_some())
        };
        let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
        !self.present.contains(name) && self.objects.contains(parent) && of_type(self) == of_type(other)
    }
}

/// The required attributes of a kind of items. An attribute that one sample has and another of its type lacks is not
/// required.
fn required(kind: &Kind, items: &[Value]) -> BTreeSet<String> {
    let samples: Vec<Sample> = items.iter().map(Sample::new).collect();
    let mut required = BTreeSet::new();
    for sample in &samples {
        for (path, value) in &sample.values {
            let Some(stripped) = without(sample.item, path) else { continue };
            let Err(error) = (kind.again)(item_of(&stripped)) else { continue };
            let name = label(path);
            let is_optional = value.is_null() || samples.iter().any(|other| other.is_without(&name, sample));
            assert!(!is_optional, "{} without {name} is unreadable: {}", kind.name, error_chain(&error));
            required.insert(name);
        }
    }
    required
}

/// Compares all that this code stores with the files of its release, or writes them.
async fn keep_all() {
    let mut all_required = BTreeMap::new();
    for kind in &KINDS {
        let samples: Vec<Value> = (kind.samples)().iter().map(json_of).collect();
        for item in &samples {
            assert_eq!(item["type"], kind.name);
            let again = (kind.again)(item_of(item)).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
            assert_eq!(json_of(&again), *item, "read and written again");
        }
        keep(kind.name, &json!(samples));
        all_required.insert(kind.name, required(kind, &samples));
    }
    keep(REQUIRED, &json!(all_required));
    for (name, items) in sums::written().await {
        keep(&name, &json!(items.iter().map(json_of).collect::<Vec<_>>()));
    }
}

/// Writes the files, if requested, before another test reads them.
async fn kept() {
    static KEPT: OnceCell<()> = OnceCell::const_new();
    if environment("UPDATE_DOCS").is_some() {
        KEPT.get_or_init(keep_all).await;
    }
}

#[tokio::test]
async fn this_code_stores_the_items_that_are_kept_of_its_release() {
    kept().await;
    if environment("UPDATE_DOCS").is_none() {
        keep_all().await;
    }
}

#[tokio::test]
async fn the_records_of_every_release_are_read() {
    kept().await;
    let releases = releases();
    assert!(releases.contains_key(RELEASE), "{releases:?}");
    for (release, names) in &releases {
        for kind in KINDS.iter().filter(|kind| names.contains(kind.name)) {
            for item in items(release, kind.name) {
                let read = (kind.again)(item);
                assert!(
                    read.is_ok(),
                    "{release} {}: {}",
                    kind.name,
                    read.err().map(|e| error_chain(&e)).unwrap_or_default()
                );
            }
        }
        let sums = sums::NAMES.into_iter().filter(|name| names.contains(*name));
        sums::check(sums.map(|name| (name, items(release, name))).collect()).await;
    }
}

#[tokio::test]
async fn every_kind_of_items_is_kept() {
    kept().await;
    let kinds: BTreeSet<String> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    for name in record_types() {
        assert!(kinds.contains(&name), "the records of type {name} are not among the kinds");
    }
    let others = sums::NAMES.into_iter().chain([REQUIRED]).map(str::to_owned);
    let known: BTreeSet<String> = kinds.into_iter().chain(others).collect();
    assert_eq!(releases()[RELEASE], known);
    for (release, names) in releases() {
        assert!(names.is_subset(&known), "{release}: some of {names:?} are not read");
    }
}

#[tokio::test]
async fn the_invoice_that_takes_most_room_is_stored() {
    let item = kinds::largest_invoice();
    println!("{} bytes of JSON", json_of(&item).to_string().len());
    sums::put(item).await;
}
