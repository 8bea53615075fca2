//! The promise: invoices across deployments are found by tenant, deployment, status and dates, each once and in the
//! documented order. Callers see their own only, as JSON and as CSV.

use arcadia_domain::Timestamp;
use arcadia_functions::runtime::Clock as _;
use chrono::TimeDelta;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::reply::Reply;
use crate::harness::table::crowd;
use crate::harness::world::{id_of, user};

/// More deployments than one request adds up.
const TOO_MANY: usize = 10_001;
/// How many weeks the business runs: long enough for unpaid deployments to reach the end of dunning.
const WEEKS: usize = 26;
/// A moment in the middle of the run.
const MIDDLE: &str = "2027-04-10T00:00:00Z";

/// Half a year of two tenants: customers that pay, never pay, pay late or in part, and a mistaken invoice.
struct Business {
    billing: Billing,
    /// The deployments: tenant, slug and id.
    deployments: Vec<(&'static str, &'static str, String)>,
}

impl Business {
    async fn run() -> Self {
        let billing = Billing::at("2027-01-01T00:00:00Z").await;
        let mut deployments = Vec::new();
        for (tenant, slug) in
            [("acme", "paid"), ("acme", "unpaid"), ("acme", "mistake"), ("globex", "paid"), ("globex", "unpaid")]
        {
            let created = billing.post("/deployments", &user(tenant), json!({"slug": slug})).await.expect(201);
            let id = id_of(&created["deployment"]);
            let body = json!({"plan_code": "studio"});
            billing.post(&format!("/deployments/{id}/subscribe"), &user(tenant), body).await.expect(201);
            deployments.push((tenant, slug, id));
            billing.clock.shift(TimeDelta::milliseconds(700));
        }
        let mistake = billing.newest(&deployments[2].2).await;
        let path = format!("/deployments/{}/invoices/{mistake}/void", deployments[2].2);
        billing.post(&path, &billing.admin, json!({})).await.expect(200);
        for week in 0..WEEKS {
            for (n, (.., id)) in deployments.iter().enumerate() {
                match n {
                    0 | 3 => billing.settle(id).await,
                    // Late, and only a part.
                    2 if week % 6 == 5 => {
                        for invoice in billing.invoices(id).await.iter().filter(|invoice| invoice["status"] == "open") {
                            let number = invoice["number"].as_str().expect("a number");
                            billing.pay(id, number, &format!("part-{number}-{week}"), 1_000).await.expect(200);
                        }
                    }
                    _ => {}
                }
            }
            billing.clock.shift(TimeDelta::days(7));
            billing.sweep().await;
        }
        Self { billing, deployments }
    }

    /// Every invoice as the deployments list it, with its tenant.
    async fn invoices(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (tenant, slug, id) in &self.deployments {
            for mut invoice in self.billing.invoices(id).await {
                (invoice["tenant_id"], invoice["slug"]) = ((*tenant).into(), (*slug).into());
                all.push(invoice);
            }
        }
        all
    }
}

/// A condition on an invoice.
type Which<'a> = &'a dyn Fn(&Value) -> bool;

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).expect("a time")
}

/// A search: its token, its query and the invoices to be found.
struct Search<'a> {
    token: &'a str,
    query: String,
    status: &'a str,
    is_wanted: &'a dyn Fn(&Value) -> bool,
    of_everyone: bool,
}

impl Search<'_> {
    fn expected(&self, all: &[Value], now: Timestamp) -> Vec<Value> {
        let in_status = |invoice: &&Value| match self.status {
            "" => true,
            "overdue" => invoice["status"] == "open" && time(&invoice["due_at"]) <= now,
            status => invoice["status"] == status,
        };
        let mut found: Vec<Value> =
            all.iter().filter(|invoice| (self.is_wanted)(invoice)).filter(in_status).cloned().collect();
        let by_due =
            matches!(self.status, "open" | "overdue" | "uncollectible") || (self.status == "void" && self.of_everyone);
        let place = |invoice: &Value| {
            let at = time(&invoice[if by_due { "due_at" } else { "issued_at" }]).timestamp();
            (at, invoice["number"].as_str().expect("a number").to_owned())
        };
        found.sort_by_key(place);
        if self.status != "overdue" {
            found.reverse();
        }
        found
    }
}

