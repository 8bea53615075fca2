//! The promise: a payment counts once, however often and by however many callers it is reported, and never beyond the
//! amount due. When nothing overdue is left, a past due or suspended deployment becomes active in the same transaction.

use std::sync::Arc;

use arcadia_domain::Authority;
use arcadia_functions::{Audience, ROUTES};
use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::billing::{Billing, number_of};
use crate::harness::client::{PREFIX, send};
use crate::harness::shop::column;
use crate::harness::world::user;
use crate::harness::{Fault, Reply};

/// A deployment subscribed at this moment owes 14.50 USD, due a week later.
const BOUGHT: &str = "2027-11-16T00:00:00Z";
const PAST_DUE: &str = "2027-11-23T00:00:00Z";
const RENEWED: &str = "2027-12-01T00:00:00Z";
const SUSPENDED: &str = "2027-12-07T00:00:00Z";
const CANCELLED: &str = "2027-12-23T00:00:00Z";

/// A world in which acme's `shop` owes the invoice `number`.
async fn owing() -> (Billing, String, String) {
    let billing = Billing::at(BOUGHT).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let number = billing.newest(&id).await;
    (billing, id, number)
}

fn path(id: &str, number: &str) -> String {
    format!("/deployments/{id}/invoices/{number}/payments")
}

#[tokio::test]
async fn a_refund_of_an_invoice_and_a_reversal_are_the_same_when_repeated_and_nothing_else_is() {
    let (billing, id, number) = owing().await;
    let tomorrow = json!({
        "reference": "p-1", "amount_cents": 1_450, "currency": "USD", "value_date": "2027-11-18",
    });
    let refused = billing.post(&path(&id, &number), &billing.provider, tomorrow).await;
    refused.expect_fields(&[("/value_date", "in_future")]);
    billing.pay(&id, &number, "p-1", 1_450).await.expect(200);
    let charge = billing.invoices(&id).await[0]["lines"][0]["charge"].take();
    let notes = format!("/deployments/{id}/invoices/{number}/credit-notes");
    let note = |cents: i64, reference: &str| json!({"lines": [{"charge": charge, "amount_cents": cents}], "refund": true, "reference": reference});
    let post = async |path: &str, body: Value| billing.post(path, &billing.admin, body).await;
    post(&notes, note(450, "out-1")).await.expect(200);
    let contents = billing.contents().await;
    post(&notes, note(450, "out-1")).await.expect(200);
    for (path, body) in [
        (notes.clone(), note(451, "out-1")),
        (notes.clone(), json!({"refund": true, "reference": "out-1"})),
        (format!("/deployments/{id}/refunds"), json!({"reference": "out-1", "amount_cents": 450, "currency": "USD"})),
    ] {
        post(&path, body).await.expect_problem(409, "payment_reference_reused");
    }
    let wrong = json!({"lines": [{"charge": 7, "amount_cents": 0}, 1, {"charge": charge, "colour": 1}]});
    let refused = post(&notes, wrong).await.expect_problem(400, "unknown_field");
    let named: Vec<&Value> = refused["errors"].as_array().expect("errors").iter().map(|e| &e["pointer"]).collect();
    let expected = ["/lines/2/colour", "/lines/0/charge", "/lines/0/amount_cents", "/lines/1", "/lines/2/amount_cents"];
    assert_eq!(named, expected);
    assert_eq!(billing.contents().await, contents);
    let reversal = format!("{}/p-1/reversal", path(&id, &number));
    let reversed = post(&reversal, json!({"kind": "mistake"})).await.expect(200);
    assert_eq!(post(&reversal, json!({"kind": "mistake"})).await.expect(200), reversed);
    post(&reversal, json!({"kind": "chargeback"})).await.expect_problem(409, "payment_reversed");
    billing.books(&id).await;
}

