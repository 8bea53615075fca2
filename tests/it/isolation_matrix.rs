//! The promise: on no route can a caller reach another tenant's records, however it names them. Every route is tried
//! with every way of naming. Refused requests have changed nothing, and answers contain nothing of the other tenant.

use std::collections::BTreeSet;

use arcadia_domain::Authority;
use arcadia_functions::Audience;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::billing::Billing;
use crate::harness::client::send;
use crate::harness::routes::{MISSING, Names, Position, Row, Target, find_row, rows, stock};
use crate::harness::shop::merged;
use crate::harness::table::Contents;
use crate::harness::world::{ACME, START, claims, signed, token, user};
use crate::harness::{Reply, World, cursors};

/// The tenant that tries to reach the records of `ACME`.
const GLOBEX: &str = "globex";
/// A key that acme's user with the same name as globex's has used.
const USED_KEY: &str = "used";

/// The ways of naming another tenant's records. A new way states the expected outcome on every route.
const COLUMNS: &[(&str, Column)] = &[
    ("the path of another tenant's record", foreign_path),
    ("the path of one's own with another's part", foreign_part),
    ("tenant_id in the body", tenant_in_body),
    ("tenant_id in the query", tenant_in_query),
    ("a header", header),
    ("a cursor that another tenant was given", foreign_cursor),
    ("a forged cursor", forged_cursor),
    ("another tenant's idempotency key", foreign_key),
    ("a token of a former platform_admin", demoted),
    ("a token of a payment provider", payment_provider),
    ("a token of the data plane", data_plane),
    ("a token without a role", no_role),
];

type Column = fn(&Case) -> Cell;

/// The probes of one way of naming on one route.
enum Cell {
    Probes(Vec<Probe>),
    /// There are none, for this reason.
    DoesNotApply(&'static str),
}

struct Probe {
    what: String,
    request: RequestBuilder,
    expected: Expected,
}

enum Expected {
    /// A problem. Unless it is 404, the table was not read.
    Refused(u16, &'static str),
    /// The same problem as for this request about a record that does not exist.
    RefusedAs(u16, &'static str, RequestBuilder),
    /// The same answer as for this request, which names only the caller's own records.
    AnsweredAs(RequestBuilder),
    /// A page with only records of this list.
    PageOf(RequestBuilder),
}

/// A route with a record of acme's on which acme's call would be accepted, and the same of globex's.
struct Case<'a> {
    world: &'a World,
    row: &'static Row,
    theirs: Target,
    own: Target,
    /// A cursor of acme's list, or of acme's deployments if the route is not a list.
    cursor: String,
    globex: String,
}

impl Case<'_> {
    fn request(&self, target: &Target) -> RequestBuilder {
        self.row.request(self.world, target).bearer_auth(&self.globex)
    }

    fn with_token(&self, target: &Target, token: &str) -> RequestBuilder {
        self.row.request(self.world, target).bearer_auth(token)
    }

    fn with_query(&self, target: &Target, query: &str) -> RequestBuilder {
        self.row.request_with(self.world, target, query).bearer_auth(&self.globex)
    }

    /// The expected answer to a user of globex that calls the route on acme's record.
    fn stranger(&self) -> Expected {
        match (self.row.audience, self.row.names()) {
            (Audience::Admins | Audience::Holders(_), _) => self.wrong_role(),
            (Audience::Everyone | Audience::Watchers, Names::Nothing) => Expected::AnsweredAs(self.request(&self.own)),
            (Audience::Everyone | Audience::Watchers, Names::TenantInBody | Names::TenantInQuery) => {
                Expected::Refused(403, "tenant_not_permitted")
            }
            (Audience::Everyone | Audience::Watchers, Names::TenantInPath | Names::Deployment | Names::Part) => {
                Expected::Refused(404, "not_found")
            }
        }
    }

    /// The expected answer to roles that may not call the route.
    const fn wrong_role(&self) -> Expected {
        match self.row.audience {
            Audience::Admins => Expected::Refused(403, "admin_required"),
            Audience::Everyone | Audience::Watchers | Audience::Holders(_) => {
                Expected::Refused(403, "role_not_permitted")
            }
        }
    }

    /// The expected answer to a user of globex if users may call the route at all.
    fn if_admitted(&self, expected: Expected) -> Expected {
        if self.is_for_users() { expected } else { self.wrong_role() }
    }

