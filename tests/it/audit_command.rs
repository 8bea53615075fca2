//! The promise: `arcadia audit` checks the books of every deployment and names each change made outside the product.

use arcadia_store::item::{number, string};
use arcadia_store::keys;
use serde_json::{Value, json};

use crate::harness::table::client;
use crate::harness::world::id_of;
use crate::harness::{dynamodb, unique};
use crate::program::{Directory, Running, run, token};

#[tokio::test]
async fn an_audit_adds_up_the_books_and_names_changes_made_past_the_product() {
    let (data, table) = (Directory::new(), unique());
    let admin = token(&data, &["--role", "platform_admin"]);
    let running = Running::start(&data, &["--dynamodb-endpoint", dynamodb::endpoint(), "--table", &table]).await;
    let audit = |more: &[&str]| {
        let output = run(&[&["audit", "--url", &running.http.base, "--data", data.path()], more].concat());
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let mut ids = Vec::new();
    for slug in ["shop", "blog"] {
        let body = json!({"tenant_id": "acme", "slug": slug});
        let id = id_of(&running.http.post("/deployments", &admin, body).await.expect(201)["deployment"]);
        let path = format!("/deployments/{id}/subscribe");
        let body = json!({"plan_code": "studio", "anchor": "now"});
        running.http.post(&path, &admin, body).await.expect(201);
        ids.push(id);
    }
    let (code, out, err) = audit(&["--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let sums = |charged: i64| {
        json!({"currency": "USD", "charged_cents": charged, "credited_cents": 0, "received_cents": 0,
            "paid_back_cents": 0, "granted_cents": 0, "forgiven_cents": 0, "open_cents": charged, "given_up_cents": 0, "waiting_cents": 0, "balance_cents": 0})
    };
    let expected =
        json!({"deployments": 2, "events": 6, "invoices": 2, "totals": [sums(5_800)], "violations": [], "unread": []});
    assert_eq!(report, expected);
    let (code, out, _) = audit(&["acme/blog", "--json"]);
    assert_eq!(
        (code, serde_json::from_str::<Value>(&out).expect("JSON")["totals"].clone()),
        (Some(0), json!([sums(2_900)]))
    );

    let listed = running.http.get(&format!("/deployments/{}/invoices", ids[0]), &admin).await.expect(200);
    let invoice = listed["invoices"][0]["number"].as_str().expect("a number").to_owned();
    let key = keys::invoice(ids[0].parse().expect("an id"), &invoice.parse().expect("a number"));
    let update = client(dynamodb::endpoint()).update_item().table_name(&table);
    let update = update.key("PK", string(key.pk)).key("SK", string(key.sk));
    let update = update.update_expression("SET #record.paid_cents = :cents");
    let update = update.expression_attribute_names("#record", "record");
    let update = update.expression_attribute_values(":cents", number(1));
    update.send().await.expect("the test's own update succeeds");
    let (code, out, err) = audit(&[]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains(&format!("{}: invoice {invoice} differs from the history up to event 3", ids[0])), "{out}");
    assert!(out.starts_with("2 deployments, 6 events, 2 invoices audited\n"), "{out}");
    assert!(err.contains("the books of 1 deployment do not add up"), "{err}");
}
