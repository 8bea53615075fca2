//! The promise: the schedule lists the next steps of all deployments in the order of time, to each caller its own. An
//! account adds up a tenant's deployments and debts, and a history can be read from either end.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::shop::column;
use crate::harness::table::crowd;
use crate::harness::world::{id_of, user};

const MANY: usize = 10_001;

/// The deployments of three tenants: two subscribed, one of them overdue, one in a trial, one paused until later.
async fn business() -> (Billing, Vec<String>) {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let mut ids = Vec::new();
    for (tenant, slug) in [("acme", "paid"), ("acme", "unpaid"), ("globex", "other")] {
        let created = billing.post("/deployments", &user(tenant), json!({"slug": slug})).await.expect(201);
        let id = id_of(&created["deployment"]);
        let path = format!("/deployments/{id}/subscribe");
        let body = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
        billing.post(&path, &user(tenant), body).await.expect(201);
        ids.push(id);
        // Entries of the same moment are ordered by id, and ids of the same millisecond are random.
        billing.clock.shift(TimeDelta::seconds(1));
    }
    billing.settle(&ids[0]).await;
    let trial =
        json!({"tenant_id": "acme", "slug": "trial", "state": "trial", "trial_ends_at": "2027-01-20T00:00:00Z"});
    ids.push(id_of(&billing.post("/deployments", &billing.admin, trial).await.expect(201)["deployment"]));
    let idle =
        id_of(&billing.post("/deployments", &user("acme"), json!({"slug": "idle"})).await.expect(201)["deployment"]);
    let pause = json!({"to_state": "paused", "resume_at": "2027-03-05T00:00:00Z"});
    billing.post(&format!("/deployments/{idle}/transition"), &user("acme"), pause).await.expect(200);
    ids.push(idle);
    (billing, ids)
}

