//! The promise: a change of plan charges and credits the rest of the period to the cent, and never credits more than
//! was billed. A change at the period's end is shown until then and can be withdrawn.

use arcadia_domain::MAX_CHARGES_IN_PERIOD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::shop::{column, merged};

/// The month of these tests: 30 days.
const NOVEMBER: &str = "2027-11-01T00:00:00Z";
/// The middle of the month.
const HALF: &str = "2027-11-16T00:00:00Z";
/// The end of the month.
const DECEMBER: &str = "2027-12-01T00:00:00Z";

/// A world in the middle of the month, with a deployment that has had `studio` with storage since the month began and
/// has paid for it. Its version is 4.
async fn half_a_month_in(anchor: &str) -> (World, String) {
    let world = World::start().await;
    world.open_shop().await;
    world.set_time(NOVEMBER);
    let body = json!({"plan_code": "studio", "addons": ["storage_50gb"], "anchor": anchor});
    let id = world.create_subscribed("shop", body).await;
    world.settle_open_invoices(&id).await;
    world.set_time(HALF);
    (world, id)
}

fn line(kind: &str, code: &str, amount_cents: i64, (from, to): (&str, &str)) -> Value {
    json!({"kind": kind, "code": code, "amount_cents": amount_cents, "currency": "USD", "from": from, "to": to})
}

/// Lines without the ids of their charges.
fn bare(lines: &Value) -> Value {
    let mut lines = lines.clone();
    for line in lines.as_array_mut().expect("lines") {
        let charge = line.as_object_mut().expect("a line").shift_remove("charge");
        assert!(charge.is_some_and(|charge| charge.is_string()), "every line names its charge");
    }
    lines
}