    const fn is_for_users(&self) -> bool {
        matches!(self.row.audience, Audience::Everyone | Audience::Watchers)
    }

    fn is_read_by_everyone(&self) -> bool {
        self.row.route().method == Method::GET && self.is_for_users()
    }

    /// Tries one change of a request on acme's record and, where the request changes nothing, on globex's own.
    fn on_both(&self, what: &str, modify: impl Fn(RequestBuilder) -> RequestBuilder) -> Vec<Probe> {
        let mut probes = vec![probe(what, modify(self.request(&self.theirs)), self.stranger())];
        if self.is_read_by_everyone() {
            let own = self.request(&self.own);
            probes.push(probe(what, modify(self.request(&self.own)), Expected::AnsweredAs(own)));
        }
        probes
    }
}

fn probe(what: &str, request: RequestBuilder, expected: Expected) -> Probe {
    Probe { what: what.to_owned(), request, expected }
}

fn foreign_path(case: &Case) -> Cell {
    let nobodys = match case.row.names() {
        Names::Nothing => return Cell::DoesNotApply("the path names nothing that belongs to a tenant"),
        Names::TenantInBody | Names::TenantInQuery => {
            return Cell::Probes(vec![probe("acme's", case.request(&case.theirs), case.stranger())]);
        }
        Names::TenantInPath => Target { tenant: "nobody".to_owned(), ..case.own.clone() },
        Names::Deployment | Names::Part => {
            Target { id: MISSING.to_owned(), part: case.row.missing_part(), ..case.own.clone() }
        }
    };
    let expected = match case.stranger() {
        Expected::Refused(status, code) => Expected::RefusedAs(status, code, case.request(&nobodys)),
        other => other,
    };
    let mut probes = vec![probe("acme's", case.request(&case.theirs), expected)];
    if case.row.names() != Names::TenantInPath {
        let id = case.theirs.id.to_uppercase();
        let probed = case.request(&Target { id, ..case.theirs.clone() });
        probes.push(probe("acme's in capitals", probed, case.stranger()));
    }
    Cell::Probes(probes)
}

fn foreign_part(case: &Case) -> Cell {
    if case.row.names() != Names::Part {
        return Cell::DoesNotApply("the path names no part of a deployment");
    }
    let (theirs, own) = (&case.theirs, &case.own);
    let mixed = Target { part: theirs.part.clone(), ..own.clone() };
    let missing = case.request(&Target { part: case.row.missing_part(), ..own.clone() });
    let expected = match case.stranger() {
        Expected::Refused(status, code) => Expected::RefusedAs(status, code, missing),
        other => other,
    };
    let reversed = Target { part: own.part.clone(), ..theirs.clone() };
    Cell::Probes(vec![
        probe("own deployment, acme's part", case.request(&mixed), expected),
        probe("acme's deployment, own part", case.request(&reversed), case.stranger()),
    ])
}

fn tenant_in_body(case: &Case) -> Cell {
    let Some(body) = case.row.body_for(&case.own) else {
        // Routes without a body do not read one.
        return Cell::Probes(case.on_both("tenant_id", |request| request.json(&json!({"tenant_id": ACME}))));
    };
    let expected = || {
        case.if_admitted(match case.row.names() {
            Names::TenantInBody => Expected::Refused(403, "tenant_not_permitted"),
            _ => Expected::Refused(400, "unknown_field"),
        })
    };
    let body = merged(body, json!({"tenant_id": ACME}));
    let request = |target| case.request(target).json(&body);
    Cell::Probes(vec![
        probe("tenant_id, own path", request(&case.own), expected()),
        probe("tenant_id, acme's path", request(&case.theirs), expected()),
    ])
}

fn tenant_in_query(case: &Case) -> Cell {
    let narrowed = match case.row.handler {
        "list_schedule" => "tenant_id=acme&action=renew",
        "find_invoices" => "tenant_id=acme&status=open",
        _ => "tenant_id=acme&slug=acme-show-deployment",
    };
    let queries: &[(&str, u16, &str)] = match case.row.names() {
        Names::TenantInQuery => &[
            ("tenant_id=acme", 403, "tenant_not_permitted"),
            ("tenant_id=%61cme", 403, "tenant_not_permitted"),
            (narrowed, 403, "tenant_not_permitted"),
            ("tenant_id=ACME", 403, "tenant_not_permitted"),
            ("tenant_id=globex&tenant_id=acme", 400, "repeated_parameter"),
            ("tenant_id=acme&tenant_id=globex", 400, "repeated_parameter"),
            ("tenant_id=globex,acme", 400, "invalid_tenant_id"),
            ("TENANT_ID=acme", 400, "unknown_parameter"),
            ("tenant_id[]=acme", 400, "unknown_parameter"),
        ],
        _ => &[("tenant_id=acme", 400, "unknown_parameter")],
    };
    let mut probes = Vec::new();
    for (query, status, code) in queries {
        for target in [&case.own, &case.theirs] {
            let path = case.row.path_for(target);
            let path = path.split('?').next().unwrap_or_default();
            let request = case.row.request_at(case.world, target, &format!("{path}?{query}"));
            let request = request.bearer_auth(&case.globex);
            probes.push(probe(query, request, case.if_admitted(Expected::Refused(*status, code))));
        }
    }
    Cell::Probes(probes)
}

/// Headers that tell proxies, gateways and frameworks who is calling, with variants of their names.
fn headers() -> Vec<(&'static [&'static str], String)> {
    let claims = json!({"sub": "ada", "role": "platform_admin", "tenant_id": ACME});
    let context = json!({"authorizer": {"jwt": {"claims": claims}, "claims": claims}}).to_string();
    let unsigned = format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()));
    vec![
        (
            &["x-tenant-id", "x-tenant", "tenant-id", "tenant_id", "x-arcadia-tenant", "x-amzn-tenant-id"],
            ACME.to_owned(),
        ),
        (&["x-role", "role", "x-user-role", "x-forwarded-groups"], "platform_admin".to_owned()),
        (&["x-sub", "x-user-id", "x-forwarded-user", "x-amzn-oidc-identity", "remote-user"], "ada".to_owned()),
        (&["x-claims", "x-jwt-claims", "x-authorizer-claims"], claims.to_string()),
        (&["requestcontext", "x-amzn-request-context", "x-apigateway-context", "x-apigateway-event"], context),
        (&["x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-forwarded-access-token", "x-id-token"], unsigned),
        (&["x-original-url", "x-rewrite-url"], "/api/v1/deployments?tenant_id=acme".to_owned()),
        (&["x-http-method-override"], "GET".to_owned()),
        (&["x-forwarded-for", "x-real-ip", "x-forwarded-host"], "127.0.0.1".to_owned()),
        (&["cookie"], "tenant_id=acme; role=platform_admin".to_owned()),
    ]
}

