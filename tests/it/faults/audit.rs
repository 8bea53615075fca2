//! The audit: compares the final table with the clients' requests and the answers to them.

use std::collections::{BTreeMap, HashMap, HashSet};

use arcadia_api::{DeploymentView, InvoiceView, SubscriptionView};
use arcadia_domain::{Aggregate, Event, EventKind, InvoiceStatus, Resource, replay};
use arcadia_store::items;
use serde_json::{Value, json};

use super::ledger::{Entry, Ledger, Operation, Outcome, What, lock};
use crate::harness::Reply;
use crate::harness::billing::{Books, account};
use crate::harness::table::Contents;

/// The actor of the clock's steps.
const CLOCK: &str = "system:billing";

/// The final contents of the table.
pub struct Audit {
    contents: Contents,
    books: BTreeMap<String, Books>,
    resources: BTreeMap<String, Resource>,
    /// The events of each operation, by its caller, with their deployment.
    runs: HashMap<String, Vec<(String, Event)>>,
}

impl Audit {
    /// Reads everything, and insists that the books of each deployment balance.
    pub async fn read(ledger: &Ledger) -> Self {
        let contents = ledger.billing.contents().await;
        let (mut books, mut resources) = (BTreeMap::new(), BTreeMap::new());
        let mut runs: HashMap<String, Vec<(String, Event)>> = HashMap::new();
        for id in partitions(&contents) {
            let partition = ledger.billing.partition(&id).await;
            for (_, item) in partition.into_iter().filter(|(key, _)| key.starts_with("RESOURCE#")) {
                let resource = items::to_resource(item).expect("a resource");
                resources.insert(resource.id.to_string(), resource);
            }
            let kept = ledger.billing.books(&id).await;
            for event in &kept.events {
                runs.entry(event.actor.clone()).or_default().push((id.clone(), event.clone()));
            }
            books.insert(id, kept);
        }
        Self { contents, books, resources, runs }
    }

    /// Insists that every answer is true, that every change was requested, and that none happened twice.
    pub fn check(&self, ledger: &Ledger) {
        let entries = lock(&ledger.entries);
        let mut callers: HashSet<String> = entries.iter().map(|entry| entry.operation.actor()).collect();
        callers.insert(CLOCK.to_owned());
        let strangers: Vec<&String> = self.runs.keys().filter(|actor| !callers.contains(*actor)).collect();
        assert!(strangers.is_empty(), "no client requested the events of {strangers:?}");
        for entry in entries.iter() {
            self.check_run(entry);
            if let Outcome::Done(reply) = &entry.outcome
                && !entry.operation.is_dry_run()
            {
                self.check_told(entry, reply);
            }
        }
        self.check_clock();
        self.check_resources();
        self.check_claims();
        self.check_catalog(&entries);
    }

    /// The events of an operation belong to one commit and agree with the answer.
    fn check_run(&self, entry: &Entry) {
        let Entry { operation, outcome, repeated } = entry;
        let repeated = *repeated && !operation.has_key();
        let run = self.run(operation);
        let told = || format!("{entry:?}\ncame to {run:?}");
        if let Some(((first_id, first), rest)) = run.split_first() {
            assert_ne!(operation.what.events(), &[] as &[&str], "{}", told());
            assert!(operation.deployment.as_ref().is_none_or(|id| id == first_id), "{}", told());
            assert!(operation.what.events().contains(&kind(first).as_str()), "{}", told());
            for ((id, event), sequence) in rest.iter().zip(first.sequence + 1..) {
                assert_eq!((id, event.sequence), (first_id, sequence), "not one commit: {}", told());
                assert!(!operation.what.events().contains(&kind(event).as_str()), "executed twice: {}", told());
            }
        }
        match outcome {
            Outcome::Refused(_) => assert!(run.is_empty(), "executed though refused: {}", told()),
            // Without a key it was executed once or not at all.
            Outcome::Unknown => {}
            Outcome::Done(reply) => {
                let changed = is_change(operation, reply);
                assert!(changed.is_none_or(|changed| changed != run.is_empty() || repeated), "{}", told());
                assert!(changed != Some(true) || !run.is_empty(), "lost: {}", told());
                if let Some(((_, last), false)) = run.last().zip(Some(repeated)) {
                    assert_eq!(version(reply), Some(last.sequence), "{}", told());
                }
            }
        }
    }

