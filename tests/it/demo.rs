//! The promise: the product could have written a demo's history. Every book balances, nothing is due, the same seed
//! gives the same history, and the program shows it.

use std::collections::{BTreeMap, BTreeSet};

use arcadia_domain::{Figures, Timestamp};
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::{dynamodb, environment};
use crate::program::{Directory, Running, run};

const UNTIL: &str = "2027-01-15T10:00:00Z";
const DEPLOYMENTS: usize = 40;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Writes a demo's history into the table of a world.
fn fill(billing: &Billing, seed: &str) -> String {
    let (count, table) = (DEPLOYMENTS.to_string(), billing.app.store.table());
    let arguments = ["demo", "--deployments", &count, "--seed", seed, "--until", UNTIL, "--table", table];
    let output = run(&[&arguments[..], &["--dynamodb-endpoint", dynamodb::endpoint()]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All items of deployments in a table, without the id of the commit that wrote them.
async fn deployments(billing: &Billing) -> BTreeMap<(String, String), Value> {
    let contents = billing.contents().await.into_iter();
    let mut items: BTreeMap<_, Value> = contents.filter(|((pk, _), _)| pk.starts_with("DEPLOYMENT#")).collect();
    for item in items.values_mut() {
        item.as_object_mut().expect("an item").remove("last_commit_id");
    }
    items
}

#[tokio::test]
async fn a_history_balances_and_follows_from_its_seed() {
    let seed = environment("SEED").unwrap_or_else(|| "7".to_owned());
    println!("to repeat: SEED={seed}");
    let billing = Billing::at(UNTIL).await;
    let summary = fill(&billing, &seed);
    let stored = billing.stored().await;
    assert_eq!(stored.len(), DEPLOYMENTS, "{summary}");
    let (mut kinds, mut states) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    let (mut invoices, mut events) = (0, 0);
    let mut present = Figures::default();
    for deployment in &stored {
        let books = billing.books(&deployment.id.to_string()).await;
        states.insert(books.aggregate.deployment.state.as_str());
        present.add_all(&Figures::of_present(&books.aggregate), 1);
        (invoices, events) = (invoices + books.invoices.len(), events + books.events.len());
        for event in books.events {
            *kinds.entry(json!(event)["type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(summary.contains(&format!("{events} events, {invoices} invoices, ")), "{summary}");
    assert_eq!(billing.due().await, 0, "nothing is left to catch up with");
    assert_eq!(billing.app.store.clone().counting().summary(at(UNTIL)).await.unwrap().totals, present);
    println!("{summary}{kinds:?}\n{states:?}");
    assert!(kinds.len() >= 8 && states.len() >= 3, "the history has too few kinds and states");

    let again = Billing::at(UNTIL).await;
    fill(&again, &seed);
    assert_eq!(deployments(&again).await, deployments(&billing).await, "the same seed gives the same history");
    let other = Billing::at(UNTIL).await;
    fill(&other, "8888");
    assert_ne!(deployments(&other).await, deployments(&billing).await, "another seed");
}

#[tokio::test]
async fn the_program_shows_what_a_demo_wrote_and_a_second_demo_is_refused() {
    let data = Directory::new();
    let demo = ["demo", "--data", data.path(), "--deployments", "120", "--tenants", "3", "--until", UNTIL];
    let output = run(&demo);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.ends_with("120 of 120 deployments\n") && !stderr.contains('\u{1b}'), "{stderr}");
    let second = run(&demo);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("there are deployments already"));

    let running = Running::start(&data, &["--clock", UNTIL]).await;
    let list = |more: &[&str]| {
        let all =
            [&["deployments", "list", "--json", "--url", &running.http.base, "--data", data.path()], more].concat();
        let output = run(&all);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    // More deployments than a page has, and their parts.
    let all = list(&["--all"]);
    assert_eq!((all["deployments"].as_array().map(Vec::len), &all["next_cursor"]), (Some(120), &Value::Null));
    let first = list(&["--limit", "110"]);
    assert_eq!(first["deployments"].as_array().unwrap()[..], all["deployments"].as_array().unwrap()[..110]);
    let rest = list(&["--cursor", first["next_cursor"].as_str().unwrap()]);
    assert_eq!(rest["deployments"].as_array().unwrap()[..], all["deployments"].as_array().unwrap()[110..]);
    let acme = list(&["--tenant", "acme", "--all"]);
    assert!(acme["deployments"].as_array().is_some_and(|list| !list.is_empty()), "the banner's token sees deployments");
}

#[tokio::test]
async fn a_demo_is_tried_in_memory_and_never_at_aws() {
    let data = Directory::new();
    let output = run(&["demo", "--in-memory", "--deployments", "3", "--until", UNTIL, "--data", data.path()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("3 deployments of 1 tenants"));
    assert!(!std::path::Path::new(data.path()).exists());
    let output = run(&["demo", "--dynamodb-endpoint", "https://dynamodb.eu-central-1.amazonaws.com"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("works only with a local database"));
}