/// The amounts of lines.
fn cents(lines: &Value) -> Vec<i64> {
    lines.as_array().unwrap().iter().map(|line| line["amount_cents"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_immediate_change_gives_back_the_rest_of_the_old_plan_and_charges_that_of_the_new() {
    let (world, id) = half_a_month_in("calendar").await;
    let changed = world.change(&id, json!({"plan_code": "team"})).await.expect(200);
    let rest = (HALF, DECEMBER);
    let lines = [line("plan_credit", "studio", -1_450, rest), line("plan_charge", "team", 4_950, rest)];
    assert_eq!(bare(&changed["lines"]), json!(lines));
    let subscription = &changed["subscription"];
    // The unused part that was paid becomes balance; the charge waits.
    assert_eq!(bare(&subscription["unbilled_lines"]), json!(lines[1..]));
    let balances = async || world.show(&id).await["deployment"]["balances"].clone();
    assert_eq!(balances().await, json!([{"currency": "USD", "amount_cents": 1_450}]));
    assert_eq!((&subscription["plan_code"], &subscription["recurring_cents"]), (&json!("team"), &json!(9_900 + 750)));
    assert_eq!(
        (&subscription["current_period_start"], &subscription["current_period_end"]),
        (&json!(NOVEMBER), &json!(DECEMBER))
    );
    assert_eq!(subscription["addons"][0]["price_cents"], 750);

    // Back at once: the whole new charge is credited. Then the same a quarter of the month before its end.
    let back = world.change(&id, json!({"plan_code": "studio", "proration": "prorate"})).await.expect(200);
    assert_eq!(cents(&back["lines"]), [-4_950, 1_450]);
    assert_eq!(cents(&back["subscription"]["unbilled_lines"]), [1_450]);
    world.set_time("2027-11-23T12:00:00Z");
    let again = world.change(&id, json!({"plan_code": "team"})).await.expect(200);
    assert_eq!(cents(&again["lines"]), [-725, 2_475]);
    assert_eq!(cents(&again["subscription"]["unbilled_lines"]), [725, 2_475], "the waiting charges are lowered");
    assert_eq!(balances().await, json!([{"currency": "USD", "amount_cents": 1_450}]));
    world.check(&id).await;
}

#[tokio::test]
async fn halves_of_a_cent_are_rounded_up_once_a_line() {
    let (world, id) = half_a_month_in("calendar").await;
    world.sell_plan("odd", &[json!({"price_cents": 333})]).await;
    // Half of 333 is 166.5, a quarter of 333 is 83.25. The last third of a second does not count.
    assert_eq!(cents(&world.change(&id, json!({"plan_code": "odd"})).await.expect(200)["lines"]), [-1_450, 167]);
    world.set_time("2027-11-23T12:00:00.333Z");
    assert_eq!(cents(&world.change(&id, json!({"plan_code": "studio"})).await.expect(200)["lines"]), [-83, 725]);
    world.check(&id).await;
}

#[tokio::test]
async fn without_proration_the_new_price_counts_from_the_next_period() {
    let (world, id) = half_a_month_in("calendar").await;
    let changed =
        world.change_as(&world.admin, &id, json!({"plan_code": "team", "proration": "none"})).await.expect(200);
    assert_eq!((&changed["lines"], &changed["subscription"]["unbilled_lines"]), (&json!([]), &json!([])));
    let subscription = &changed["subscription"];
    assert_eq!((&subscription["plan_code"], &subscription["current_period_end"]), (&json!("team"), &json!(DECEMBER)));
    // A quarter of the billed price, the old plan's, is not used; nothing was billed at the new plan's price.
    world.set_time("2027-11-23T12:00:00Z");
    let back = world.change(&id, json!({"plan_code": "studio"})).await.expect(200);
    let rest = ("2027-11-23T12:00:00Z", DECEMBER);
    // The credit names the charge that it takes back: the one billed as studio.
    let lines = [line("plan_credit", "studio", -725, rest), line("plan_charge", "studio", 725, rest)];
    assert_eq!(bare(&back["lines"]), json!(lines));
    assert_eq!(bare(&back["subscription"]["unbilled_lines"]), json!(lines[1..]));
    // Once more each way: only a billed charge is credited.
    for (plan_code, proration, expected) in [
        ("team", "none", &[][..]),
        ("team", "prorate", &[]),
        ("studio", "prorate", &[-725, 725]),
        ("team", "prorate", &[-725, 2_475]),
        ("studio", "none", &[]),
        ("team", "prorate", &[-2_475, 2_475]),
    ] {
        let body = json!({"plan_code": plan_code, "proration": proration});
        let changed = world.change_as(&world.admin, &id, body).await.expect(200);
        assert_eq!(cents(&changed["lines"]), expected, "{plan_code} {proration}");
    }
    world.check(&id).await;
}

#[tokio::test]
async fn a_change_to_another_interval_credits_the_rest_and_begins_a_new_period() {
    for (anchor, start, end, plan_cents, addon_cents) in [
        // 351 of the 366 days from 1 November 2027 to 1 November 2028.
        ("calendar", NOVEMBER, "2028-11-01T00:00:00Z", 27_811, 719),
        ("now", HALF, "2028-11-16T00:00:00Z", 29_000, 750),
    ] {
        let (world, id) = half_a_month_in(anchor).await;
        let body = json!({"plan_code": "yearly"});
        let dry = world.change(&id, merged(body.clone(), json!({"dry_run": true}))).await.expect(200);
        let changed = world.change(&id, body).await.expect(200);
        assert_eq!(dry["lines"], changed["lines"]);
        let (old, new) = ((HALF, DECEMBER), (HALF, end));
        let charges = vec![
            line("plan_charge", "yearly", plan_cents, new),
            line("addon_charge", "storage_50gb", addon_cents, new),
        ];
        let mut lines =
            vec![line("plan_credit", "studio", -1_450, old), line("addon_credit", "storage_50gb", -375, old)];
        lines.extend(charges.clone());
        assert_eq!(bare(&changed["lines"]), json!(lines), "{anchor}");
        let subscription = &changed["subscription"];
        assert_eq!(subscription["unbilled_lines"], json!([]));
        let shown = world.show(&id).await;
        assert_eq!(column(&shown["events"], "type")[..2], ["invoice_opened", "plan_changed"]);
        // The first invoice is paid, so its credits are balance and settle a part of this one.
        let total_cents = plan_cents + addon_cents;
        let invoice = &shown["events"][0]["data"]["invoice"];
        assert_eq!((bare(&invoice["lines"]), &invoice["total_cents"]), (json!(charges), &json!(total_cents)));
        assert_eq!(invoice["balance_cents"], 1_825);
        assert_eq!((&invoice["billed_from"], &invoice["billed_to"]), (&json!(HALF), &json!(end)));
        let open = json!({
            "number": invoice["number"], "due_at": "2027-11-23T00:00:00Z", "due_cents": total_cents - 1_825,
            "currency": "USD",
        });
        assert_eq!(shown["deployment"]["open_invoices"], json!([open]));
        assert_eq!((&shown["deployment"]["version"], &shown["deployment"]["balances"]), (&json!(6), &json!([])));
        assert_eq!(
            (&subscription["current_period_start"], &subscription["current_period_end"]),
            (&json!(start), &json!(end))
        );
        assert_eq!((&subscription["billed_from"], &subscription["cycle_index"]), (&json!(HALF), &json!(0)));
        world.check(&id).await;
    }
}

#[tokio::test]
async fn without_proration_another_interval_begins_after_the_present_one() {
    let (world, id) = half_a_month_in("calendar").await;
    let body = json!({"plan_code": "yearly", "proration": "none"});
    let changed = world.change_as(&world.admin, &id, body).await.expect(200);
    assert_eq!((&changed["event"]["type"], &changed["lines"]), (&json!("plan_change_scheduled"), &json!([])));
    let pending = &changed["subscription"]["pending_change"];
    assert_eq!((&pending["plan_code"], &pending["effective_at"]), (&json!("yearly"), &json!(DECEMBER)));
    world.check(&id).await;
}

#[tokio::test]
async fn an_addon_costs_the_rest_of_the_period_and_what_is_detached_is_given_back() {
    let (world, id) = half_a_month_in("calendar").await;
    let first = world.subscription(&id).await["addons"][0]["id"].as_str().unwrap().to_owned();
    let second = world.attach(&id, "storage_50gb").await;
    let owed = |subscription: &Value| cents(&subscription["unbilled_lines"]);
    assert_eq!(owed(&world.subscription(&id).await), [375]);
    let detach = async |addon_id: &str| {
        let path = format!("/deployments/{id}/subscription/addons/{addon_id}");
        world.delete(&path, &world.user).await.expect(200)["subscription"].take()
    };
    // At once: all of it, and not a cent more.
    assert!(owed(&detach(&second).await).is_empty());
    let third = world.attach(&id, "storage_50gb").await;
    // A quarter of 750 is 187.50: it lowers the charge that has waited since the middle; the paid part becomes balance.
    world.set_time("2027-11-23T12:00:00Z");
    assert_eq!(owed(&detach(&third).await), [375 - 188]);
    let left = detach(&first).await;
    assert_eq!(owed(&left), [375 - 188]);
    assert_eq!((&left["addons"], &left["recurring_cents"]), (&json!([]), &json!(2_900)));
    let shown = world.show(&id).await;
    assert_eq!(shown["deployment"]["balances"], json!([{"currency": "USD", "amount_cents": 188}]));
    let entry = &shown["events"][0]["entries"][0];
    let credit = line("addon_credit", "storage_50gb", -188, ("2027-11-23T12:00:00Z", DECEMBER));
    assert_eq!((bare(&json!([entry["line"]])), &entry["returned_cents"]), (json!([credit]), &json!(188)));
    world.check(&id).await;
}

#[tokio::test]
async fn a_credit_never_exceeds_the_billed_part_of_a_period() {
    let world = World::start().await;
    world.open_shop().await;
    // Subscribed an eighth of a second into the second half of the month: the whole half is billed.
    world.set_time("2027-11-16T00:00:00.125Z");
    let id = world.create_subscribed("shop", json!({"plan_code": "studio", "addons": ["storage_50gb"]})).await;
    world.clock.shift(TimeDelta::seconds(1));
    let changed = world.change(&id, json!({"plan_code": "yearly"})).await.expect(200);
    assert_eq!(cents(&changed["lines"])[..2], [-1_450, -375]);
    // A clock that is behind does not credit time that was not billed.
    world.set_time("2027-11-10T00:00:00Z");
    let back = world.change(&id, json!({"plan_code": "studio", "dry_run": true})).await.expect(200);
    assert_eq!(cents(&back["lines"])[..2], [-27_811, -719]);
    world.check(&id).await;
}

#[tokio::test]
async fn a_change_at_the_periods_end_waits_in_sight_and_can_be_taken_back() {
    let (world, id) = half_a_month_in("calendar").await;
    let before = world.subscription(&id).await;
    let body = json!({"plan_code": "team", "effective": "period_end"});
    let scheduled = world.change(&id, body.clone()).await.expect(200);
    assert_eq!((&scheduled["event"]["type"], &scheduled["lines"]), (&json!("plan_change_scheduled"), &json!([])));
    let pending = json!({
        "plan_code": "team", "plan_version": 1, "price_cents": 9_900, "currency": "USD", "interval": "month",
        "drop_incompatible": false, "drops": [], "requested_at": HALF, "scheduled_by": "tenant_user",
        "effective_at": DECEMBER, "effective_from": null,
    });
    assert_eq!(scheduled["subscription"], merged(before.clone(), json!({"pending_change": pending})));
    let shown = world.show(&id).await;
    assert_eq!(shown["subscription"], scheduled["subscription"]);
    let deployment = &shown["deployment"];
    assert_eq!((&deployment["next_action"], &deployment["next_action_at"]), (&json!("change_plan"), &json!(DECEMBER)));
    world.check(&id).await;

    // The same change again changes nothing; another one replaces it.
    let again = world.change(&id, body).await.expect(200);
    assert_eq!((&again["event"], &again["subscription"]), (&Value::Null, &shown["subscription"]));
    let other = world.change(&id, json!({"plan_code": "yearly", "effective": "period_end"})).await.expect(200);
    assert_eq!(other["subscription"]["pending_change"]["plan_code"], "yearly");

    let path = format!("/deployments/{id}/subscription/change");
    let withdrawn = world.delete(&path, &world.user).await.expect(200);
    assert_eq!(withdrawn["subscription"], before);
    assert_eq!(world.events(&id).await.len(), 4 + 3);
    assert_eq!(world.show(&id).await["events"][0]["type"], "plan_change_withdrawn");
    assert_eq!(world.show(&id).await["deployment"]["next_action"], "renew");
    let before = world.contents().await;
    world.delete(&path, &world.user).await.expect_problem(409, "no_pending_change");
    assert_eq!(world.contents().await, before);
    world.check(&id).await;
}

#[tokio::test]
async fn a_waiting_change_is_undone_by_an_immediate_one_and_tells_what_it_will_drop() {
    let (world, id) = half_a_month_in("calendar").await;
    let to_euro = json!({"plan_code": "euro", "effective": "period_end"});
    let addon_id = world.subscription(&id).await["addons"][0]["id"].as_str().unwrap().to_owned();
    world.delete(&format!("/deployments/{id}/subscription/addons/{addon_id}"), &world.user).await.expect(200);
    world.change(&id, to_euro).await.expect(200);
    // An add-on that fits now is accepted, and the change lists it as dropped; one that will fit is not accepted yet.
    let path = format!("/deployments/{id}/subscription/addons");
    let attached = world.post(&path, &world.user, json!({"addon_code": "storage_50gb"})).await.expect(201);
    let pending = &attached["subscription"]["pending_change"];
    assert_eq!(pending["drops"], json!([attached["addon"]["id"]]));
    let euro = json!({"addon_code": "euro_seats"});
    world.post(&path, &world.user, euro).await.expect_problem(409, "currency_mismatch");
    let changed = world.change(&id, json!({"plan_code": "team"})).await.expect(200);
    assert_eq!(changed["subscription"]["pending_change"], Value::Null);
    world.check(&id).await;
}

#[tokio::test]
async fn a_change_to_the_present_state_changes_nothing() {
    let (world, id) = half_a_month_in("calendar").await;
    let before = world.contents().await;
    for effective in ["immediate", "period_end"] {
        let reply = world.change(&id, json!({"plan_code": "studio", "plan_version": 1, "effective": effective})).await;
        assert_eq!(reply.header("etag"), "\"4\"");
        let body = reply.expect(200);
        assert_eq!((&body["event"], &body["lines"]), (&Value::Null, &json!([])));
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn changes_within_a_period_have_a_limit_and_beyond_it_nothing_is_written() {
    let (world, id) = half_a_month_in("calendar").await;
    let first = world.subscription(&id).await["addons"][0]["id"].as_str().unwrap().to_owned();
    let addons = format!("/deployments/{id}/subscription/addons");
    for _ in 0..MAX_CHARGES_IN_PERIOD {
        let addon_id = world.attach(&id, "storage_50gb").await;
        world.delete(&format!("{addons}/{addon_id}"), &world.user).await.expect(200);
    }
    assert_eq!(world.subscription(&id).await["unbilled_lines"], json!([]), "a withdrawn charge does not wait");
    let before = world.contents().await;
    let attach = world.post(&addons, &world.user, json!({"addon_code": "storage_50gb"})).await;
    attach.expect_problem(422, "too_many_changes");
    for dry_run in [true, false] {
        let body = json!({"plan_code": "team", "dry_run": dry_run});
        world.change(&id, body).await.expect_problem(422, "too_many_changes");
    }
    assert_eq!(world.contents().await, before);
    // A command that costs nothing now is still possible.
    world.change(&id, json!({"plan_code": "team", "effective": "period_end"})).await.expect(200);
    world.change_as(&world.admin, &id, json!({"plan_code": "team", "proration": "none"})).await.expect(200);
    // An attached add-on can be detached, which gives a credit.
    let detached = world.delete(&format!("{addons}/{first}"), &world.user).await.expect(200);
    assert_eq!(detached["subscription"]["unbilled_lines"], json!([]));
    assert_eq!(world.show(&id).await["deployment"]["balances"], json!([{"currency": "USD", "amount_cents": 375}]));
    world.check(&id).await;
}

#[tokio::test]
async fn a_change_without_proration_and_back_charges_nothing_twice() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    world.change_as(&world.admin, &id, json!({"plan_code": "team", "proration": "none"})).await.expect(200);
    let back = world.change(&id, json!({"plan_code": "studio"})).await.expect(200);
    let sum: i64 = back["lines"].as_array().unwrap().iter().map(|line| line["amount_cents"].as_i64().unwrap()).sum();
    assert_eq!(sum, 0, "{}", back["lines"]);
}

#[tokio::test]
async fn a_line_never_ends_before_it_begins() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    world.set_time("2027-02-20T00:00:00Z");
    let changed = world.change(&id, json!({"plan_code": "team"})).await.expect(200);
    for line in changed["lines"].as_array().unwrap() {
        assert!(line["from"].as_str() < line["to"].as_str(), "{line}");
    }
}

#[tokio::test]
async fn a_scheduled_change_to_the_present_plan_schedules_nothing() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    for plan_code in ["team", "studio"] {
        world.change(&id, json!({"plan_code": plan_code, "effective": "period_end"})).await.expect(200);
    }
    assert!(world.subscription(&id).await["pending_change"].is_null());
}

#[tokio::test]
async fn another_interval_within_the_second_of_the_first_invoice_is_not_had_for_nothing() {
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    let yearly = json!({"plan_code": "yearly", "proration": "prorate"});
    world.change(&id, yearly).await.expect(200);
    // None of the month was used, so nothing is due. The second invoice of a second has a suffix in its number.
    let opened = &world.check(&id).await.deployment.open_invoices;
    assert_eq!(opened.len(), 1, "the year is billed");
    assert!(opened[0].number.as_str().ends_with("-USD-002"), "{}", opened[0].number);
}
