//! The promise: any input is answered with a problem that has a stable code, never with a 5xx, and nothing is written.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::World;
use crate::harness::client::send;
use crate::harness::reply::fields;
use crate::harness::table::Contents;
use crate::harness::world::id_of;

/// The longest body that the product reads, in bytes.
const MAX_BODY_LEN: usize = 64 * 1024;

/// A world with one deployment, and the table's contents to compare with.
struct Case {
    world: World,
    id: String,
    before: Contents,
}

impl Case {
    async fn start() -> Self {
        let world = World::start().await;
        let id = id_of(&world.create("shop").await);
        let before = world.contents().await;
        world.dynamodb.clear();
        Self { world, id, before }
    }

    /// A request with a JSON content type and the given bytes as its body.
    fn raw(&self, method: &Method, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let path = path.replace("{id}", &self.id);
        self.request(method, &path).header("content-type", "application/json").body(body)
    }

    /// A request by a caller who may use the route.
    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let records = path.contains("/resources") && method != Method::GET;
        let token = if records { &self.world.data_plane } else { &self.world.user };
        self.world.request(method.clone(), path, token)
    }

    /// Every route that reads a body.
    fn with_body() -> [(Method, &'static str); 4] {
        [
            (Method::POST, "/deployments"),
            (Method::PATCH, "/deployments/{id}"),
            (Method::POST, "/deployments/{id}/transition"),
            (Method::POST, "/deployments/{id}/resources"),
        ]
    }

    async fn unchanged(&self) {
        assert_eq!(self.world.contents().await, self.before);
        assert_eq!(self.world.dynamodb.count("TransactWriteItems"), 0);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_malformed() {
    let case = Case::start().await;
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("blank", b"  \n".to_vec()),
        ("text", b"slug=shop".to_vec()),
        ("truncated", br#"{"slug": "sho"#.to_vec()),
        ("an array", br#"[{"slug": "shop"}]"#.to_vec()),
        ("null", b"null".to_vec()),
        ("a string", br#""shop""#.to_vec()),
        ("a number", b"1".to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("a trailing comma", br#"{"slug": "other",}"#.to_vec()),
        ("single quotes", b"{'slug': 'other'}".to_vec()),
        ("a comment", b"{} // nothing".to_vec()),
        ("a repeated field", br#"{"slug": "other", "slug": "another"}"#.to_vec()),
        ("a field repeated by an escape", br#"{"slug": "other", "s\u006cug": "another"}"#.to_vec()),
        ("bytes that are not UTF-8", b"{\"slug\": \"\xff\xfe\"}".to_vec()),
        ("half a surrogate pair", br#"{"slug": "\ud800"}"#.to_vec()),
        ("a raw control character", b"{\"slug\": \"a\x01b\"}".to_vec()),
        ("a byte order mark", "\u{feff}{}".as_bytes().to_vec()),
        ("UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a number out of range", b"{\"slug\": 1e999999}".to_vec()),
        ("not a number", b"{\"slug\": NaN}".to_vec()),
        ("10,000 brackets", nested("[", "]", 10_000).into_bytes()),
        ("10,000 brackets in a field", format!("{{\"slug\": {}}}", nested("[", "]", 10_000)).into_bytes()),
        ("5,000 objects", format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)).into_bytes()),
        ("brackets that never close", "[".repeat(MAX_BODY_LEN).into_bytes()),
    ];
    for (method, path) in Case::with_body() {
        for (what, body) in &bodies {
            let reply = send(case.raw(&method, path, body.clone())).await;
            println!("{what} on {method} {path}");
            reply.expect_problem(400, "malformed_json");
        }
    }
    assert_eq!(case.world.dynamodb.seen(), []);
    case.unchanged().await;
}

#[tokio::test]
async fn a_body_of_another_type_is_not_read() {
    let case = Case::start().await;
    for (method, path) in Case::with_body() {
        let path = path.replace("{id}", &case.id);
        let request = || case.request(&method, &path);
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "", "*/*"]
        {
            let reply = send(request().header("content-type", content_type).body("{}")).await;
            reply.expect_problem(415, "unsupported_media_type");
        }
        for content_type in ["application/json,application/json", "application/json; charset=utf-8, text/plain"] {
            let reply = send(request().header("content-type", content_type).body("{}")).await;
            reply.expect_problem(415, "unsupported_media_type");
        }
        let twice = request().header("content-type", "application/json").header("content-type", "text/plain");
        send(twice.body("{}")).await.expect_problem(415, "unsupported_media_type");
        for coding in ["gzip", "br", "identity, gzip"] {
            let coded = request().header("content-type", "application/json").header("content-encoding", coding);
            send(coded.body(&b"\x1f\x8b\x08\x00"[..])).await.expect_problem(415, "unsupported_media_type");
        }
        send(request().body("{}")).await.expect_problem(415, "unsupported_media_type");
        send(request()).await.expect_problem(415, "unsupported_media_type");
        for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
            let reply = send(request().header("content-type", content_type).body("{\"nonsense\": 1}")).await;
            reply.expect_problem(400, "unknown_field");
        }
    }
    case.unchanged().await;
}

#[tokio::test]
async fn a_body_is_read_up_to_64_kib() {
    let case = Case::start().await;
    let padded = |len: usize| {
        let body = r#"{"slug": "other"}"#;
        format!("{body}{}", " ".repeat(len - body.len()))
    };
    for len in [MAX_BODY_LEN + 1, 2 * MAX_BODY_LEN, 1024 * 1024] {
        let reply = send(case.raw(&Method::POST, "/deployments", padded(len))).await;
        reply.expect_problem(413, "payload_too_large");
    }
    case.unchanged().await;
    send(case.raw(&Method::POST, "/deployments", padded(MAX_BODY_LEN))).await.expect(201);
}

#[tokio::test]
async fn an_unknown_field_is_named_whatever_else_is_wrong() {
    let case = Case::start().await;
    for (method, path) in Case::with_body() {
        for (body, pointer) in [
            (json!({"colour": "red"}), "/colour"),
            (json!({"Slug": "other", "slug": 7}), "/Slug"),
            (json!({"": 1}), "/"),
            (json!({"a/b~c": null}), "/a~1b~0c"),
            (json!({"sl\u{fc}g": 1}), "/sl\u{fc}g"),
            (json!({"__proto__": {}}), "/__proto__"),
        ] {
            let mut body = body;
            if path != "/deployments" {
                body.as_object_mut().unwrap().remove("slug");
            }
            let problem = send(case.raw(&method, path, body.to_string())).await.expect_problem(400, "unknown_field");
            assert_eq!(fields(&problem)[0], (pointer, "unknown_field"), "{method} {path}");
        }
    }
    // Fields of the answer that a request may not set.
    for name in ["id", "version", "state_since", "created_at", "open_invoices", "live_resources", "resume_at"] {
        let body = json!({"slug": "other", name: 1});
        let problem =
            case.world.post("/deployments", &case.world.user, body).await.expect_problem(400, "unknown_field");
        assert_eq!(fields(&problem)[0], (format!("/{name}").as_str(), "unknown_field"));
    }
    for name in ["slug", "tenant_id", "state", "trial_ends_at"] {
        let path = format!("/deployments/{}", case.id);
        let problem = case.world.patch(&path, &case.world.user, json!({name: "x"})).await;
        let problem = problem.expect_problem(400, "unknown_field");
        assert_eq!(fields(&problem), [(format!("/{name}").as_str(), "unknown_field")]);
    }
    case.unchanged().await;
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_malformed() {
    let case = Case::start().await;
    let id = case.id.replace('-', "");
    let (cut, long) = (&case.id[..35], "a".repeat(2_000));
    let ids = [
        "shop",
        "0",
        "%20",
        "%00",
        "..%2f..",
        "%23",
        "null",
        "*",
        "%F0%9F%92%A9",
        cut,
        &id,
        &long,
        "DEPLOYMENT%23x",
        "%7B0192f0c1-2345-7abc-8def-0123456789ab%7D",
        "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
    ];
    for id in ids {
        for (method, path) in [(Method::GET, ""), (Method::GET, "/events"), (Method::GET, "/resources")] {
            let reply = send(case.raw(&method, &format!("/deployments/{id}{path}"), "")).await;
            reply.expect_problem(400, "invalid_id");
        }
        for (method, path, body) in [
            (Method::PATCH, "", r#"{"region": "a"}"#),
            (Method::POST, "/transition", r#"{"to_state": "paused"}"#),
            (Method::POST, "/resources", r#"{"kind": "a", "provider_reference": "b"}"#),
        ] {
            let reply = send(case.raw(&method, &format!("/deployments/{id}{path}"), body)).await;
            reply.expect_problem(400, "invalid_id");
        }
        let reply = send(case.raw(&Method::DELETE, &format!("/deployments/{{id}}/resources/{id}"), "")).await;
        reply.expect_problem(400, "invalid_id");
    }
    assert_eq!(case.world.dynamodb.seen(), []);
    // An id is accepted in lower and upper case.
    let shown = case.world.get(&format!("/deployments/{}", case.id.to_uppercase()), &case.world.user).await;
    assert_eq!(shown.expect(200)["deployment"]["id"], case.id);
}

#[tokio::test]
async fn a_query_is_read_strictly() {
    let case = Case::start().await;
    let own = |rest: &str| format!("/deployments/{{id}}{rest}");
    let mut queries: Vec<(String, &str)> = Vec::new();
    for list in
        ["/deployments".to_owned(), "/schedule".to_owned(), "/invoices".to_owned(), own("/events"), own("/resources")]
    {
        for limit in ["0", "101", "-1", "abc", "", "1.0", "1e1", "%201", "99999999999999999999", "0x10"] {
            queries.push((format!("{list}?limit={limit}"), "invalid_limit"));
        }
        // Empty, not base64, base64 of `TENANT#other`, of a sequence that does not exist, with padding, and plain text.
        for cursor in ["", "!", "AA", "VEVOQU5UI290aGVy", "LTE", "MQ==", "shop", "..", "%00", "bnVsbA"] {
            queries.push((format!("{list}?cursor={cursor}"), "invalid_cursor"));
        }
        for other in ["colour=red", "Limit=1", "limit[]=1", "=", "page=2", "%00=1", "state%20=active", "offset"] {
            queries.push((format!("{list}?{other}"), "unknown_parameter"));
        }
        queries.push((format!("{list}?limit=1&limit=1"), "repeated_parameter"));
        queries.push((format!("{list}?limit=1&cursor=a&cursor=a"), "repeated_parameter"));
    }
    for state in ["", "gone", "Active", "active%20", "active,paused", "%00", "null"] {
        queries.push((format!("/deployments?state={state}"), "invalid_state"));
    }
    let long = "a".repeat(64);
    for slug in ["", "Shop", "my%23shop", "my%2Fshop", "b%C3%BCcher", "-a", "a-", "a_b", "%00", &long] {
        queries.push((format!("/deployments?slug={slug}"), "invalid_slug"));
    }
    for order in ["", "up", "ASC", "asc,desc"] {
        queries.push((own(&format!("/events?order={order}")), "invalid_order"));
    }
    for after in ["", "-1", "1.5", "x", "99999999999999999999999"] {
        queries.push((own(&format!("/events?after={after}")), "invalid_number"));
    }
    for before in ["", "tomorrow", "2027-02-30T00:00:00Z", "1969-01-01T00:00:00Z"] {
        for parameter in ["/schedule?before", "/invoices?due_before", "/invoices?issued_from", "/invoices?issued_to"] {
            queries.push((format!("{parameter}={before}"), "invalid_timestamp"));
        }
    }
    for action in ["", "Renew", "renew,resume", "sleep"] {
        queries.push((format!("/schedule?action={action}"), "invalid_action"));
    }
    for status in ["", "Open", "late", "open,paid", "past_due"] {
        queries.push((format!("/invoices?status={status}"), "invalid_status"));
    }
    for month in ["", "2027", "2027-13", "2027-1", "2027-01-01", "-001-01", "12027-01", "January"] {
        queries.push((format!("/tenants/acme/account?month={month}"), "invalid_month"));
    }
    for id in ["", "shop", "0192f0c1"] {
        queries.push((format!("/invoices?deployment_id={id}"), "invalid_id"));
    }
    for subscribed in ["", "yes", "1", "TRUE"] {
        queries.push((format!("/deployments?subscribed={subscribed}"), "invalid_boolean"));
        queries.push((format!("/deployments?billing_action_suspended={subscribed}"), "invalid_boolean"));
    }
    for region in ["", "EU", "eu%23", "-"] {
        queries.push((format!("/deployments?region={region}"), "invalid_code"));
    }
    for tenant in ["", "a%23b", "a/b", "a%20b", "%C3%A4", &"a".repeat(65)] {
        queries.push((format!("/deployments?tenant_id={tenant}"), "invalid_tenant_id"));
    }
    for rest in ["", "/transition"] {
        queries.push((format!("{}?limit=1", own(rest)), "unknown_parameter"));
    }
    queries.push(("/lifecycle?x=1".to_owned(), "unknown_parameter"));
    for (path, code) in &queries {
        println!("{path}");
        let method = if path.contains("/transition") { Method::POST } else { Method::GET };
        send(case.raw(&method, path, r#"{"to_state": "paused"}"#)).await.expect_problem(400, code);
    }
    let events_cursor = case.raw(&Method::GET, &format!("{}?cursor={}", own("/events"), case.id), "");
    send(events_cursor).await.expect_problem(400, "invalid_cursor");
    assert_eq!(case.world.dynamodb.seen(), []);
    case.unchanged().await;
}

#[tokio::test]
async fn the_rest_of_a_query_and_path_is_refused_or_found_nowhere() {
    let case = Case::start().await;
    for path in ["/deployments/", "/deployments//events", "//deployments", "/deployments/%ff", "/deployments/%zz"] {
        let reply = send(case.raw(&Method::GET, path, "")).await;
        assert!([400, 404].contains(&reply.status), "{path}: {} {}", reply.status, reply.text);
    }
    for query in ["&", "&&", "limit=1&", "&limit=1"] {
        let reply = send(case.raw(&Method::GET, &format!("/deployments?{query}"), "")).await;
        assert!([200, 400].contains(&reply.status), "{query}: {} {}", reply.status, reply.text);
    }
    case.unchanged().await;
}

#[tokio::test]
async fn if_match_must_be_readable() {
    let mut case = Case::start().await;
    let resource = r#"{"kind": "a", "provider_reference": "b"}"#;
    let created = send(case.raw(&Method::POST, "/deployments/{id}/resources", resource)).await.expect(201);
    let delete = format!("/deployments/{{id}}/resources/{}", id_of(&created["resource"]));
    case.before = case.world.contents().await;
    case.world.dynamodb.clear();
    for (method, path, body) in [
        (Method::PATCH, "/deployments/{id}", r#"{"region": "us-east-1"}"#),
        (Method::POST, "/deployments/{id}/transition", r#"{"to_state": "paused"}"#),
        (Method::POST, "/deployments/{id}/resources", resource),
        (Method::DELETE, &delete, ""),
    ] {
        for tag in ["2", "\"2", "2\"", "\"", "abc", "\"2\" \"3\"x", "*,\"2\"", "W/2", "w/\"2\"", "\"2\", 3", "a,b"] {
            let reply = send(case.raw(&method, path, body).header("if-match", tag)).await;
            println!("{tag} on {method} {path}");
            reply.expect_problem(400, "invalid_if_match");
        }
        // A list may have empty elements, and a tag may be any text between quotes; none of these is the current
        // version.
        for tag in ["", ",", " , ,", "\"a,b\"", "\"2,3\"", "\"1\",,\"a,2\"", "\"\"", "\",\""] {
            let reply = send(case.raw(&method, path, body).header("if-match", tag)).await;
            println!("{tag} on {method} {path}");
            assert_eq!(reply.expect_problem(412, "precondition_failed")["current_version"], 2);
        }
    }
    case.unchanged().await;
}

/// Each refused field value, with the field's pointer and the code of the problem.
#[tokio::test]
async fn an_ill_formed_field_is_named_by_its_pointer() {
    let case = Case::start().await;
    let not_texts =
        [json!(7), json!(true), json!([]), json!({}), json!(["shop"]), json!(18_446_744_073_709_551_615_u64)];
    let chars = |n: usize| Value::from("a".repeat(n));
    let lines =
        |max: usize| vec![json!(""), json!("  "), json!("a\nb"), json!("\u{0}"), json!("\u{85}"), chars(max + 1)];
    let codes =
        || vec![json!(""), json!("A"), json!("a b"), json!("-a"), json!("_a"), json!("a#b"), json!("ä"), chars(64)];
    let versions = || vec![json!(""), json!("1 0"), json!("1/0"), json!("1#0"), json!("é"), chars(65)];
    let slugs =
        ["", "Shop", "my#shop", "my/shop", "b\u{fc}cher", "\u{6d}\u{430}", "-a", "a-", "a_b", "a.b", "a\n", "a\u{0}"];
    let mut slugs: Vec<Value> = slugs.map(Value::from).to_vec();
    slugs.push(chars(64));
    let states = || ["", "gone", "Active", "PAUSED", "active ", "past-due"].map(Value::from).to_vec();
    let times = || {
        [
            "",
            "tomorrow",
            "2027-02-30T00:00:00Z",
            "2027-03-01",
            "2027-03-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "+12027-01-01T00:00:00Z",
            "2027-03-01T00:00:00+99:00",
        ]
        .map(Value::from)
        .to_vec()
    };
    let notes = vec![json!(""), json!(" \n"), json!("bell\u{7}"), chars(2001)];
    let create = (Method::POST, "/deployments", json!({"slug": "other"}));
    let update = (Method::PATCH, "/deployments/{id}", json!({}));
    let transition = (Method::POST, "/deployments/{id}/transition", json!({"to_state": "paused"}));
    let resource =
        (Method::POST, "/deployments/{id}/resources", json!({"kind": "database", "provider_reference": "db-1"}));
    let tenants = ["", "a#b", "a/b", "ä", "a b"].map(Value::from).to_vec();
    let table = [
        (&create, "slug", "invalid_slug", slugs),
        (&create, "tenant_id", "invalid_tenant_id", tenants),
        (&create, "display_name", "invalid_display_name", lines(200)),
        (&create, "region", "invalid_code", codes()),
        (&create, "llm_mode", "invalid_code", codes()),
        (&create, "template_code", "invalid_code", codes()),
        (&create, "template_version", "invalid_template_version", versions()),
        (&create, "state", "invalid_state", states()),
        (&update, "display_name", "invalid_display_name", lines(200)),
        (&update, "region", "invalid_code", codes()),
        (&update, "llm_mode", "invalid_code", codes()),
        (&update, "template_code", "invalid_code", codes()),
        (&update, "template_version", "invalid_template_version", versions()),
        (&transition, "to_state", "invalid_state", states()),
        (&transition, "reason", "invalid_reason", lines(200)),
        (&transition, "notes", "invalid_notes", notes),
        (&resource, "kind", "invalid_code", codes()),
        (&resource, "provider_reference", "invalid_provider_reference", lines(512)),
        (&resource, "region", "invalid_code", codes()),
    ];
    for ((method, path, body), name, code, values) in table {
        let ill_formed = values.into_iter().map(|value| (value, code));
        for (value, code) in ill_formed.chain(not_texts.clone().map(|value| (value, "not_a_string"))) {
            let mut body = body.clone();
            body[name] = value;
            println!("{method} {path} {body}");
            let reply = send(case.raw(method, path, body.to_string())).await;
            reply.expect_fields(&[(&format!("/{name}"), code)]);
        }
    }
    for ((method, path, body), name) in [(&create, "trial_ends_at"), (&transition, "resume_at")] {
        for value in times().into_iter().chain(not_texts.clone()) {
            let mut body = body.clone();
            body[name] = value;
            let reply = send(case.raw(method, path, body.to_string())).await;
            reply.expect_fields(&[(&format!("/{name}"), "invalid_timestamp")]);
        }
    }
    for ((method, path, body), name) in [(&update, "billing_action_suspended"), (&transition, "dry_run")] {
        for value in [json!("true"), json!(1), json!([]), json!({})] {
            let mut body = body.clone();
            body[name] = value;
            let reply = send(case.raw(method, path, body.to_string())).await;
            reply.expect_fields(&[(&format!("/{name}"), "not_a_boolean")]);
        }
    }
    case.unchanged().await;
}

#[tokio::test]
async fn a_missing_or_null_field_is_named_and_all_mistakes_at_once() {
    let case = Case::start().await;
    let own = |rest: &str| format!("/deployments/{{id}}{rest}");
    let (create, update) = ((Method::POST, "/deployments".to_owned()), (Method::PATCH, own("")));
    let (transition, resource) = ((Method::POST, own("/transition")), (Method::POST, own("/resources")));
    let expected: [(_, _, &[(&str, &str)]); 12] = [
        (&create, json!({}), &[("/slug", "required")]),
        (&create, json!({"slug": null}), &[("/slug", "not_null")]),
        (&create, json!({"slug": "A", "region": 1}), &[("/slug", "invalid_slug"), ("/region", "not_a_string")]),
        (&update, json!({"display_name": null}), &[("/display_name", "not_null")]),
        (&update, json!({"region": null}), &[("/region", "not_null")]),
        (&update, json!({"billing_action_suspended": null}), &[("/billing_action_suspended", "not_null")]),
        (&transition, json!({}), &[("/to_state", "required")]),
        (&transition, json!({"to_state": null}), &[("/to_state", "not_null")]),
        (
            &transition,
            json!({"reason": "", "notes": ""}),
            &[("/to_state", "required"), ("/reason", "invalid_reason"), ("/notes", "invalid_notes")],
        ),
        (&resource, json!({}), &[("/kind", "required"), ("/provider_reference", "required")]),
        (&resource, json!({"kind": null, "provider_reference": "x"}), &[("/kind", "not_null")]),
        (&resource, json!({"kind": "x", "provider_reference": null}), &[("/provider_reference", "not_null")]),
    ];
    for ((method, path), body, errors) in expected {
        let reply = send(case.raw(method, path, body.to_string())).await;
        reply.expect_fields(errors);
    }
    case.unchanged().await;
}

#[tokio::test]
async fn platform_admin_must_say_whose_deployment_it_is() {
    let case = Case::start().await;
    let create = |body: Value| case.world.post("/deployments", &case.world.admin, body);
    create(json!({"slug": "other"})).await.expect_fields(&[("/tenant_id", "required")]);
    create(json!({"slug": "other", "tenant_id": null})).await.expect_fields(&[("/tenant_id", "required")]);
    // Each mistake is reported once.
    create(json!({"slug": "other", "tenant_id": "a#b"})).await.expect_fields(&[("/tenant_id", "invalid_tenant_id")]);
    create(json!({"slug": "other", "tenant_id": 7})).await.expect_fields(&[("/tenant_id", "not_a_string")]);
    case.unchanged().await;
}
