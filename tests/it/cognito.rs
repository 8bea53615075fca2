//! The promise: the API understands tokens issued by `infra/aws/cognito.yaml`. The trigger's own code, run on the events
//! that Cognito sends, adds exactly the claims that give a caller its role.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::shop::merged;
use crate::harness::world::{claims, signed};
use crate::harness::{World, insist_on, yaml};

/// Runs a trigger: its module is an argument, its event comes in on standard input and its answer goes out on standard
/// output.
const RUNNER: &str = "import json, sys; module = {}; exec(sys.argv[1], module); \
                      json.dump(module['handler'](json.load(sys.stdin), None), sys.stdout)";

/// A token with the claims that the trigger adds for a Cognito event.
fn token(source: &str, request: &Value) -> String {
    let event = json!({
        "version": "3",
        "triggerSource": source,
        "region": "eu-central-1",
        "userPoolId": "eu-central-1_EXAMPLE",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "57cbishk4j24pabc1234567890"},
        "request": request,
        "response": {"claimsAndScopeOverrideDetails": null},
    });
    let code = yaml::read("infra/aws/cognito.yaml")["Resources"]["Claims"]["Properties"]["Code"]["ZipFile"].take();
    insist_on("python");
    let mut python = Command::new("python3");
    python.args(["-c", RUNNER, code.as_str().expect("the trigger's code")]);
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
    let mut stdin = python.stdin.take().expect("its input");
    stdin.write_all(event.to_string().as_bytes()).expect("it reads");
    drop(stdin);
    let output = python.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the trigger failed on {event}");
    let mut answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let added = answer["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"].take();
    let added = added["claimsToAddOrOverride"].as_object().expect("claims").clone();
    assert!(added.values().all(Value::is_string), "API Gateway passes on only strings unchanged: {added:?}");
    let mut honest = claims("6b1e3a54-0f7c-4d0e-9a3b-2f1d5c7e8a90", "", None);
    honest.as_object_mut().expect("claims").remove("role");
    signed(&merged(honest, added.into()))
}

/// The token of a user who signed in to a customer's application.
fn user(attributes: Value, groups: Value) -> String {
    user_by("TokenGeneration_Authentication", attributes, groups)
}

/// The token of a user who signed in to the console.
fn console_user(attributes: Value, groups: Value) -> String {
    user_by("TokenGeneration_HostedAuth", attributes, groups)
}

fn user_by(source: &str, attributes: Value, groups: Value) -> String {
    let request = json!({
        "userAttributes": merged(json!({"sub": "6b1e3a54-0f7c-4d0e-9a3b-2f1d5c7e8a90", "cognito:user_status": "CONFIRMED"}), attributes),
        "groupConfiguration": {"groupsToOverride": groups, "iamRolesToOverride": [], "preferredRole": null},
        "scopes": ["aws.cognito.signin.user.admin"],
    });
    token(source, &request)
}

/// The token of a machine.
fn machine(scopes: &[&str]) -> String {
    token("TokenGeneration_ClientCredentials", &json!({"userAttributes": {}, "scopes": scopes}))
}

#[tokio::test]
async fn callers_have_the_role_that_the_pool_gives_them() {
    let world = World::start().await;
    let bob = user(json!({"custom:tenant_id": "acme"}), json!([]));
    let body = world.post("/deployments", &bob, json!({"slug": "shop"})).await.expect(201);
    assert_eq!(body["deployment"]["tenant_id"], "acme");
    // Neither user can give itself a role, and a machine has a scope only if its client has it.
    world.put("/plans/team", &bob, json!({"name": "Team"})).await.expect_problem(403, "admin_required");
    let stranger = user(json!({"custom:tenant_id": "globex"}), Value::Null);
    assert_eq!(world.get("/deployments", &stranger).await.expect(200)["deployments"], json!([]));

    let carol = console_user(json!({"custom:tenant_id": "acme"}), json!([]));
    assert_eq!(world.get("/deployments", &carol).await.expect(200)["deployments"].as_array().map(Vec::len), Some(1));
    let admin = json!(["platform_admin"]);
    for admin in [user(json!({}), admin.clone()), console_user(json!({}), admin), machine(&["arcadia/platform_admin"])]
    {
        let seen = world.get("/deployments?tenant_id=acme", &admin).await.expect(200);
        assert_eq!(seen["deployments"].as_array().map(Vec::len), Some(1));
    }

    let id = body["deployment"]["id"].as_str().expect("an id");
    let plane = machine(&["arcadia/data_plane"]);
    let database = json!({"kind": "database", "provider_reference": "db-1"});
    world.post(&format!("/deployments/{id}/resources"), &plane, database.clone()).await.expect(201);
    world.post(&format!("/deployments/{id}/resources"), &bob, database).await.expect_problem(403, "role_not_permitted");

    let till = machine(&["arcadia/payment_provider"]);
    world.get("/deployments", &till).await.expect_problem(403, "role_not_permitted");
    let payment = json!({"reference": "r-1", "amount_cents": 1, "currency": "USD"});
    let path = format!("/deployments/{id}/invoices/20270115100000-5b0c4e8a9d27-USD/payments");
    world.post(&path, &till, payment).await.expect_problem(404, "not_found");

    for nobody in [
        user(json!({}), json!([])),
        user(json!({}), json!(["payment_provider"])),
        machine(&[]),
        machine(&["other/platform_admin"]),
        machine(&["arcadia/payment_provider", "arcadia/platform_admin"]),
        machine(&["arcadia/payment_provider", "arcadia/data_plane"]),
    ] {
        world.get("/plans", &nobody).await.expect_problem(403, "role_required");
    }
}

#[test]
fn the_claims_scopes_and_outputs_are_called_as_the_product_calls_them() {
    let (pool, product) = (yaml::read("infra/aws/cognito.yaml"), yaml::template());
    let parameters = &product["Parameters"];
    let defaults = [&parameters["RoleClaim"]["Default"], &parameters["TenantClaim"]["Default"]];
    assert_eq!(defaults, ["role", "tenant_id"], "the trigger writes these claims");
    for output in ["TokenIssuer", "TokenAudience", "ConsoleClientId", "ConsoleSignInOrigin"] {
        assert!(parameters[output].is_object() && pool["Outputs"][output].is_object(), "{output}");
    }
    for (client, scope) in [
        ("Operator", "arcadia/platform_admin"),
        ("Payments", "arcadia/payment_provider"),
        ("DataPlane", "arcadia/data_plane"),
    ] {
        assert_eq!(pool["Resources"][client]["Properties"]["AllowedOAuthScopes"], json!([scope]));
    }
    assert_eq!(pool["Resources"]["Users"]["Properties"]["AllowedOAuthFlows"], Value::Null, "users have no scopes");
    let console = &pool["Resources"]["Console"]["Properties"];
    assert_eq!((&console["GenerateSecret"], &console["AllowedOAuthFlows"]), (&json!(false), &json!(["code"])));
    let scope = parameters["ConsoleScope"]["Default"].as_str().expect("a scope");
    assert_eq!(console["AllowedOAuthScopes"], json!([scope]), "the console requests this scope");
    let page = product["Outputs"]["ConsoleUrl"]["Value"]["!Sub"].as_str().expect("an address");
    let pattern = pool["Parameters"]["ConsoleUrl"]["AllowedPattern"].as_str().expect("a pattern");
    assert!(page.ends_with("/console/index.html") && pattern.contains(r"/console/index\.html"), "{page} {pattern}");
}
