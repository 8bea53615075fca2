//! The promise: every period is billed once, in advance, to the cent. Charges within a period are on the next invoice,
//! a credit lowers the amount due or becomes balance, and an ending subscription bills its waiting charges.

use arcadia_domain::{DunningPolicy, Scope, step};
use arcadia_functions::runtime::Clock as _;
use arcadia_store::StoreError;
use serde_json::{Value, json};

use crate::harness::billing::{Billing, number_of};
use crate::harness::shop::column;
use crate::harness::world::{ACME, id_of, user};

/// Half of November's 30 days remain.
const MIDDLE: &str = "2027-11-16T00:00:00Z";

/// A charge line in USD; `charge` is the charge's id.
fn line(charge: &str, kind: &str, code: &str, amount_cents: i64, [from, to]: [&str; 2]) -> Value {
    json!({
        "charge": charge, "kind": kind, "code": code, "amount_cents": amount_cents, "currency": "USD", "from": from,
        "to": to,
    })
}

/// A balance in USD, as an answer has it.
fn dollars(amount_cents: i64) -> Value {
    if amount_cents == 0 { json!([]) } else { json!([{"currency": "USD", "amount_cents": amount_cents}]) }
}

/// The balances of a deployment, from its answer.
async fn balances(billing: &Billing, id: &str) -> Value {
    billing.show(id).await["deployment"]["balances"].take()
}