#[tokio::test]
async fn an_invoice_is_paid_in_full_or_in_parts() {
    let (billing, id, number) = owing().await;
    billing.clock.shift(TimeDelta::hours(1));
    let part = billing.pay(&id, &number, "part-1", 450).await;
    assert_eq!(part.header("etag"), "\"4\"");
    let part = part.expect(200);
    let payment = |reference: &str, cents: i64, at: &str| json!({"reference": reference, "amount_cents": cents, "received_at": at});
    let invoice = &part["invoice"];
    assert_eq!(invoice["payments"], json!([payment("part-1", 450, "2027-11-16T01:00:00Z")]));
    assert_eq!((&invoice["paid_cents"], &invoice["due_cents"]), (&json!(450), &json!(1_000)));
    assert_eq!((&invoice["status"], &invoice["closed_at"]), (&json!("open"), &Value::Null));
    assert_eq!(part["deployment"]["open_invoices"][0]["due_cents"], 1_000);
    billing.pay(&id, &number, "part-2", 1).await.expect(200);
    billing.clock.shift(TimeDelta::hours(1));
    let last = billing.pay(&id, &number, "part-3", 999).await.expect(200);
    let invoice = &last["invoice"];
    assert_eq!((&invoice["status"], &invoice["closed_at"]), (&json!("paid"), &json!("2027-11-16T02:00:00Z")));
    assert_eq!(column(&invoice["payments"], "amount_cents"), [450, 1, 999]);
    assert_eq!(last["deployment"]["open_invoices"], json!([]));
    assert_eq!(billing.invoices(&id).await, std::slice::from_ref(invoice));
    assert_eq!(billing.kinds(&id).await[3..], ["payment_received"; 3]);
    assert_eq!(billing.next(&id).await, ("renew".to_owned(), RENEWED.to_owned()));

    billing.sweep_at(RENEWED).await;
    let number = billing.newest(&id).await;
    let paid = billing.pay(&id, &number, "full", 2_900).await.expect(200);
    assert_eq!((&paid["invoice"]["status"], &paid["invoice"]["due_cents"]), (&json!("paid"), &json!(0)));
    billing.books(&id).await;
    billing.check(&id).await;
}

#[tokio::test]
async fn the_same_reference_is_the_same_payment() {
    let (billing, id, number) = owing().await;
    let first = billing.pay(&id, &number, "p-1", 1_000).await.expect(200);
    billing.clock.shift(TimeDelta::days(1));
    let contents = billing.contents().await;
    billing.dynamodb.clear();
    let again = billing.pay(&id, &number, "p-1", 1_000).await;
    assert_eq!(again.header("etag"), "\"4\"");
    assert_eq!(again.expect(200), first);
    assert_eq!(billing.dynamodb.count("TransactWriteItems"), 0);
    let refused = billing.pay(&id, &number, "p-1", 450).await;
    refused.expect_problem(409, "payment_reference_reused");
    let body = json!({"reference": "p-1", "amount_cents": 1_000, "currency": "EUR"});
    billing.post(&path(&id, &number), &billing.admin, body).await.expect_problem(409, "payment_reference_reused");
    assert_eq!(billing.contents().await, contents);
    // The same holds after the invoice is paid, and for another caller's report.
    let rest = billing.pay(&id, &number, "p-2", 450).await.expect(200);
    let body = json!({"reference": "p-1", "amount_cents": 1_000, "currency": "USD"});
    assert_eq!(billing.post(&path(&id, &number), &billing.admin, body).await.expect(200), rest);

    billing.sweep_at(RENEWED).await;
    let contents = billing.contents().await;
    let next = billing.newest(&id).await;
    for amount_cents in [1_000, 2_900] {
        billing.pay(&id, &next, "p-1", amount_cents).await.expect_problem(409, "payment_reference_reused");
        let dry = json!({"reference": "p-1", "amount_cents": amount_cents, "currency": "USD"});
        let dry = billing.post(&format!("{}?dry_run=true", path(&id, &next)), &billing.admin, dry).await;
        dry.expect_problem(409, "payment_reference_reused");
    }
    assert_eq!(billing.contents().await, contents);
    billing.books(&id).await;
    // References are unique within a deployment only.
    let other = billing.create_subscribed("other", json!({"plan_code": "studio"})).await;
    let invoice = billing.newest(&other).await;
    billing.pay(&other, &invoice, "p-1", 2_900).await.expect(200);
    billing.books(&other).await;
}