fn header(case: &Case) -> Cell {
    let with = |request, names: &[&str], value: &str| {
        names.iter().fold(request, |request: RequestBuilder, name| request.header(*name, value))
    };
    let headers = headers();
    let probes = headers
        .iter()
        .flat_map(|(names, value)| case.on_both(&names.join(", "), |request| with(request, names, value)));
    let all = |request| headers.iter().fold(request, |request, (names, value)| with(request, names, value));
    Cell::Probes(probes.chain(case.on_both("all of them", all)).collect())
}

fn foreign_cursor(case: &Case) -> Cell {
    let (own, theirs) = match case.row.list {
        // A list of the whole catalog has the same pages for everyone.
        Some(_) if case.row.names() == Names::Nothing => {
            let page = || case.if_admitted(Expected::PageOf(case.request(&case.own)));
            (page(), page())
        }
        // A cursor is valid for its own list and filters only.
        Some(_) => (Expected::Refused(400, "invalid_cursor"), case.stranger()),
        None => {
            let unknown = || case.if_admitted(Expected::Refused(400, "unknown_parameter"));
            (unknown(), unknown())
        }
    };
    let with = |target| case.with_query(target, &format!("cursor={}", case.cursor));
    Cell::Probes(vec![
        probe("acme's cursor, own path", with(&case.own), own),
        probe("acme's cursor, acme's path", with(&case.theirs), theirs),
    ])
}