    /// An answer shows the state at the version that it names.
    fn check_told(&self, entry: &Entry, reply: &Reply) {
        let Entry { operation, .. } = entry;
        let body = &reply.body;
        let id = operation.path.split('/').nth(2).filter(|_| operation.path.starts_with("/deployments/"));
        let id = id.or_else(|| body["deployment"]["id"].as_str());
        for row in body["deployments"].as_array().into_iter().flatten() {
            let mut row = row.clone();
            row.as_object_mut().expect("a deployment").shift_remove("subscription");
            let version = row["version"].as_u64().expect("a version");
            let mut expected = json!(DeploymentView::of(&self.at(row["id"].as_str().expect("an id"), version)));
            expected.as_object_mut().expect("a deployment").shift_remove("upcoming");
            assert_eq!(row, expected, "{entry:?}");
        }
        let Some(books) = id.map(|id| &self.books[id]) else { return };
        if let (Some(id), Some(version)) = (id, version(reply)) {
            let aggregate = self.at(id, version);
            for (name, view) in [
                ("deployment", json!(DeploymentView::of(&aggregate))),
                ("subscription", json!(SubscriptionView::of(&aggregate))),
            ] {
                assert!(body.get(name).is_none_or(|shown| *shown == view), "{entry:?}\nthe state was {view}");
            }
            if let Some(number) = body["invoice"]["number"].as_str()
                && !self.run(operation).is_empty()
                && !entry.repeated
            {
                let events = &books.events[..usize::try_from(version).expect("a version")];
                assert_eq!(
                    body["invoice"],
                    json!(InvoiceView::from(&account(id.parse().expect("an id"), events)[number])),
                    "{entry:?}"
                );
            }
        }
        let shown = body["events"].as_array().into_iter().flatten().chain(body.get("event"));
        for event in shown.filter(|event| !event.is_null()) {
            let sequence = usize::try_from(event["sequence"].as_u64().expect("a sequence")).expect("a sequence");
            assert_eq!(json!(books.events[sequence - 1]), *event, "{entry:?}");
        }
        for invoice in body["invoices"].as_array().into_iter().flatten().chain(body.get("invoice")) {
            let Some(number) = invoice["number"].as_str() else { continue };
            let kept = json!(books.invoices[number]);
            assert_eq!((&kept["lines"], &kept["issued_at"]), (&invoice["lines"], &invoice["issued_at"]), "{entry:?}");
        }
        for resource in body["resources"].as_array().into_iter().flatten().chain(body.get("resource")) {
            let kept = json!(self.resources[resource["id"].as_str().expect("an id")]);
            let same = |name: &str| kept[name] == resource[name];
            assert!(["deployment_id", "provider_reference", "created_at"].into_iter().all(same), "{entry:?}");
            assert!(resource["deleted_at"].is_null() || same("deleted_at"), "{entry:?}");
        }
        self.check_lasting(operation, reply, books);
    }

    /// A change that cannot be undone is still there.
    fn check_lasting(&self, operation: &Operation, reply: &Reply, books: &Books) {
        let invoice = reply.body["invoice"]["number"].as_str().map(|number| &books.invoices[number]);
        match (operation.what, invoice) {
            (What::Pay, Some(invoice)) => {
                let reference = operation.body.as_ref().map(|body| &body["reference"]);
                let payments = invoice.payments.iter().filter(|p| Some(&json!(p.reference)) == reference);
                assert_eq!(payments.count(), 1, "{operation:?}: {invoice:?}");
            }
            (What::Void, Some(invoice)) => assert_eq!(invoice.status, InvoiceStatus::Void, "{operation:?}"),
            (What::DeleteResource, _) => {
                let id = reply.body["resource"]["id"].as_str().expect("an id");
                assert!(self.resources[id].deleted_at.is_some(), "{operation:?}");
            }
            _ => {}
        }
    }

    /// No period begins twice, and no payment reference counts twice.
    fn check_clock(&self) {
        for (id, books) in &self.books {
            let (mut begun, mut paid) = (HashSet::new(), HashSet::new());
            for event in &books.events {
                match &event.kind {
                    EventKind::Renewed { subscription, .. } => {
                        let first = begun.insert((subscription.id, subscription.current_period_start));
                        assert!(first, "{id} renewed twice: {event:?}");
                    }
                    EventKind::PaymentReceived { payment, .. } => {
                        assert!(paid.insert(payment.reference.to_string()), "{id} was paid twice: {event:?}");
                    }
                    _ => {}
                }
            }
        }
    }

    /// Every resource was added once, by the caller that it is named after, and deleted at most once.
    fn check_resources(&self) {
        let events = self.runs.values().flatten();
        let (mut added, mut deleted) = (BTreeMap::new(), HashSet::new());
        for (_, event) in events {
            match &event.kind {
                EventKind::ResourceAdded { resource_id, .. } => {
                    let twice = added.insert(resource_id.to_string(), event.actor.clone());
                    assert_eq!(twice, None, "added twice: {event:?}");
                }
                EventKind::ResourceDeleted { resource_id, .. } => {
                    assert!(deleted.insert(resource_id.to_string()), "deleted twice: {event:?}");
                }
                _ => {}
            }
        }
        let kept = self.resources.iter().map(|(id, r)| (id.clone(), r.provider_reference.to_string()));
        assert_eq!(kept.collect::<BTreeMap<_, _>>(), added);
        let gone = self.resources.iter().filter(|(_, r)| r.deleted_at.is_some()).map(|(id, _)| id.clone());
        assert_eq!(gone.collect::<HashSet<_>>(), deleted);
    }