/// All pages of a list.
async fn pages(billing: &Billing, token: &str, path: &str, name: &str, limit: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = billing.get(&format!("{path}{separator}limit={limit}{cursor}"), token).await.expect(200);
        let records = page[name].as_array().expect("a list").clone();
        assert!(records.len() <= limit);
        found.extend(records);
        let Some(next) = page["next_cursor"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn the_schedule_is_told_in_the_order_of_time_and_to_each_what_is_theirs() {
    let (billing, ids) = business().await;
    let expected = [
        ("unpaid", "mark_past_due", "2027-01-08T00:00:01Z"),
        ("other", "mark_past_due", "2027-01-08T00:00:02Z"),
        ("trial", "end_trial", "2027-01-20T00:00:00Z"),
        ("paid", "renew", "2027-02-01T00:00:00Z"),
        ("idle", "resume", "2027-03-05T00:00:00Z"),
    ];
    let told = |entries: &[Value]| -> Vec<(String, String, String)> {
        let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
        entries.iter().map(|entry| (text(entry, "slug"), text(entry, "action"), text(entry, "at"))).collect()
    };
    let of = |wanted: &dyn Fn(&str, &str, &str) -> bool| -> Vec<(String, String, String)> {
        let those = expected.into_iter().filter(|(slug, action, at)| wanted(slug, action, at));
        those.map(|(slug, action, at)| (slug.to_owned(), action.to_owned(), at.to_owned())).collect()
    };
    for limit in [1, 2, 100] {
        for (token, query, wanted) in [
            (&billing.admin, "", &(|_: &str, _: &str, _: &str| true) as &dyn Fn(&str, &str, &str) -> bool),
            (&billing.admin, "?tenant_id=acme", &|slug, _, _| slug != "other"),
            (&user("acme"), "", &|slug, _, _| slug != "other"),
            (&user("globex"), "", &|slug, _, _| slug == "other"),
            (&user("nobody"), "", &|_, _, _| false),
            (&billing.admin, "?action=renew", &|_, action, _| action == "renew"),
            (&user("acme"), "?action=resume", &|_, action, _| action == "resume"),
            (&billing.admin, "?before=2027-01-20T00:00:00Z", &|_, _, at| at < "2027-01-20T00:00:00Z"),
            (&user("acme"), "?before=2027-02-01T00:00:00.001Z", &|slug, _, at| {
                slug != "other" && at <= "2027-02-01T00:00:00Z"
            }),
            (&billing.admin, "?before=1970-01-01T00:00:00Z", &|_, _, _| false),
        ] {
            let found = pages(&billing, token, &format!("/schedule{query}"), "schedule", limit).await;
            assert_eq!(told(&found), of(wanted), "{query} by {limit}");
        }
    }
    let renewal = &billing.get("/schedule?action=renew", &billing.admin).await.expect(200)["schedule"][0];
    let expected = json!({
        "deployment_id": ids[0], "tenant_id": "acme", "slug": "paid", "state": "active", "action": "renew",
        "at": "2027-02-01T00:00:00Z", "amount_cents": 3_650, "currency": "USD", "estimate": true,
    });
    assert_eq!(*renewal, expected);
    let resume = &billing.get("/schedule?action=resume", &billing.admin).await.expect(200)["schedule"][0];
    assert_eq!(
        (&resume["amount_cents"], &resume["currency"], &resume["estimate"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
}

#[tokio::test]
async fn the_next_invoice_is_shown_as_the_scheduled_changes_make_it() {
    let (billing, ids) = business().await;
    let paid = format!("/deployments/{}/subscription", ids[0]);
    let upcoming = async || -> Vec<Value> {
        let account = billing.get("/tenants/acme/account", &user("acme")).await.expect(200);
        let found = account["account"]["upcoming_invoices"].as_array().expect("a list").clone();
        found.into_iter().filter(|invoice| invoice["slug"] == "paid").collect()
    };
    assert_eq!(column(&json!(upcoming().await), "amount_cents"), [3_650]);
    let later = json!({"plan_code": "team", "effective": "period_end"});
    billing.post(&format!("{paid}/change"), &user("acme"), later).await.expect(200);
    let entry = &billing.get("/schedule?action=change_plan", &user("acme")).await.expect(200)["schedule"][0];
    let team = billing.get("/plans/team", &billing.admin).await.expect(200);
    let price = team["plan"]["newest_version"]["price_cents"].as_i64().expect("a price") + 750;
    assert_eq!((&entry["slug"], &entry["amount_cents"]), (&json!("paid"), &json!(price)));
    assert_eq!(column(&json!(upcoming().await), "amount_cents"), [price]);
    billing.post(&format!("{paid}/cancellation"), &user("acme"), json!({"effective": "period_end"})).await.expect(200);
    assert_eq!(upcoming().await, [] as [Value; 0], "no further invoice is coming");
}

#[tokio::test]
async fn an_account_adds_up_what_a_tenant_has_and_owes() {
    let (billing, _) = business().await;
    let account = |token: String| {
        let billing = &billing;
        async move { billing.get("/tenants/acme/account", &token).await.expect(200)["account"].clone() }
    };
    let amounts = |open: i64, overdue: i64, by_age: [i64; 4]| {
        json!([{
            "currency": "USD", "open_cents": open, "overdue_cents": overdue,
            "overdue_by_age": {"0_30": by_age[0], "31_60": by_age[1], "61_90": by_age[2], "over_90": by_age[3]},
            "uncollectible_cents": 0, "balance_cents": 0,
        }])
    };
    let first = account(user("acme")).await;
    assert_eq!(first["deployments"], json!({"active": 2, "trial": 1, "paused": 1}));
    assert_eq!(first["amounts"], amounts(3_650, 0, [0; 4]), "the invoice is due on the 8th");
    let mut ahead = column(&first["upcoming_invoices"], "slug");
    ahead.sort_unstable_by_key(ToString::to_string);
    assert_eq!(ahead, ["paid", "unpaid"]);
    assert_eq!(first, account(billing.admin.clone()).await);
    // The schedule shows the stored entries: no sweep runs.
    billing.set_time("2027-01-08T00:00:01Z");
    let mut age = 0;
    for (days, bucket) in [(0, 0), (30, 0), (31, 1), (60, 1), (61, 2), (90, 2), (91, 3)] {
        billing.clock.shift(TimeDelta::days(days - age));
        age = days;
        let mut by_age = [0; 4];
        by_age[bucket] = 3_650;
        assert_eq!(account(user("acme")).await["amounts"], amounts(3_650, 3_650, by_age), "{days} days");
    }
    billing.get("/tenants/acme/account", &user("globex")).await.expect_problem(404, "not_found");
    let nothing = billing.get("/tenants/nobody/account", &billing.admin).await.expect(200);
    let expected = json!({"tenant_id": "nobody", "deployments": {}, "amounts": [], "upcoming_invoices": []});
    assert_eq!(nothing["account"], expected);
}

#[tokio::test]
async fn a_sum_of_too_many_deployments_is_null_and_never_partial() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let id = id_of(&billing.create("shop").await);
    crowd(&billing.direct, billing.app.store.table(), &id, MANY - 2).await;
    let account = billing.get("/tenants/acme/account", &user("acme")).await.expect(200);
    assert_eq!(account["account"]["deployments"], json!({"active": MANY - 1}));
    crowd(&billing.direct, billing.app.store.table(), &id, 1).await;
    for path in ["/tenants/acme/account", "/schedule"] {
        billing.get(path, &user("acme")).await.expect_problem(422, "too_many_deployments");
    }
    billing.get("/schedule", &billing.admin).await.expect(200);
}

#[tokio::test]
async fn a_history_is_read_from_either_end() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let id = id_of(&billing.create("shop").await);
    for n in 2..=7 {
        let body = json!({"display_name": format!("name {n}")});
        billing.patch(&format!("/deployments/{id}"), &user("acme"), body).await.expect(200);
    }
    let path = format!("/deployments/{id}/events");
    for limit in [1, 3, 7, 100] {
        for after in 0..9_u64 {
            let newer: Vec<u64> = (1..=7).filter(|sequence| *sequence > after).collect();
            for (order, expected) in [("asc", newer.clone()), ("desc", newer.iter().rev().copied().collect::<Vec<_>>())]
            {
                let query = format!("{path}?order={order}&after={after}");
                let found = pages(&billing, &user("acme"), &query, "events", limit).await;
                assert_eq!(column(&json!(found), "sequence"), expected, "{query} by {limit}");
            }
        }
    }
    for order in ["asc", "desc"] {
        billing.get(&format!("{path}?order={order}"), &user("globex")).await.expect_problem(404, "not_found");
        let beyond = format!("{path}?order={order}&after=18446744073709551615");
        assert_eq!(billing.get(&beyond, &user("acme")).await.expect(200)["events"], json!([]));
        assert_eq!(
            billing.get(&beyond.replace("18446744073709551615", "20000000000"), &user("acme")).await.expect(200)["events"],
            json!([])
        );
    }
}