/// The positions that a cursor can be forged to hold, and the lists that accept them.
fn positions(theirs: &Target) -> Vec<(String, &'static [Position])> {
    let Target { tenant, id, part: number, .. } = theirs;
    vec![
        // The catalog is the same for everyone, and any text of this form is a position between two codes.
        (id.clone(), &[Position::Id, Position::Code]),
        (format!("2027-01-15T10:00:00.000Z#{id}"), &[Position::Due]),
        (format!("2027-01-15T10:00:00.000Z#{id}#held"), &[Position::Attention]),
        ("2027-01-15T10:00:00.000Z#PLAN#studio#0000000002".to_owned(), &[Position::Catalog]),
        (MISSING.to_owned(), &[Position::Id, Position::Code]),
        (number.clone(), &[Position::InvoiceNumber]),
        (format!("20270115100000#{number}"), &[Position::Issued]),
        ("4000000000".to_owned(), &[Position::Sequence, Position::Code]),
        ("18446744073709551616".to_owned(), &[Position::Code]),
        ("studio".to_owned(), &[Position::Code]),
        (tenant.clone(), &[Position::Code]),
        (String::new(), &[]),
        (format!("TENANT#{tenant}"), &[]),
        (format!("TENANT#{tenant}/{id}"), &[]),
        (format!("DEPLOYMENT#{id}"), &[]),
        (format!("{id}#"), &[]),
        (format!("INVOICE#{number}"), &[]),
        ("EVENT#0000000002".to_owned(), &[]),
        ("-1".to_owned(), &[]),
        (json!({"PK": format!("TENANT#{tenant}"), "SK": format!("SLUG#{tenant}-show-deployment")}).to_string(), &[]),
        (json!({"PK": {"S": format!("DEPLOYMENT#{id}")}, "SK": {"S": "#DEPLOYMENT"}}).to_string(), &[]),
        ("~\u{10ffff}".to_owned(), &[]),
        ("\0".to_owned(), &[]),
    ]
}

fn forged_cursor(case: &Case) -> Cell {
    let Some(list) = case.row.list else {
        let request = case.with_query(&case.own, &format!("cursor={}", URL_SAFE_NO_PAD.encode(&case.theirs.id)));
        let expected = case.if_admitted(Expected::Refused(400, "unknown_parameter"));
        return Cell::Probes(vec![probe("an id", request, expected)]);
    };
    let mut probes = Vec::new();
    for (position, read_by) in positions(&case.theirs) {
        let expected = case.if_admitted(if read_by.contains(&list) {
            Expected::PageOf(case.request(&case.own))
        } else {
            Expected::Refused(400, "invalid_cursor")
        });
        let cursor = cursors::forged(&case.row.path_for(&case.own), &position);
        let request = case.with_query(&case.own, &format!("cursor={cursor}"));
        probes.push(probe(&position, request, expected));
    }
    let padded = format!("{}==", URL_SAFE_NO_PAD.encode(&case.theirs.id));
    for cursor in [case.theirs.id.as_str(), &padded, "!", "%00"] {
        let request = case.with_query(&case.own, &format!("cursor={cursor}"));
        probes.push(probe(cursor, request, case.if_admitted(Expected::Refused(400, "invalid_cursor"))));
    }
    Cell::Probes(probes)
}

/// A key of acme's neither shows nor undoes anything of acme's for globex.
fn foreign_key(case: &Case) -> Cell {
    Cell::Probes(case.on_both("used", |request| request.header("idempotency-key", USED_KEY)))
}

/// Ada was `platform_admin` and is now a user of globex. Claims that are not read still have the old role.
fn demoted(case: &Case) -> Cell {
    let mut claims = claims("ada", "tenant_user", Some(GLOBEX));
    for (name, value) in [
        ("previous_role", json!("platform_admin")),
        ("roles", json!(["platform_admin"])),
        ("Role", json!("platform_admin")),
        ("role ", json!("platform_admin")),
        ("custom:role", json!("platform_admin")),
        ("cognito:groups", json!(["platform_admin"])),
        ("scope", json!("platform_admin")),
        ("TENANT_ID", json!(ACME)),
        ("tenantId", json!(ACME)),
        ("tenants", json!([ACME])),
        ("act", json!({"sub": "ada", "role": "platform_admin", "tenant_id": ACME})),
    ] {
        claims[name] = value;
    }
    let ada = signed(&claims);
    let mut probes = vec![probe("acme's", case.with_token(&case.theirs, &ada), case.stranger())];
    if case.is_read_by_everyone() {
        probes.push(probe("own", case.with_token(&case.own, &ada), Expected::AnsweredAs(case.request(&case.own))));
    }
    Cell::Probes(probes)
}

fn payment_provider(case: &Case) -> Cell {
    role_of_all_tenants(case, Authority::PaymentProvider, "payment providers record payments of all tenants")
}