    /// Every deployment has one claim on its slug and every claim has a deployment. The same holds for trials.
    fn check_claims(&self) {
        let claims = |prefix: &str, id: fn(&Value) -> &Value| -> BTreeMap<(String, String), String> {
            let claims = self.contents.iter().filter(|((_, sk), _)| sk.starts_with(prefix));
            claims.map(|(key, item)| (key.clone(), id(item).as_str().expect("an id").to_owned())).collect()
        };
        let (mut slugs, mut trials) = (BTreeMap::new(), BTreeMap::new());
        for (id, books) in &self.books {
            let deployment = &books.aggregate.deployment;
            let partition = format!("TENANT#{}", deployment.tenant_id);
            let twice = slugs.insert((partition.clone(), format!("SLUG#{}", deployment.slug)), id.clone());
            assert_eq!(twice, None, "two deployments of {}", deployment.slug);
            for event in &books.events {
                let EventKind::Subscribed { subscription, .. } = &event.kind else { continue };
                if subscription.trial_ends_at.is_some() {
                    let key = (partition.clone(), format!("TRIAL#{}", subscription.terms.plan_code));
                    let first = trials.entry(key).or_insert_with(|| id.clone());
                    assert_eq!(first, id, "two trials of {}", subscription.terms.plan_code);
                }
            }
        }
        assert_eq!(claims("SLUG#", |item| &item["deployment_id"]), slugs);
        assert_eq!(claims("TRIAL#", |item| &item["record"]["deployment_id"]), trials);
    }

    /// The catalog has the requested records, in as many revisions as were requested.
    fn check_catalog(&self, entries: &[Entry]) {
        let of = |what: What, path: &str| -> Vec<&Entry> {
            entries.iter().filter(|e| e.operation.what == what && e.operation.path == path).collect()
        };
        let bounds = |entries: &[&Entry]| {
            let count = |done: fn(&Outcome) -> bool| entries.iter().filter(|e| done(&e.outcome)).count();
            let done = count(|outcome| matches!(outcome, Outcome::Done(_)));
            done..=done + count(|outcome| matches!(outcome, Outcome::Unknown))
        };
        // Plans were put once and published once before the run.
        for (what, path, pk, sk, first) in [
            (What::PutCatalog, "/plans/team", "PLAN#team", "#PLAN", 2),
            (What::PutCatalog, "/addons/storage_50gb", "ADDON#storage_50gb", "#ADDON", 1),
            (What::Publish, "/plans/studio/versions", "PLAN#studio", "#PLAN", 2),
        ] {
            let record = &self.contents[&(pk.to_owned(), sk.to_owned())]["record"];
            let changes =
                usize::try_from(record["revision"].as_u64().expect("a revision")).expect("a revision") - first;
            let asked = of(what, path);
            assert!(bounds(&asked).contains(&changes), "{changes} changes of {record}, but {:?}", bounds(&asked));
        }
        let published = of(What::Publish, "/plans/studio/versions");
        let versions = self.contents.iter().filter(|((pk, sk), _)| pk == "PLAN#studio" && sk.starts_with("VERSION#"));
        let mut prices = HashSet::new();
        for ((_, item), number) in versions.zip(1_u64..) {
            let record = &item["record"];
            assert_eq!(record["version"], number);
            assert!(prices.insert(record["price_cents"].as_u64()), "published twice: {record}");
        }
        for entry in published {
            let is_there = prices.contains(&Some(u64::try_from(entry.operation.number).expect("a number")));
            match &entry.outcome {
                Outcome::Done(_) => assert!(is_there, "lost: {entry:?}"),
                Outcome::Refused(_) => assert!(!is_there, "executed though refused: {entry:?}"),
                Outcome::Unknown => {}
            }
        }
    }

    /// A deployment at a version.
    fn at(&self, id: &str, version: u64) -> Aggregate {
        let events = &self.books[id].events[..usize::try_from(version).expect("a version")];
        replay(id.parse().expect("an id"), events).expect("a history")
    }

    fn run(&self, operation: &Operation) -> &[(String, Event)] {
        self.runs.get(&operation.actor()).map_or(&[], Vec::as_slice)
    }
}

/// The ids of the deployments that have any items.
fn partitions(contents: &Contents) -> HashSet<String> {
    contents.keys().filter_map(|(pk, _)| pk.strip_prefix("DEPLOYMENT#")).map(str::to_owned).collect()
}

fn kind(event: &Event) -> String {
    json!(event)["type"].as_str().expect("a type").to_owned()
}

/// The version that an answer names.
fn version(reply: &Reply) -> Option<u64> {
    reply.header("etag").trim_matches('"').parse().ok()
}

/// Returns whether an answer reports a change; none if it does not say.
fn is_change(operation: &Operation, reply: &Reply) -> Option<bool> {
    if operation.is_dry_run() {
        return Some(false);
    }
    match operation.what {
        What::Create
        | What::AddResource
        | What::Subscribe
        | What::Attach
        | What::Detach
        | What::WithdrawChange
        | What::WithdrawCancellation
        | What::Pay => Some(true),
        What::Transition | What::ChangePlan | What::ExtendTrial => Some(!reply.body["event"].is_null()),
        What::Update => operation.body.as_ref().filter(|body| !body["display_name"].is_null()).map(|_| true),
        What::DeleteResource | What::Cancel | What::Void => None,
        What::PutCatalog | What::Publish | What::PutPolicy | What::Read => Some(false),
    }
}