#[tokio::test]
async fn an_invalid_payment_is_refused_and_writes_nothing() {
    let (billing, id, number) = owing().await;
    let contents = billing.contents().await;
    let refused = billing.pay(&id, &number, "p", 1_451).await.expect_problem(422, "overpayment");
    assert_eq!(refused["due_cents"], 1_450);
    let refused = billing.pay(&id, &number, "p", i64::MAX).await.expect_problem(422, "overpayment");
    assert_eq!(refused["due_cents"], 1_450);
    let good = json!({"reference": "p", "amount_cents": 100, "currency": "USD"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        let path = path(&id, &number);
        let (billing, token) = (&billing, &billing.provider);
        async move { billing.post(&path, token, body).await }
    };
    let refused = with("currency", json!("EUR")).await.expect_problem(422, "payment_currency");
    assert_eq!(refused["currency"], "USD");
    for (name, value, code) in [
        ("amount_cents", json!(0), "out_of_range"),
        ("amount_cents", json!(-100), "out_of_range"),
        ("amount_cents", json!(99.5), "not_an_integer"),
        ("amount_cents", json!(100.0), "not_an_integer"),
        ("amount_cents", json!("100"), "not_an_integer"),
        ("amount_cents", json!(u64::MAX), "out_of_range"),
        ("amount_cents", Value::Null, "not_null"),
        ("currency", json!("usd"), "invalid_currency"),
        ("reference", json!(""), "invalid_payment_reference"),
        ("reference", json!("a b"), "invalid_payment_reference"),
        ("reference", json!("a#b"), "invalid_payment_reference"),
        ("reference", json!("x".repeat(256)), "invalid_payment_reference"),
    ] {
        with(name, value).await.expect_fields(&[(format!("/{name}").as_str(), code)]);
    }
    let empty = billing.post(&path(&id, &number), &billing.provider, json!({})).await;
    empty.expect_fields(&[("/reference", "required"), ("/amount_cents", "required"), ("/currency", "required")]);
    with("note", json!("thanks")).await.expect_problem(400, "unknown_field");
    let nobody = "20271116000000-000000000000-USD";
    billing.pay(&id, nobody, "p", 100).await.expect_problem(404, "not_found");
    billing.pay(&id, "rent", "p", 100).await.expect_problem(400, "invalid_invoice_number");
    assert_eq!(billing.contents().await, contents);
    with("reference", json!("x".repeat(255))).await.expect(200);
}

#[tokio::test]
async fn a_paid_or_void_invoice_takes_no_payment() {
    let (billing, id, number) = owing().await;
    billing.pay(&id, &number, "p", 1_450).await.expect(200);
    let refused = billing.pay(&id, &number, "q", 1).await.expect_problem(409, "invoice_not_open");
    assert_eq!(refused["invoice_status"], "paid");
    billing.sweep_at(RENEWED).await;
    let number = billing.newest(&id).await;
    billing.void(&id, &number).await.expect(200);
    let refused = billing.pay(&id, &number, "r", 2_900).await.expect_problem(409, "invoice_not_open");
    assert_eq!(refused["invoice_status"], "void");
    billing.books(&id).await;
}

#[tokio::test]
async fn a_payment_provider_reports_payments_of_any_tenant_and_may_do_nothing_else() {
    let (billing, id, number) = owing().await;
    let contents = billing.contents().await;
    let mut refused = 0;
    for route in ROUTES.iter().filter(|route| !route.audience.admits(Authority::PaymentProvider)) {
        let full = route.path.replace("{id}", &id).replace("{number}", &number).replace("{tenant_id}", "acme");
        let full = full.replace("{code}", "studio").replace("{resource_id}", &id).replace("{addon_id}", &id);
        let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        let path = full.strip_prefix(PREFIX).unwrap();
        let code = if route.audience == Audience::Admins { "admin_required" } else { "role_not_permitted" };
        let request = billing.request(method, path, &billing.provider);
        let request = if route.method.as_str() == "GET" { request } else { request.json(&json!({})) };
        send(request).await.expect_problem(403, code);
        refused += 1;
    }
    // The routes that record and reverse a payment remain.
    assert_eq!(refused, ROUTES.len() - 2);
    for token in [&billing.user, &user("globex")] {
        let body = json!({"reference": "p", "amount_cents": 1_450, "currency": "USD"});
        billing.post(&path(&id, &number), token, body).await.expect_problem(403, "role_not_permitted");
    }
    assert_eq!(billing.contents().await, contents);
    let paid = billing.pay(&id, &number, "p", 1_450).await.expect(200);
    assert_eq!(paid["invoice"]["status"], "paid");
    assert_eq!(billing.books(&id).await.events[3].actor, "till");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_payment_reported_by_sixteen_at_once_exactly_one_counts() {
    const CALLERS: usize = 16;
    let (billing, id, number) = owing().await;
    let gathered = Fault::Gather(Arc::new(Barrier::new(CALLERS)));
    billing.dynamodb.plan("TransactWriteItems", CALLERS, gathered);
    let replies = join_all((0..CALLERS).map(|_| billing.pay(&id, &number, "p", 1_000))).await;
    let (done, refused): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((done.len(), refused.len()), (1, CALLERS - 1));
    for reply in refused {
        reply.expect_problem(409, "version_conflict");
    }
    let books = billing.books(&id).await;
    assert_eq!((books.count("payment_received"), books.invoices[&number].paid_cents), (1, 1_000));
    // A caller that asks again gets the answer of the one that won.
    for reply in join_all((0..CALLERS).map(|_| billing.pay(&id, &number, "p", 1_000))).await {
        assert_eq!(reply.expect(200), done[0].body);
    }
    assert_eq!(billing.books(&id).await, books);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_different_payments_at_once_each_counts_once_it_was_taken() {
    const HALVES: usize = 2;
    for round in 0..5 {
        let (billing, id, number) = owing().await;
        if round % 2 == 0 {
            billing.dynamodb.plan("TransactWriteItems", HALVES, Fault::Gather(Arc::new(Barrier::new(HALVES))));
        }
        let halves = (0..HALVES).map(|half| {
            let (billing, id, number) = (&billing, &id, &number);
            async move {
                loop {
                    let reply = billing.pay(id, number, &format!("half-{half}"), 725).await;
                    if reply.status == 200 {
                        return;
                    }
                    reply.expect_problem(409, "version_conflict");
                }
            }
        });
        join_all(halves).await;
        let books = billing.books(&id).await;
        let invoice = &books.invoices[&number];
        assert_eq!((invoice.paid_cents, invoice.payments.len()), (1_450, 2), "round {round}");
        assert_eq!(books.count("payment_received"), 2);
    }
}

/// A payment that is committed between another payment's two reads, of the deployment and of the invoice.
#[tokio::test]
async fn a_payment_that_comes_between_the_reads_of_another_is_not_overwritten() {
    for (first, held) in [("Query", "GetItem"), ("GetItem", "Query")] {
        let (billing, id, number) = owing().await;
        billing.dynamodb.clear();
        let barrier = Arc::new(Barrier::new(2));
        billing.dynamodb.plan(held, 1, Fault::Gather(Arc::clone(&barrier)));
        let between = async {
            // If the product makes its reads in sequence, the second read never finishes first.
            while billing.dynamodb.count(held) < 1 {
                tokio::task::yield_now().await;
            }
            if first == "GetItem" {
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
            }
            billing.pay(&id, &number, "between", 700).await.expect(200);
            barrier.wait().await;
        };
        let (held, ()) = tokio::join!(billing.pay(&id, &number, "held", 750), between);
        let books = billing.books(&id).await;
        let expected = if held.status == 200 { 1_450 } else { 700 };
        assert_eq!(books.invoices[&number].paid_cents, expected, "{}", held.text);
        if held.status != 200 {
            held.expect_problem(409, "version_conflict");
        }
    }
}

#[tokio::test]
async fn a_payment_that_comes_while_another_is_being_read_is_not_lost() {
    let (billing, id, number) = owing().await;
    let barrier = Arc::new(Barrier::new(2));
    billing.dynamodb.clear();
    billing.dynamodb.plan("Query", 1, Fault::Gather(Arc::clone(&barrier)));
    let held = billing.pay(&id, &number, "held", 725);
    let overtaking = async {
        while billing.dynamodb.count("Query") == 0 {
            tokio::task::yield_now().await;
        }
        billing.pay(&id, &number, "overtaking", 725).await.expect(200);
        barrier.wait().await;
    };
    let (held, ()) = join(held, overtaking).await;
    held.expect(200);
    let books = billing.books(&id).await;
    let invoice = &books.invoices[&number];
    assert_eq!((invoice.paid_cents, invoice.payments.len()), (1_450, 2));
}

#[tokio::test]
async fn the_last_payment_lets_past_due_run_again_in_the_same_transaction() {
    let (billing, id, number) = owing().await;
    billing.step_at(PAST_DUE).await;
    assert_eq!(billing.state(&id).await, "past_due");
    let part = billing.pay(&id, &number, "part", 1_000).await.expect(200);
    assert_eq!(part["deployment"]["state"], "past_due", "something is still due");
    billing.dynamodb.clear();
    let paid = billing.pay(&id, &number, "rest", 450).await.expect(200);
    assert_eq!(paid["deployment"]["state"], "active");
    let seen = billing.dynamodb.seen();
    let writes: Vec<&Value> =
        seen.iter().filter(|s| s.operation != "Query" && s.operation != "GetItem").map(|s| &s.body).collect();
    let [write] = &writes[..] else { panic!("not exactly one write: {seen:?}") };
    let items = write["TransactItems"].as_array().expect("a transaction");
    let sort_keys: Vec<&str> = items.iter().map(|item| item["Put"]["Item"]["SK"]["S"].as_str().unwrap()).collect();
    let payment = "PAYMENT#rest";
    let invoice = format!("INVOICE#{number}");
    assert_eq!(sort_keys, ["#DEPLOYMENT", payment, "EVENT#0000000006", "EVENT#0000000007", &invoice]);
    assert_eq!(
        billing.kinds(&id).await[3..],
        [
            "past_due by system:billing as invoice_overdue",
            "payment_received",
            "payment_received",
            "active by till as settled"
        ]
    );
    assert_eq!(billing.next(&id).await, ("renew".to_owned(), RENEWED.to_owned()));
    billing.books(&id).await;
    billing.check(&id).await;
}

#[tokio::test]
async fn suspended_runs_again_when_nothing_overdue_is_left_and_not_before() {
    for (void, both_overdue) in [(false, true), (true, true), (false, false), (true, false)] {
        let (billing, id, first) = owing().await;
        billing.step_at(PAST_DUE).await;
        billing.step_at(RENEWED).await;
        billing.step_at(SUSPENDED).await;
        let second = billing.newest(&id).await;
        // December's invoice is due on the 8th.
        billing.set_time(if both_overdue { "2027-12-08T00:00:00Z" } else { "2027-12-07T23:59:59Z" });
        let settle = async |number: &str| {
            if void {
                billing.void(&id, number).await.expect(200)
            } else {
                let due_cents =
                    billing.invoices(&id).await.iter().find(|i| number_of(i) == number).unwrap()["due_cents"]
                        .as_i64()
                        .unwrap();
                billing.pay(&id, number, &format!("p-{number}"), due_cents).await.expect(200)
            }
        };
        if both_overdue {
            assert_eq!(settle(&first).await["deployment"]["state"], "suspended");
        }
        billing.dynamodb.clear();
        let last = settle(if both_overdue { &second } else { &first }).await;
        assert_eq!(last["deployment"]["state"], "active");
        assert_eq!(last["deployment"]["open_invoices"].as_array().unwrap().len(), usize::from(!both_overdue));
        assert_eq!(billing.dynamodb.count("TransactWriteItems"), 1);
        let next =
            if both_overdue { ("renew", "2028-01-01T00:00:00Z") } else { ("mark_past_due", "2027-12-08T00:00:00Z") };
        assert_eq!(billing.next(&id).await, (next.0.to_owned(), next.1.to_owned()));
        let subscription = billing.subscription(&id).await;
        assert_eq!(subscription["status"], "active");
        // The period that was billed before the suspension continues.
        assert_eq!(subscription["current_period_end"], "2028-01-01T00:00:00Z");
        let by = if void { "ada" } else { "till" };
        assert_eq!(billing.kinds(&id).await.last().unwrap(), &format!("active by {by} as settled"));
        billing.books(&id).await;
        billing.check(&id).await;
    }
}

#[tokio::test]
async fn a_given_up_invoice_can_be_paid_and_until_then_its_tenant_cannot_reactivate() {
    let (billing, id, first) = owing().await;
    for time in [PAST_DUE, RENEWED, SUSPENDED] {
        billing.step_at(time).await;
    }
    billing.steps_at(CANCELLED, 2).await;
    let second = billing.newest(&id).await;
    let invoices = json!(billing.invoices(&id).await);
    // December's invoice was due on the 8th.
    assert_eq!(column(&invoices, "status"), ["uncollectible", "open"]);
    assert_eq!(column(&invoices, "closed_at"), [json!(CANCELLED), Value::Null]);
    expect_given_up(&billing, &id, &[1_450]).await;
    let reactivate = || billing.transition(&id, &billing.user, json!({"to_state": "active"}));
    reactivate().await.expect_problem(403, "transition_not_permitted");
    let refused = billing.pay(&id, &first, "p", 1_451).await.expect_problem(422, "overpayment");
    assert_eq!(refused["due_cents"], 1_450);
    let part = billing.pay(&id, &first, "p-1", 450).await.expect(200);
    assert_eq!((&part["invoice"]["status"], &part["invoice"]["due_cents"]), (&json!("uncollectible"), &json!(1_000)));
    expect_given_up(&billing, &id, &[1_000]).await;
    billing.pay(&id, &second, "p-2", 2_900).await.expect(200);
    reactivate().await.expect_problem(403, "transition_not_permitted");
    let paid = billing.pay(&id, &first, "p-3", 1_000).await.expect(200);
    assert_eq!((&paid["invoice"]["status"], &paid["deployment"]["state"]), (&json!("paid"), &json!("cancelled")));
    expect_given_up(&billing, &id, &[]).await;
    billing.books(&id).await;
    let back = reactivate().await.expect(200);
    assert_eq!(back["deployment"]["state"], "active");
    // December is paid already, so nothing is charged again.
    assert_eq!(billing.invoices(&id).await.len(), 2);
    assert_eq!(billing.next(&id).await, ("renew".to_owned(), "2028-01-01T00:00:00Z".to_owned()));
    billing.books(&id).await;
    billing.check(&id).await;
}

/// Insists on the amount due of each invoice that was given up.
async fn expect_given_up(billing: &Billing, id: &str, due_cents: &[i64]) {
    let deployment = &billing.show(id).await["deployment"];
    assert_eq!(deployment["uncollectible_invoices"], due_cents.len());
    let sum: i64 = due_cents.iter().sum();
    let due = if sum == 0 { json!([]) } else { json!([{"currency": "USD", "amount_cents": sum}]) };
    assert_eq!(deployment["uncollectible_due"], due);
    let invoices = billing.invoices(id).await;
    let given_up = invoices.iter().filter(|invoice| invoice["status"] == "uncollectible");
    assert_eq!(given_up.map(|invoice| invoice["due_cents"].clone()).collect::<Vec<_>>(), due_cents);
}

#[tokio::test]
async fn each_invoice_is_given_up_at_its_own_date_and_whoever_pays_after_the_period_begins_a_new_one() {
    let (billing, id, first) = owing().await;
    for time in [PAST_DUE, RENEWED, SUSPENDED] {
        billing.step_at(time).await;
    }
    billing.steps_at(CANCELLED, 2).await;
    expect_given_up(&billing, &id, &[1_450]).await;
    // An open invoice can be paid in part; the rest is given up thirty days after its own due date.
    let second = billing.newest(&id).await;
    billing.pay(&id, &second, "p-1", 900).await.expect(200);
    let given_up = "2028-01-07T00:00:00Z";
    assert_eq!(billing.next(&id).await, ("give_up".to_owned(), given_up.to_owned()));
    billing.step_at(given_up).await;
    expect_given_up(&billing, &id, &[1_450, 2_000]).await;
    assert_eq!(column(&json!(billing.invoices(&id).await), "closed_at"), [CANCELLED, given_up]);
    let refused = billing.pay(&id, &second, "p-2", 2_001).await.expect_problem(422, "overpayment");
    assert_eq!(refused["due_cents"], 2_000);
    billing.pay(&id, &second, "p-2", 2_000).await.expect(200);
    let reactivate = || billing.transition(&id, &billing.user, json!({"to_state": "active"}));
    reactivate().await.expect_problem(403, "transition_not_permitted");
    billing.pay(&id, &first, "p-3", 1_450).await.expect(200);
    expect_given_up(&billing, &id, &[]).await;
    reactivate().await.expect(200);
    // December is over; the invoice bills 25 of the 31 days of January.
    let invoice = billing.invoices(&id).await.pop().unwrap();
    assert_eq!((&invoice["billed_from"], &invoice["total_cents"]), (&json!(given_up), &json!(2_339)));
    assert_eq!(billing.next(&id).await, ("mark_past_due".to_owned(), "2028-01-14T00:00:00Z".to_owned()));
    billing.books(&id).await;
    billing.check(&id).await;
}