#[tokio::test]
async fn every_search_finds_each_invoice_once_and_in_order() {
    let business = Business::run().await;
    let Business { billing, deployments } = &business;
    let (all, now) = (business.invoices().await, billing.clock.now());
    for status in ["open", "paid", "void", "uncollectible"] {
        assert!(all.iter().any(|invoice| invoice["status"] == status), "no invoice is {status}");
    }
    let (acme, unpaid) = (user("acme"), deployments[1].2.clone());
    let middle = time(&MIDDLE.into());
    let of_acme = |invoice: &Value| invoice["tenant_id"] == "acme";
    let of_unpaid = |invoice: &Value| invoice["deployment_id"] == *unpaid;
    let all_of_them = |_: &Value| true;
    let whose: [(&str, String, Which); 5] = [
        (&billing.admin, String::new(), &all_of_them),
        (&billing.admin, "tenant_id=acme".to_owned(), &of_acme),
        (&acme, String::new(), &of_acme),
        (&billing.admin, format!("tenant_id=acme&deployment_id={unpaid}"), &of_unpaid),
        (&acme, format!("deployment_id={unpaid}"), &of_unpaid),
    ];
    let dates: [(String, Which); 4] = [
        (String::new(), &all_of_them),
        (format!("due_before={MIDDLE}"), &|invoice| time(&invoice["due_at"]) < middle),
        (format!("issued_from={MIDDLE}"), &|invoice| time(&invoice["issued_at"]) >= middle),
        (format!("issued_to={MIDDLE}"), &|invoice| time(&invoice["issued_at"]) < middle),
    ];
    let mut found_any = 0;
    for (n, (token, who, is_theirs)) in whose.iter().enumerate() {
        for status in ["", "open", "overdue", "paid", "void", "uncollectible"] {
            for (dated, is_then) in &dates {
                let status_filter = if status.is_empty() { String::new() } else { format!("status={status}") };
                let parts = [who.clone(), status_filter, dated.clone()];
                let query = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
                let is_wanted = |invoice: &Value| is_theirs(invoice) && is_then(invoice);
                let search = Search { token, query, status, is_wanted: &is_wanted, of_everyone: n == 0 };
                let expected = search.expected(&all, now);
                found_any += expected.len();
                for limit in [3, 100] {
                    let path = format!("/invoices?limit={limit}&{}", search.query);
                    let path = path.trim_end_matches('&');
                    let found = billing.collect(path, search.token, "invoices").await;
                    let numbers = |list: &[Value]| list.iter().map(|one| one["number"].clone()).collect::<Vec<_>>();
                    assert_eq!(numbers(&found), numbers(&expected), "{path}");
                    assert_eq!(found, expected, "{path}");
                }
            }
        }
    }
    assert!(found_any > 100, "the searches find something: {found_any}");
}