fn data_plane(case: &Case) -> Cell {
    role_of_all_tenants(case, Authority::DataPlane, "the data plane records resources of all tenants")
}

/// The probes of a role that sees all tenants, on the routes that it may not call.
fn role_of_all_tenants(case: &Case, role: Authority, purpose: &'static str) -> Cell {
    if case.row.audience.admits(role) {
        return Cell::DoesNotApply(purpose);
    }
    let tokens = [None, Some(ACME)].map(|tenant| token("machine", role.as_str(), tenant));
    let probes = tokens.iter().flat_map(|token| {
        [&case.theirs, &case.own].map(|target| probe("", case.with_token(target, token), case.wrong_role()))
    });
    Cell::Probes(probes.collect())
}

fn no_role(case: &Case) -> Cell {
    let roles = ["", "root", "admin", "billing", "Platform_Admin", "platform_admin ", "tenant_user,platform_admin"];
    let probes = roles.iter().map(|role| {
        let eve = token("eve", role, Some(ACME));
        probe(role, case.with_token(&case.theirs, &eve), Expected::Refused(403, "role_required"))
    });
    Cell::Probes(probes.collect())
}

/// The values in the table that belong to acme alone: ids, slugs, numbers, times.
fn secrets(contents: &Contents, targets: &[(Target, Target)]) -> BTreeSet<String> {
    let acmes: BTreeSet<String> = targets.iter().map(|(theirs, _)| format!("DEPLOYMENT#{}", theirs.id)).collect();
    let (mut theirs, mut others) = (BTreeSet::new(), BTreeSet::new());
    for ((pk, _), item) in contents {
        let is_theirs = acmes.contains(pk) || *pk == format!("TENANT#{ACME}");
        texts(item, if is_theirs { &mut theirs } else { &mut others });
    }
    theirs.difference(&others).filter(|text| text.len() >= ACME.len()).cloned().collect()
}

fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => _ = found.insert(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The records of a list.
fn records(reply: &Reply) -> &Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let lists = reply.body.as_object().expect("an object").values();
    lists.filter_map(Value::as_array).next().expect("a list")
}

/// Sends a probe and checks the answer.
async fn try_out(world: &World, what: &str, probe: Probe) -> Reply {
    world.dynamodb.clear();
    let reply = send(probe.request).await;
    let asked = world.dynamodb.seen();
    let refused = |status: u16, code: &str| {
        assert_eq!((reply.status, reply.body["code"].as_str()), (status, Some(code)), "{what}: {}", reply.text);
        reply.clone().expect_problem(status, code);
        assert!(status == 404 || asked.is_empty(), "{what}: refused after requests to DynamoDB {asked:?}");
    };
    match probe.expected {
        Expected::Refused(status, code) => refused(status, code),
        Expected::RefusedAs(status, code, missing) => {
            refused(status, code);
            assert_eq!(reply.comparable(), send(missing).await.comparable(), "{what}");
        }
        Expected::AnsweredAs(plain) => {
            let plain = send(plain).await;
            plain.clone().expect(200);
            assert_eq!(reply.comparable(), plain.comparable(), "{what}");
        }
        Expected::PageOf(list) => {
            let list = send(list).await;
            assert_eq!(list.body["next_cursor"], Value::Null, "{what}: the whole list is one page");
            let all = records(&list);
            assert!(records(&reply).iter().all(|record| all.contains(record)), "{what}: {}", reply.text);
        }
    }
    reply
}