fn totals(invoices: &[Value]) -> Vec<i64> {
    invoices.iter().map(|invoice| invoice["total_cents"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_subscription_is_invoiced_for_the_rest_of_the_month_and_then_month_by_month() {
    let billing = Billing::at(MIDDLE).await;
    let id = id_of(&billing.create("shop").await);
    let body = billing.subscribe(&id, json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await.expect(201);
    let december = "2027-12-01T00:00:00Z";
    let subscription_id = id_of(&body["subscription"]);
    let tail = &subscription_id[subscription_id.len() - 12..];
    let number = format!("20271116000000-{tail}-USD");
    let expected = json!({
        "number": number, "deployment_id": id, "subscription_id": subscription_id, "status": "open", "currency": "USD",
        "billed_from": MIDDLE, "billed_to": december, "subtotal_cents": 1_825, "tax_cents": 0,
        "tax_rate_basis_points": 0, "total_cents": 1_825, "credited_cents": 0, "returned_cents": 0,
        "balance_cents": 0, "paid_cents": 0, "due_cents": 1_825, "forgiven_cents": 0, "credits": [], "payments": [], "issued_at": MIDDLE,
        "due_at": "2027-11-23T00:00:00Z", "closed_at": null, "version": 2,
        "lines": [
            line("2-0", "plan_charge", "studio", 1_450, [MIDDLE, december]),
            line("2-1", "addon_charge", "storage_50gb", 375, [MIDDLE, december]),
        ],
    });
    assert_eq!(body["invoice"], expected);
    assert_eq!(billing.invoices(&id).await, std::slice::from_ref(&expected));
    let path = format!("/deployments/{id}/invoices/{number}");
    assert_eq!(billing.get(&path, &billing.user).await.expect(200), json!({"invoice": expected}));
    let deployment = &billing.show(&id).await["deployment"];
    let open = json!({"number": number, "due_at": "2027-11-23T00:00:00Z", "due_cents": 1_825, "currency": "USD"});
    assert_eq!(deployment["open_invoices"], json!([open]));
    assert_eq!(billing.kinds(&id).await, ["created", "subscribed", "invoice_opened"]);

    billing.settle(&id).await;
    assert_eq!(billing.next(&id).await, ("renew".to_owned(), december.to_owned()));
    billing.step_at(december).await;
    let invoices = billing.invoices(&id).await;
    let january = "2028-01-01T00:00:00Z";
    let expected = json!({
        "number": format!("20271201000000-{tail}-USD"), "deployment_id": id, "subscription_id": subscription_id,
        "status": "open", "currency": "USD", "billed_from": december, "billed_to": january, "subtotal_cents": 3_650,
        "tax_cents": 0, "tax_rate_basis_points": 0, "total_cents": 3_650,
        "credited_cents": 0, "returned_cents": 0, "balance_cents": 0, "paid_cents": 0, "due_cents": 3_650, "forgiven_cents": 0,
        "credits": [], "payments": [], "issued_at": december, "due_at": "2027-12-08T00:00:00Z", "closed_at": null,
        "version": 5,
        "lines": [
            line("5-0", "plan_charge", "studio", 2_900, [december, january]),
            line("5-1", "addon_charge", "storage_50gb", 750, [december, january]),
        ],
    });
    assert_eq!(invoices[1], expected);
    let events = billing.books(&id).await.events;
    let renewed = json!(events[events.len() - 2]);
    assert_eq!((&renewed["type"], &renewed["actor"]), (&json!("renewed"), &json!("system:billing")));
    billing.check(&id).await;
}

#[tokio::test]
async fn proration_is_by_the_second_and_rounds_half_up() {
    let billing = Billing::at("2027-04-01T00:00:00Z").await;
    billing.sell_plan("cent", &[json!({"price_cents": 1})]).await;
    billing.sell_plan("odd", &[json!({"price_cents": 999})]).await;
    // Half of April is 1,296,000 of 2,592,000 seconds: half a cent is rounded up, a second later it is rounded down.
    for (slug, time, plan_code, expected) in [
        ("half", "2027-04-16T00:00:00Z", "cent", 1),
        ("less", "2027-04-16T00:00:01Z", "cent", 0),
        ("fraction", "2027-04-16T00:00:00.999Z", "cent", 1),
        // 999 x 1 / 2,592,000 and 999 x 1,297 / 2,592,000 (0.49988...) and 999 x 1,298 / 2,592,000 (0.5003).
        ("second", "2027-04-30T23:59:59Z", "odd", 0),
        ("below", "2027-04-30T23:38:23Z", "odd", 0),
        ("above", "2027-04-30T23:38:22Z", "odd", 1),
        ("whole", "2027-04-01T00:00:00Z", "odd", 999),
    ] {
        billing.set_time(time);
        let id = billing.create_subscribed(slug, json!({"plan_code": plan_code})).await;
        let invoices = billing.invoices(&id).await;
        assert_eq!(totals(&invoices), [expected], "{slug}");
        let status = if expected == 0 { "paid" } else { "open" };
        assert_eq!(invoices[0]["status"], status, "{slug}: an invoice over zero is paid at once");
        billing.books(&id).await;
    }
}

#[tokio::test]
async fn boundaries_of_late_days_are_those_of_the_calendar_through_two_years() {
    const DAYS_OF: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let billing = Billing::at("2023-01-01T00:00:00Z").await;
    let mut ids = Vec::new();
    for day in [29, 30, 31] {
        billing.set_time(&format!("2023-01-{day}T12:00:00Z"));
        let body = json!({"plan_code": "studio", "anchor": "now"});
        let id = billing.create_subscribed(&format!("day-{day}"), body).await;
        billing.settle(&id).await;
        ids.push((id, day));
    }
    for index in 1..=24_usize {
        let (year, month) = (2023 + index / 12, index % 12);
        let last = DAYS_OF[month] + u32::from(month == 1 && year == 2024);
        let mut days: Vec<u32> = ids.iter().map(|(_, day)| (*day).min(last)).collect();
        days.dedup();
        for day in days {
            let boundary = format!("{year}-{:02}-{day:02}T12:00:00Z", month + 1);
            let on_it = ids.iter().filter(|(_, anchor)| (*anchor).min(last) == day);
            billing.set_time(&boundary);
            billing.clock.shift(-chrono::TimeDelta::milliseconds(1));
            assert_eq!(billing.sweep().await.due, 0, "before {boundary}");
            assert_eq!(billing.sweep_at(&boundary).await, on_it.clone().count(), "{boundary}");
            for (id, _) in on_it {
                let invoice = billing.invoices(id).await.pop().unwrap();
                assert_eq!((&invoice["billed_from"], &invoice["total_cents"]), (&json!(boundary), &json!(2_900)));
                billing.settle(id).await;
            }
        }
    }
    for (id, _) in ids {
        let books = billing.books(&id).await;
        assert_eq!((books.invoices.len(), books.count("renewed")), (25, 24));
        let mut invoices = books.invoices.values();
        let mut end = invoices.next().unwrap().billed_to;
        for invoice in invoices {
            assert_eq!(invoice.billed_from, end, "no gap and no overlap");
            end = invoice.billed_to;
        }
    }
}

#[tokio::test]
async fn a_year_from_a_leap_day_ends_on_the_last_of_february_until_the_next_leap_year() {
    let billing = Billing::at("2024-02-29T08:30:15Z").await;
    let id = billing.create_subscribed("leap", json!({"plan_code": "yearly", "anchor": "now"})).await;
    for boundary in ["2025-02-28T08:30:15Z", "2026-02-28T08:30:15Z", "2027-02-28T08:30:15Z", "2028-02-29T08:30:15Z"] {
        billing.settle(&id).await;
        assert_eq!(billing.next(&id).await, ("renew".to_owned(), boundary.to_owned()));
        billing.step_at(boundary).await;
    }
    let invoices = billing.invoices(&id).await;
    assert_eq!(totals(&invoices), [29_000; 5]);
    assert_eq!(invoices[4]["billed_to"], "2029-02-28T08:30:15Z");
    billing.books(&id).await;
}

#[tokio::test]
async fn a_period_cannot_be_billed_a_second_time() {
    let billing = Billing::at(MIDDLE).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    billing.settle(&id).await;
    let before = billing.load(&id).await;
    billing.sweep_at("2027-12-01T00:00:00Z").await;
    // Forged records say that the period is not billed yet, at the stored version.
    let mut again = billing.load(&id).await;
    again.subscription = before.subscription;
    again.deployment.open_invoices.clear();
    let change = step(&again, Some(DunningPolicy::default()), billing.clock.now()).expect("no limit is reached");
    let change = change.expect("a step is due");
    let contents = billing.contents().await;
    let refused = billing.app.store.commit(&change, billing.app.new_commit_id(), None).await;
    assert!(matches!(refused, Err(StoreError::VersionConflict)), "{refused:?}");
    assert_eq!(billing.contents().await, contents);
    assert_eq!(billing.books(&id).await.invoices.len(), 2);
    assert_eq!(billing.app.store.load(&Scope::All, id.parse().unwrap()).await.unwrap(), Some(billing.load(&id).await));
}

#[tokio::test]
async fn a_free_plan_is_invoiced_and_paid_at_once() {
    let billing = Billing::at(MIDDLE).await;
    billing.sell_plan("free", &[json!({"price_cents": 0})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "free"})).await;
    assert_eq!(billing.sweep_at("2027-12-01T00:00:00Z").await, 1);
    let invoices = billing.invoices(&id).await;
    assert_eq!(column(&json!(invoices), "status"), ["paid", "paid"]);
    assert_eq!(column(&json!(invoices), "closed_at"), [MIDDLE, "2027-12-01T00:00:00Z"]);
    assert_eq!(totals(&invoices), [0, 0]);
    assert_eq!(billing.show(&id).await["deployment"]["open_invoices"], json!([]));
    billing.books(&id).await;
}

#[tokio::test]
async fn charges_within_a_period_are_on_the_next_invoice_and_credits_of_paid_ones_become_balance() {
    let billing = Billing::at("2027-11-01T00:00:00Z").await;
    billing.sell_plan("large", &[json!({"price_cents": 30_000})]).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let spender = billing.create_subscribed("spender", json!({"plan_code": "large"})).await;
    billing.settle(&id).await;
    billing.settle(&spender).await;
    billing.set_time(MIDDLE);
    billing.change(&id, json!({"plan_code": "team", "proration": "prorate"})).await.expect(200);
    // Half of 300.00 is credited: more than the 29.00 of a month and half of November together.
    billing.change(&spender, json!({"plan_code": "studio", "proration": "prorate"})).await.expect(200);
    for (id, credited_cents, waits_cents) in [(&id, 1_450, 4_950), (&spender, 15_000, 1_450)] {
        assert_eq!(balances(&billing, id).await, dollars(credited_cents));
        let invoices = billing.invoices(id).await;
        let [paid] = &invoices[..] else { panic!("the charges wait: {invoices:?}") };
        let credited = json!({
            "charge": "2-0", "amount_cents": credited_cents, "returned_cents": credited_cents, "credited_at": MIDDLE,
        });
        assert_eq!((&paid["status"], &paid["credits"]), (&json!("paid"), &json!([credited])));
        let whole = json!(credited_cents);
        assert_eq!((&paid["credited_cents"], &paid["returned_cents"]), (&whole, &whole));
        assert_eq!(paid["paid_cents"], paid["total_cents"]);
        let waiting = billing.subscription(id).await["unbilled_lines"].take();
        assert_eq!(column(&waiting, "amount_cents"), [waits_cents]);
    }
    billing.sweep_at("2027-12-01T00:00:00Z").await;
    let invoice = billing.invoices(&id).await.pop().unwrap();
    // In the invoice's order: the waiting charge, then the new month.
    assert_eq!(column(&invoice["lines"], "amount_cents"), [4_950, 9_900]);
    assert_eq!((&invoice["total_cents"], &invoice["balance_cents"]), (&json!(14_850), &json!(1_450)));
    assert_eq!((&invoice["due_cents"], balances(&billing, &id).await), (&json!(13_400), dollars(0)));
    for (boundary, lines, used, due, left) in [
        ("2027-12-01T00:00:00Z", vec![1_450, 2_900], 4_350, 0, 10_650),
        ("2028-01-01T00:00:00Z", vec![2_900], 2_900, 0, 7_750),
        ("2028-02-01T00:00:00Z", vec![2_900], 2_900, 0, 4_850),
        ("2028-03-01T00:00:00Z", vec![2_900], 2_900, 0, 1_950),
        ("2028-04-01T00:00:00Z", vec![2_900], 1_950, 950, 0),
    ] {
        billing.settle(&id).await;
        billing.sweep_at(boundary).await;
        let invoice = billing.invoices(&spender).await.pop().unwrap();
        assert_eq!(invoice["billed_from"], boundary);
        assert_eq!(column(&invoice["lines"], "amount_cents"), lines, "{boundary}");
        assert_eq!(invoice["total_cents"], lines.iter().sum::<i64>(), "{boundary}");
        assert_eq!((&invoice["balance_cents"], &invoice["due_cents"]), (&json!(used), &json!(due)), "{boundary}");
        assert_eq!(invoice["status"], if due == 0 { "paid" } else { "open" });
        assert_eq!(balances(&billing, &spender).await, dollars(left), "{boundary}");
        assert_eq!(billing.subscription(&spender).await["unbilled_lines"], json!([]));
    }
    billing.books(&spender).await;
    billing.books(&id).await;
}

#[tokio::test]
async fn an_ending_subscription_bills_its_waiting_charges_and_its_rest_becomes_balance() {
    let billing = Billing::at("2027-11-01T00:00:00Z").await;
    // Of November's 29.00, 11 of 30 days remain on the 20th: 10.63. Of the waiting 3.75, four of fifteen days are used.
    for (slug, add, scheduled, expected, credited_cents, balance_cents) in [
        ("now", true, false, vec![2_900, 100], 1_063, 963),
        ("later", true, true, vec![2_900, 375], 0, 0),
        ("credit", false, false, vec![3_650], 375 + 1_063, 375 + 1_063),
    ] {
        billing.set_time("2027-11-01T00:00:00Z");
        let addons = if add { json!([]) } else { json!(["storage_50gb"]) };
        let id = billing.create_subscribed(slug, json!({"plan_code": "studio", "addons": addons})).await;
        billing.settle(&id).await;
        billing.set_time(MIDDLE);
        if add {
            billing.attach(&id, "storage_50gb").await;
        } else {
            let addon_id = id_of(&billing.subscription(&id).await["addons"][0]);
            let path = format!("/deployments/{id}/subscription/addons/{addon_id}");
            billing.delete(&path, &billing.user).await.expect(200);
        }
        billing.set_time("2027-11-20T00:00:00Z");
        let end = if scheduled { "2027-12-01T00:00:00Z" } else { "2027-11-20T00:00:00Z" };
        billing.cancel(&id, if scheduled { "period_end" } else { "immediate" }).await.expect(200);
        billing.sweep_at(end).await;
        let invoices = billing.invoices(&id).await;
        assert_eq!(totals(&invoices), expected, "{slug}");
        if add {
            let last = &invoices[1];
            assert_eq!((&last["billed_from"], &last["billed_to"]), (&json!(MIDDLE), &json!(end)));
            assert_eq!(last["issued_at"], end);
            let (used, status) = if scheduled { (0, "open") } else { (100, "paid") };
            assert_eq!((&last["balance_cents"], &last["status"]), (&json!(used), &json!(status)), "{slug}");
        }
        for name in ["credited_cents", "returned_cents"] {
            assert_eq!(invoices[0][name], credited_cents, "{slug}: {name}");
        }
        assert_eq!(balances(&billing, &id).await, dollars(balance_cents), "{slug}");
        let subscription = billing.subscription(&id).await;
        assert_eq!((&subscription["status"], &subscription["unbilled_lines"]), (&json!("cancelled"), &json!([])));
        billing.books(&id).await;
        assert_eq!(billing.state(&id).await, "active");
    }
}

#[tokio::test]
async fn invoices_are_listed_newest_first_in_pages_and_only_to_their_tenant() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    for month in 2..=7 {
        billing.settle(&id).await;
        billing.sweep_at(&format!("2027-{month:02}-01T00:00:00Z")).await;
    }
    let path = format!("/deployments/{id}/invoices");
    let all = billing.get(&path, &billing.user).await.expect(200);
    let months: Vec<Value> = (1..=7).rev().map(|month| json!(format!("2027-{month:02}-01T00:00:00Z"))).collect();
    assert_eq!(column(&all["invoices"], "billed_from"), months);
    assert_eq!(all["next_cursor"], Value::Null);
    for limit in [1, 2, 3, 6, 7, 8] {
        let pages = billing.pages(&format!("{path}?limit={limit}"), &billing.user, "invoices").await;
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        assert_eq!(json!(pages.concat()), all["invoices"], "{limit}");
    }
    let number = number_of(&all["invoices"][0]);
    let stranger = user("globex");
    for path in [path.clone(), format!("{path}/{number}")] {
        billing.get(&path, &stranger).await.expect_problem(404, "not_found");
    }
    billing
        .get(&format!("{path}/20270101000000-000000000000-USD"), &billing.user)
        .await
        .expect_problem(404, "not_found");
    billing.get(&format!("{path}?cursor=nonsense"), &billing.user).await.expect_problem(400, "invalid_cursor");
}

#[tokio::test]
async fn an_invoice_is_taken_back_unless_money_was_received_on_it_even_when_it_was_given_up() {
    let billing = Billing::at(MIDDLE).await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let number = billing.newest(&id).await;
    let path = format!("/deployments/{id}/invoices/{number}/void");
    billing.post(&path, &billing.user, json!({})).await.expect_problem(403, "admin_required");
    billing.post(&path, &billing.provider, json!({})).await.expect_problem(403, "admin_required");
    billing.clock.shift(chrono::TimeDelta::hours(1));
    let voided = billing.void(&id, &number).await;
    assert_eq!(voided.header("etag"), "\"4\"");
    let voided = voided.expect(200);
    assert_eq!(voided["deployment"]["open_invoices"], json!([]));
    let invoice = &voided["invoice"];
    assert_eq!((&invoice["status"], &invoice["due_cents"]), (&json!("void"), &json!(0)));
    assert_eq!(invoice["closed_at"], "2027-11-16T01:00:00Z");
    let contents = billing.contents().await;
    assert_eq!(billing.void(&id, &number).await.expect(200), voided, "voiding again changes nothing");
    assert_eq!(billing.contents().await, contents);

    billing.sweep_at("2027-12-01T00:00:00Z").await;
    let number = billing.newest(&id).await;
    billing.pay(&id, &number, "part", 900).await.expect(200);
    billing.void(&id, &number).await.expect_problem(409, "invoice_has_payments");
    billing.pay(&id, &number, "rest", 2_000).await.expect(200);
    billing.void(&id, &number).await.expect_problem(409, "invoice_has_payments");
    billing.sweep_at("2028-01-01T00:00:00Z").await;
    let number = billing.newest(&id).await;
    for time in ["2028-01-08T00:00:00Z", "2028-01-22T00:00:00Z", "2028-02-07T00:00:00Z"] {
        billing.sweep_at(time).await;
    }
    assert_eq!(billing.invoices(&id).await.pop().unwrap()["status"], "uncollectible");
    assert_eq!(billing.show(&id).await["deployment"]["uncollectible_due"], dollars(2_900));
    let voided = billing.void(&id, &number).await.expect(200);
    assert_eq!((&voided["invoice"]["status"], &voided["invoice"]["due_cents"]), (&json!("void"), &json!(0)));
    let deployment = &voided["deployment"];
    assert_eq!((&deployment["state"], &deployment["uncollectible_invoices"]), (&json!("cancelled"), &json!(0)));
    assert_eq!(deployment["uncollectible_due"], json!([]));
    billing.books(&id).await;
}

#[tokio::test]
async fn voiding_an_invoice_returns_the_balance_that_settled_it_and_nothing_of_it_is_given_back_later() {
    let billing = Billing::at("2027-01-01T00:00:00Z").await;
    billing.sell_plan("large", &[json!({"price_cents": 30_000})]).await;
    let stored = json!({"plan_code": "studio", "addons": ["storage_50gb"]});
    let [part, never, whole] = [
        billing.create_subscribed("part", stored.clone()).await,
        billing.create_subscribed("never", stored).await,
        billing.create_subscribed("whole", json!({"plan_code": "large"})).await,
    ];
    billing.settle(&part).await;
    billing.settle(&whole).await;
    // A voided charge was never paid, so nothing of it is credited.
    let number = billing.newest(&never).await;
    billing.void(&never, &number).await.expect(200);
    // Half of January remains.
    billing.set_time("2027-01-16T12:00:00Z");
    for (id, credited_cents) in [(&part, 375), (&never, 0)] {
        let addon_id = id_of(&billing.subscription(id).await["addons"][0]);
        let path = format!("/deployments/{id}/subscription/addons/{addon_id}");
        billing.delete(&path, &billing.user).await.expect(200);
        assert_eq!(balances(&billing, id).await, dollars(credited_cents));
    }
    billing.change(&whole, json!({"plan_code": "studio"})).await.expect(200);
    assert_eq!(balances(&billing, &whole).await, dollars(15_000));
    // 29.00 for February, and with `whole` another 14.50 for the rest of January.
    for (boundary, month) in [("2027-02-01T00:00:00Z", 2_900 + 1_450), ("2027-03-01T00:00:00Z", 2_900)] {
        billing.sweep_at(boundary).await;
        for (id, total, used, has) in [(&part, 2_900, 375, 375), (&never, 2_900, 0, 0), (&whole, month, month, 15_000)]
        {
            let invoice = billing.invoices(id).await.pop().unwrap();
            assert_eq!((&invoice["total_cents"], &invoice["balance_cents"]), (&json!(total), &json!(used)));
            assert_eq!((&invoice["due_cents"], &invoice["payments"]), (&json!(total - used), &json!([])));
            assert_eq!(invoice["status"], if total == used { "paid" } else { "open" });
            assert_eq!(balances(&billing, id).await, dollars(has - used));
            let voided = billing.void(id, &number_of(&invoice)).await.expect(200);
            assert_eq!((&voided["invoice"]["status"], &voided["invoice"]["due_cents"]), (&json!("void"), &json!(0)));
            assert_eq!(voided["deployment"]["balances"], dollars(has), "{boundary}");
            assert_eq!(voided["deployment"]["open_invoices"], json!([]));
            billing.books(id).await;
        }
    }
    // March's invoice is void, so the end of the subscription credits nothing for it.
    billing.cancel(&whole, "immediate").await.expect(200);
    assert_eq!(balances(&billing, &whole).await, dollars(15_000));
    billing.books(&whole).await;
}

#[tokio::test]
async fn a_credit_lowers_an_unpaid_invoice_and_what_is_charged_after_it_is_invoiced_at_once() {
    let billing = Billing::at("2027-01-10T00:00:00Z").await;
    let id = billing.create_subscribed("shop", json!({"plan_code": "yearly"})).await;
    // 356 of the 365 days of the year from 1 January, then 22 of the 31 days of January.
    billing.change(&id, json!({"plan_code": "studio"})).await.expect(200);
    let invoices = billing.invoices(&id).await;
    let [year, month] = &invoices[..] else { panic!("two invoices: {invoices:?}") };
    assert_eq!((&year["total_cents"], &year["credited_cents"]), (&json!(28_285), &json!(28_285)));
    assert_eq!((&year["status"], &year["returned_cents"], &year["due_cents"]), (&json!("paid"), &json!(0), &json!(0)));
    assert_eq!((&month["total_cents"], &month["due_cents"]), (&json!(2_058), &json!(2_058)));
    assert_eq!(balances(&billing, &id).await, dollars(0), "nothing was paid, so there is no balance");
    // An invoice that only a credit has lowered can still be voided.
    let voided = billing.void(&id, &number_of(year)).await.expect(200);
    assert_eq!((&voided["invoice"]["status"], &voided["deployment"]["balances"]), (&json!("void"), &json!([])));
    // A change of plan within the month lowers the amount due for it: sixteen days remain. 9,900 x 16/31 does not wait.
    billing.set_time("2027-01-16T00:00:00Z");
    billing.change(&id, json!({"plan_code": "team"})).await.expect(200);
    let invoices = billing.invoices(&id).await;
    assert_eq!(column(&json!(invoices), "due_cents"), [0, 2_058 - 1_497, 5_110]);
    assert_eq!(invoices[2]["issued_at"], "2027-01-16T00:00:00Z");
    // Nor does the next charge: half of 7.50.
    billing.set_time("2027-01-16T12:00:00Z");
    billing.attach(&id, "storage_50gb").await;
    assert_eq!(column(&json!(billing.invoices(&id).await), "due_cents"), [0, 561, 5_110, 375]);
    let subscription = billing.subscription(&id).await;
    assert_eq!(subscription["unbilled_lines"], json!([]));
    billing.books(&id).await;
    // From the next period on, charges wait again.
    billing.settle(&id).await;
    billing.sweep_at("2027-02-01T00:00:00Z").await;
    billing.settle(&id).await;
    billing.attach(&id, "storage_50gb").await;
    assert_eq!(billing.show(&id).await["deployment"]["open_invoices"], json!([]));
    let waiting = billing.subscription(&id).await["unbilled_lines"].take();
    assert_eq!(column(&waiting, "amount_cents"), [750]);
    billing.books(&id).await;
}

#[tokio::test]
async fn an_invoice_is_due_after_the_tenants_payment_terms() {
    let billing = Billing::at(MIDDLE).await;
    let path = format!("/tenants/{ACME}/dunning-policy");
    let default = json!({
        "payment_terms_days": 7, "past_due_after_days": 0, "suspended_after_days": 14, "cancelled_after_days": 30,
        "archived_after_days": 90,
    });
    assert_eq!(billing.get(&path, &billing.user).await.expect(200), json!({"dunning_policy": default}));
    for (days, slug, due_at) in
        [(0, "at-once", MIDDLE), (30, "month", "2027-12-16T00:00:00Z"), (365, "year", "2028-11-15T00:00:00Z")]
    {
        let mut policy = default.clone();
        policy["payment_terms_days"] = days.into();
        let put = billing.put(&path, &billing.admin, policy.clone()).await.expect(200);
        assert_eq!(put, json!({"dunning_policy": policy}));
        assert_eq!(billing.get(&path, &billing.user).await.expect(200), put);
        let id = billing.create_subscribed(slug, json!({"plan_code": "studio"})).await;
        assert_eq!(billing.invoices(&id).await[0]["due_at"], due_at);
        // Renewal copies the terms that are current.
        billing.settle(&id).await;
    }
    billing.put(&path, &billing.admin, default).await.expect(200);
    billing.sweep_at("2027-12-01T00:00:00Z").await;
    for row in billing.stored().await {
        let invoice = billing.invoices(&row.id.to_string()).await.pop().unwrap();
        assert_eq!(invoice["due_at"], "2027-12-08T00:00:00Z");
    }
}