#[tokio::test]
async fn a_statement_leads_from_month_to_month_to_what_is_owed_now_and_never_changes() {
    let business = Business::run().await;
    let billing = &business.billing;
    // A credit that becomes balance, and the use of a part of it.
    let paid = &business.deployments[0].2;
    let change = json!({"plan_code": "team"});
    let path = format!("/deployments/{paid}/subscription/change");
    billing.post(&path, &billing.admin, change).await.expect(200);
    billing.settle(paid).await;
    billing.clock.shift(TimeDelta::days(40));
    billing.sweep().await;
    let statement = async |month: &str| -> Value {
        let path = format!("/tenants/acme/account?month={month}");
        billing.get(&path, &user("acme")).await.expect(200)["account"]["statement"].clone()
    };
    let months = ["2026-12", "2027-01", "2027-02", "2027-03", "2027-04", "2027-05", "2027-06", "2027-07", "2027-08"];
    let mut owed = 0;
    let mut sums = [0; 4];
    let mut told = Vec::new();
    for month in months {
        let found = statement(month).await;
        assert_eq!(found["month"], month);
        let amounts = &found["amounts"][0];
        let cents = |name: &str| amounts[name].as_i64().unwrap_or_default();
        assert_eq!(cents("opening_cents"), owed, "{month}: {found}");
        let names = ["invoiced_cents", "credited_cents", "voided_cents", "paid_cents"];
        let [invoiced, credited, voided, paid] = names.map(cents);
        owed += invoiced - credited - voided - paid;
        assert_eq!(cents("closing_cents"), owed, "{month}: {found}");
        for (sum, name) in sums.iter_mut().zip(names) {
            *sum += cents(name);
        }
        told.push(found);
    }
    let account = &billing.get("/tenants/acme/account", &user("acme")).await.expect(200)["account"];
    assert_eq!(account["statement"], Value::Null);
    let cents = |name: &str| account["amounts"][0][name].as_i64().expect("an amount");
    assert_eq!(owed, cents("open_cents") + cents("uncollectible_cents") - cents("balance_cents"));
    assert!(sums.iter().all(|sum| *sum > 0), "every kind of amount occurs: {sums:?}");
    // Later changes do not change a statement of a past month.
    for (_, _, id) in &business.deployments[..3] {
        billing.settle(id).await;
    }
    let later: Vec<Value> = vec![statement(months[1]).await, statement(months[4]).await];
    assert_eq!(later, [told[1].clone(), told[4].clone()]);
    billing.get("/tenants/acme/account?month=2027-01", &user("globex")).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_page_comes_as_csv_and_names_the_next() {
    let business = Business::run().await;
    let billing = &business.billing;
    let ask = |path: &str| -> RequestBuilder { billing.anonymous(Method::GET, path).bearer_auth(&billing.admin) };
    let expected =
        billing.collect("/invoices?tenant_id=acme&issued_from=2027-01-02T00:00:00Z", &billing.admin, "invoices");
    let expected = expected.await;
    let mut lines: Vec<String> = Vec::new();
    let mut next = Some("/api/v1/invoices?limit=4&tenant_id=acme&issued_from=2027-01-02T00%3A00%3A00Z".to_owned());
    let mut heads = None;
    while let Some(path) = next {
        let reply = send(ask(&path).header("accept", "text/csv")).await;
        assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"));
        let mut found = reply.text.split_terminator("\r\n").map(str::to_owned);
        let head = found.next().expect("a line of names");
        assert_eq!(*heads.get_or_insert_with(|| head.clone()), head);
        lines.extend(found);
        let link = reply.header("link");
        next = link.strip_prefix('<').map(|rest| rest.trim_end_matches(">; rel=\"next\"").to_owned());
        assert!(next.is_some() || link.is_empty(), "{link}");
    }
    let names: Vec<String> = heads.expect("a page").split(',').map(str::to_owned).collect();
    let values = |invoice: &Value| {
        let text = |name: &String| match &invoice[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        names.iter().map(text).collect::<Vec<_>>().join(",")
    };
    assert!(expected.len() > 4, "several pages: {}", expected.len());
    assert_eq!(lines, expected.iter().map(values).collect::<Vec<_>>());
    for accept in ["application/json", "*/*", "application/json, text/csv;q=0.5", "text/csv;q=0", "text/html"] {
        let reply: Reply = send(ask("/api/v1/invoices?limit=1").header("accept", accept)).await;
        assert_eq!(reply.header("content-type"), "application/json", "{accept}");
    }
    for accept in ["text/csv", "TEXT/CSV; charset=utf-8", "text/csv, */*;q=0.1", "application/json;q=0.5, text/csv"] {
        let reply: Reply = send(ask("/api/v1/invoices?limit=1").header("accept", accept)).await;
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8; header=present", "{accept}");
    }
}

#[tokio::test]
async fn another_tenants_records_do_not_exist_and_too_many_are_refused() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let globex = user("globex");
    for (token, query) in [
        (&globex, format!("deployment_id={id}")),
        (&globex, format!("deployment_id={id}&status=open")),
        (&billing.admin, format!("tenant_id=globex&deployment_id={id}")),
        (&billing.admin, "deployment_id=0192f0c1-2345-7abc-8def-0123456789ab".to_owned()),
    ] {
        billing.get(&format!("/invoices?{query}"), token).await.expect_problem(404, "not_found");
    }
    assert_eq!(billing.get("/invoices", &globex).await.expect(200)["invoices"], json!([]));
    crowd(&billing.direct, billing.app.store.table(), &id, TOO_MANY).await;
    for query in ["status=open", "status=overdue", "status=uncollectible"] {
        let refused = billing.get(&format!("/invoices?{query}"), &billing.user).await;
        refused.expect_problem(422, "too_many_deployments");
    }
    // A search by issue date reads no deployments, and the platform's open invoices have an index.
    for (token, query) in [(&billing.user, ""), (&billing.user, "?status=paid"), (&billing.admin, "?status=open")] {
        billing.get(&format!("/invoices{query}"), token).await.expect(200);
    }
}