/// Creates records of acme and globex by turns, and collects the cursors that acme gets.
async fn cases(world: &Billing) -> Vec<Case<'_>> {
    stock(world).await;
    world.publish("studio", json!({"price_cents": 3_100})).await.expect(201);
    let create = world.request(Method::POST, "/deployments", &user(ACME)).header("idempotency-key", USED_KEY);
    send(create.json(&json!({"slug": "keyed"}))).await.expect(201);
    let mut cases = Vec::new();
    for (n, row) in rows().enumerate() {
        let (theirs, own) = (row.ready(world, ACME, n).await, row.ready(world, GLOBEX, n).await);
        world.clock.shift(chrono::TimeDelta::seconds(1));
        cases.push(Case { world, row, theirs, own, cursor: String::new(), globex: user(GLOBEX) });
    }
    for (tenant, days) in [(ACME, 1), (GLOBEX, 2)] {
        let policy = json!({
            "payment_terms_days": days, "past_due_after_days": days, "suspended_after_days": days + 1,
            "cancelled_after_days": days + 2, "archived_after_days": days,
        });
        world.put(&format!("/tenants/{tenant}/dunning-policy"), &world.admin, policy).await.expect(200);
        let known =
            json!({"name": format!("{tenant} of old"), "tax_id": format!("tax-{tenant}"), "deployment_quota": 500});
        world.put(&format!("/tenants/{tenant}"), &world.admin, known).await.expect(200);
    }
    let cursor_of = async |row: &Row, target: &Target| {
        let page = send(row.request_with(world, target, "limit=1").bearer_auth(user(ACME))).await.expect(200);
        page["next_cursor"].as_str().unwrap_or_else(|| panic!("{} has one record: {page}", row.handler)).to_owned()
    };
    let of_deployments = cursor_of(find_row("list_deployments"), &cases[0].theirs).await;
    for case in &mut cases {
        case.cursor = match case.row.list {
            Some(_) if case.is_for_users() => cursor_of(case.row, &case.theirs).await,
            Some(_) | None => of_deployments.clone(),
        };
    }
    // Forged cursors need ids of acme's, also for routes that name none.
    let named = cases.iter().find(|case| case.row.handler == "show_invoice").expect("a row").theirs.clone();
    for case in &mut cases {
        if case.theirs.id.is_empty() {
            case.theirs.id.clone_from(&named.id);
        }
        if case.row.names() == Names::Deployment || (case.row.names() != Names::Part && case.theirs.part.is_empty()) {
            case.theirs.part.clone_from(&named.part);
        }
    }
    cases
}

#[tokio::test]
async fn no_route_reveals_another_tenants_records_however_they_are_named() {
    let world = Billing::at(START).await;
    let cases = cases(&world).await;
    let before = world.contents().await;
    let targets: Vec<_> = cases.iter().map(|case| (case.theirs.clone(), case.own.clone())).collect();
    let secrets = secrets(&before, &targets);
    let unchanged = world.fingerprint().await;
    let (mut probes, mut cells, mut exempt) = (0, 0, 0);
    for case in &cases {
        for (name, column) in COLUMNS {
            cells += 1;
            let found = match column(case) {
                Cell::DoesNotApply(reason) => {
                    println!("{}, {name}: does not apply, since {reason}", case.row.handler);
                    exempt += 1;
                    continue;
                }
                Cell::Probes(found) => found,
            };
            assert!(!found.is_empty(), "{}, {name}: an empty cell", case.row.handler);
            for probe in found {
                let what = format!("{}, {name}: {}", case.row.handler, probe.what);
                let reply = try_out(&world, &what, probe).await;
                let next = reply.body["next_cursor"].as_str().unwrap_or_default();
                let next = URL_SAFE_NO_PAD.decode(next).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let text = reply.text + &next.expect("a cursor is base64");
                let leaked: Vec<_> = secrets.iter().filter(|secret| text.contains(*secret)).collect();
                assert!(leaked.is_empty(), "{what}: {leaked:?} in {text}");
                probes += 1;
            }
            assert!(world.fingerprint().await == unchanged, "{}, {name}: the table has changed", case.row.handler);
        }
    }
    let routes = cases.len();
    println!("{probes} probes of {routes} routes in {} ways, {exempt} of {cells} cells exempt", COLUMNS.len());
    assert_eq!(cells, routes * COLUMNS.len());
    assert!(probes >= cells, "{probes} probes in {cells} cells");
    assert!(secrets.len() >= routes, "{secrets:?}");
    // The right caller's call is accepted, so each refusal above was because of the caller alone.
    for Case { row, theirs, own, .. } in &cases {
        for target in [theirs, own] {
            let before = world.fingerprint().await;
            let reply = send(row.request(&world, target).bearer_auth(row.rightful(target))).await;
            assert!(reply.status < 300, "{} is refused for another reason: {}", row.handler, reply.text);
            let wrote = row.route().method != Method::GET;
            // The second tenant's call repeats the first one's and changes nothing, since there is one catalog.
            let repeated = row.names() == Names::Nothing && target.tenant != ACME && row.handler.starts_with("put_");
            assert_eq!(world.fingerprint().await != before, wrote && !repeated, "{}", row.handler);
        }
    }
}
