//! The promise: the command line can do everything that the API can, for people and for scripts. It reports failures in
//! words and by its exit code, and its documentation is generated from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use arcadia_functions::ROUTES;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use rcgen::CertifiedKey;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::{TlsAcceptor, rustls};

use crate::harness::programs::program;
use crate::harness::project::ROOT;
use crate::harness::world::{STARTS, id_of};
use crate::harness::{dynamodb, environment};
use crate::program::{Directory, Running, run, token};

/// A running program, and the command line that calls it.
struct Shell {
    data: Directory,
    running: Running,
}

/// The outcome of a command.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("JSON")
    }

    /// Insists on a refusal with these words.
    #[track_caller]
    fn refused(self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word}: {self:?}");
        }
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Shell {
    async fn start(arguments: &[&str]) -> Self {
        let data = Directory::new();
        let running = Running::start(&data, arguments).await;
        Self { data, running }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program());
        command.args(line.split(' ')).args(["--url", &self.running.http.base, "--data", self.data.path()]);
        command.env_remove("ARCADIA_TOKEN").stdin(Stdio::null());
        command
    }

    /// Runs a command whose words have no spaces. Runs it again if a step of the program's own clock caused a conflict.
    fn run(&self, line: &str) -> Said {
        const MAX_ATTEMPTS: usize = 3;
        let run = || Said::from(self.command(line).output().expect("the program"));
        let mut said = run();
        for _ in 1..MAX_ATTEMPTS {
            if !said.err.contains("(version_conflict, 409)") {
                break;
            }
            said = run();
        }
        said
    }

    /// Creates the deployment of most tests: acme's `shop` on the demo plan, with a period that begins now and ends
    /// after the test.
    fn open_shop(&self) -> String {
        let body = self.run("deployments create --tenant-id acme --slug shop --json").json();
        self.run("deployments subscribe acme/shop studio --addon storage_50gb --anchor now").ok();
        id_of(&body["deployment"])
    }
}

#[tokio::test]
async fn every_operation_of_the_api_can_be_asked_for_on_any_day() {
    for start in STARTS {
        println!("from {start} on");
        ask_for_everything(start).await;
    }
}

async fn ask_for_everything(start: &str) {
    let shell = Shell::start(&["--log", "json", "--clock", start, "--tick-seconds", "1"]).await;
    let id = shell.open_shop();
    for line in [
        "deployments list",
        "deployments show shop",
        "deployments update shop --display-name Shop --clear llm_mode",
        "deployments transition shop paused --reason holidays",
        "deployments transition shop active --dry-run",
        "deployments transition shop active",
        "deployments events shop",
        "deployments events shop --oldest-first --after 1",
        "deployments resources shop",
        "deployments create --tenant-id acme --slug new --state trial --trial-ends-at 17d",
        "deployments subscribe acme/new studio --dry-run",
        "deployments subscribe acme/new studio",
        "plans list",
        "plans put team --name Team",
        "plans publish team --price-cents 49900 --currency USD --interval half_year",
        "plans publish team --price 99USD --interval month",
        "plans publish team --price 109USD --interval month --replaces 2 --effective-from 60d --dry-run",
        "plans publish team --price 109USD --interval month --replaces 2 --effective-from 60d --reason prices --yes",
        "plans show team",
        "deployments change-plan shop team --dry-run",
        "deployments change-plan shop team --effective period_end",
        "deployments withdraw-plan-change shop",
        "deployments attach-addon shop storage_50gb",
        "coupons put partner --name Partners --percent-basis-points 2000 --duration forever",
        "coupons put start --name Start --amount-cents 500 --currency USD --duration periods --periods 3 --plan studio \
         --max-redemptions 9 --redeem-by 2100-01-01T00:00:00Z",
        "coupons list",
        "coupons show start",
        "catalog events",
        "catalog events --coupon start --limit 1",
        "deployments grant-discount shop partner --reason partners --dry-run",
        "deployments grant-discount shop partner",
        "deployments show shop",
        "deployments remove-discount shop",
        "deployments cancel-subscription shop",
        "deployments withdraw-cancellation shop",
        "addons list",
        "addons put seats --name Seats --price-cents 100 --currency USD --quantity 5 --unit seats",
        "addons show seats",
        "invoices list shop",
        "invoices list",
        "invoices list --overdue",
        "invoices list shop --status open --issued-from -30d --due-before 30d",
        "invoices list --tenant-id acme --csv --limit 1",
        "deployments list --region eu-central --subscribed true --plan studio --plan-version 1",
        "attention",
        "attention --kind held",
        "schedule --before 40d",
        "schedule",
        "schedule --action renew --tenant-id acme --before 2100-01-01T00:00:00Z",
        "operations list",
        "operations start update --billing-action-suspended true --state trial --reason outage --dry-run",
        "operations start change-plan team 1 --plan studio --plan-version 1 --effective period_end --rate 5 --yes",
        "tenants list",
        "summary",
        "tenants account acme",
        "tenants account acme --month 2027-01",
        "tenants dunning-policy show acme",
        "tenants dunning-policy set acme --payment-terms-days 3 --past-due-after-days 1 --suspended-after-days 2 \
         --cancelled-after-days 3 --archived-after-days 4",
        "tenants set acme --name Acme --email billing@acme.example --tax-rate-basis-points 1900 --deployment-quota 20",
        "tenants set acme --clear email --if-match 2",
        "tenants show acme",
        "tenants hold globex --reason abuse --notes spam",
        "tenants set globex --unsubscribed-after-days 30",
        "tenants show globex",
        "tenants release globex --if-match 2",
        "operations start due-date --days 7 --state past_due --reason outage --dry-run",
        "operations start due-date --due-at 1d --tenant-id acme --state trial --yes",
        "operations start discount partner --tenant-id acme --state trial --rate 50 --yes",
        "operations start copy-tenant-rules --tenant-id acme --yes",
        "tenants events acme --oldest-first --after 1",
        "lifecycle",
    ] {
        assert_ne!(shell.run(line).ok(), "", "{line} says something");
    }
    shell.run("deployments extend-trial shop 45d").refused(3, &["(no_trial, 409)"]);
    shell.run("deployments extend-trial new 45d").ok();
    let shown = shell.run("deployments show shop --json").json();
    let addon = id_of(&shown["subscription"]["addons"][1]);
    shell.run(&format!("deployments detach-addon {id} {addon}")).ok();
    let resource =
        shell.run("deployments create-resource shop --kind database --provider-reference db-1 --json").json();
    shell.run(&format!("deployments delete-resource shop {}", id_of(&resource["resource"]))).ok();
    let invoices = shell.run("invoices list shop --json").json();
    let invoice = &invoices["invoices"][0];
    let number = invoice["number"].as_str().unwrap();
    shell.run(&format!("invoices show shop {number}")).ok();
    let cents = invoice["due_cents"].as_i64().unwrap();
    let dollars = format!("{}.{:02}", cents / 100, cents % 100);
    let pay = format!("invoices pay {id} {number} --reference p-1 --amount {dollars}USD --as payment-provider");
    assert!(shell.run(&pay).ok().contains("is paid"), "the id itself, since a provider cannot list");
    shell.run("invoices pay shop --reference p-2").refused(2, &["has no open invoice"]);
    shell.run(&format!("invoices void shop {number}")).refused(2, &["cannot be undone: confirm with --yes"]);
    shell.run(&format!("invoices void shop {number} --yes")).refused(3, &["(invoice_has_payments, 409)"]);

    for line in [
        format!("invoices reverse shop {number} p-1 --kind mistake --yes"),
        format!("invoices write-off shop {number} --reason goodwill"),
        format!("invoices withdraw-write-off shop {number}"),
        format!("invoices postpone shop {number} --due-at 60d"),
        format!("invoices credit shop {number} --reason wrong"),
        "deployments credit shop --amount 5USD --reason outage".to_owned(),
        "deployments charge shop --amount 50USD --description Migration --dry-run".to_owned(),
        "deployments charge shop --amount 50USD --description Migration".to_owned(),
        "operations start credit --amount 5USD --deployment shop --reason outage --dry-run".to_owned(),
    ] {
        assert_ne!(shell.run(&line).ok(), "", "{line} says something");
    }
    // The other open invoices have used the credit.
    let refund = shell.run("deployments refund shop --amount 1USD --reference r-1");
    assert!(matches!(refund.code, Some(0 | 3)), "{refund:?}");

    let nobody = "operations start update --billing-action-suspended true --tenant-id nobody";
    shell.run(&format!("{nobody} --yes")).refused(2, &["no deployment matches: nothing was started"]);
    assert!(shell.run(&format!("{nobody} --dry-run")).ok().contains("given to 0 deployments."));
    let start = "operations start update --billing-action-suspended true --deployment shop --deployment new";
    shell.run(start).refused(2, &["cannot be undone: confirm with --yes"]);
    let started = shell.run(&format!("{start} --yes --json")).json();
    let operation = id_of(&started["operation"]);
    assert!(
        shell.run(&format!("operations show {operation}")).ok().contains("billing_action_suspended true for ids 2")
    );
    // The program looks for work every few seconds.
    let watched = shell.run(&format!("operations watch {operation}"));
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert!(watched.out.contains("completed") && watched.out.contains("2 done"), "{watched:?}");
    assert!(watched.err.contains("2 of about 2: completed, 2 done"), "{watched:?}");
    assert!(shell.run(&format!("operations results {operation} --outcome done")).ok().contains("acme/shop"));
    assert_eq!(shell.run(&format!("operations results {operation} --csv")).ok().lines().count(), 3);
    shell.run(&format!("operations stop {operation}")).ok();

    let (code, _, logged) = shell.running.end("-TERM").await;
    assert_eq!(code, Some(0));
    let lines = logged.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let asked: BTreeSet<String> = lines.filter_map(|line| line["route"].as_str().map(str::to_owned)).collect();
    let routes: BTreeSet<String> = ROUTES.iter().map(|route| route.handler.to_owned()).collect();
    assert_eq!(asked, routes);
}

#[tokio::test]
async fn every_kind_of_failure_has_its_exit_code_and_its_words() {
    let shell = Shell::start(&[]).await;
    shell.open_shop();
    shell.run("deployments transition shop archived").refused(2, &["shop will be archived", "confirm with --yes"]);
    shell.run("deployments transition shop archived --yes").refused(
        3,
        &[
            "(invalid_transition, 422)",
            "from: active",
            "to: archived",
            "allowed transitions: paused, past_due, cancelled",
        ],
    );
    shell
        .run("deployments transition shop paused --if-match 1")
        .refused(3, &["(precondition_failed, 412)", "current version: "]);
    shell.run("deployments create --tenant-id acme --slug shop").refused(3, &["(slug_taken, 409)"]);
    shell
        .run("deployments create --tenant-id acme --slug UP --region X")
        .refused(3, &["(validation_failed, 422)", "\n  /slug ", "\n  /region "]);
    shell.run("deployments show nobody").refused(4, &["no deployment is called nobody"]);
    shell.run("deployments show 0190b6e0-0000-7000-8000-000000000000").refused(4, &["(not_found, 404)"]);
    shell.run("plans show .. --json").refused(2, &["\"code\":\"invalid_code\""]);
    shell.run("plans put mine --name Mine --tenant acme").refused(5, &["(admin_required, 403)"]);
    shell.run("lifecycle --token no.such.token").refused(5, &["(unauthenticated, 401)"]);
    shell.run("deployments show shop --tenant other").refused(4, &["no deployment is called shop"]);
    for misuse in [
        "deployments transition shop gone",
        "deployments list --dry-run",
        "deployments list --dry-run",
        "deployments list --all --limit 3",
        "deployments list --limit 0",
        "deployments show",
        "deployments update shop --llm-mode managed --clear llm_mode",
        "deployments transition shop paused --if-match now",
        "lifecycle --as admin --tenant acme",
        "plans publish studio --price 9.999USD --interval month",
        "plans publish studio --price 9USD --interval month --replaces 1",
        "plans publish studio --price-cents 999 --interval month",
        "plans publish studio --price 9USD --currency USD --interval month",
        "invoices list --overdue --status paid",
        "invoices list --csv --json",
        "schedule --before tomorrow",
        "schedule --before 9999999d",
        "deployments transition shop paused --resume-at 7w",
    ] {
        let said = shell.run(misuse);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{misuse}: {said:?}");
    }

    let nowhere = format!("http://127.0.0.1:{}", dynamodb::free_port());
    let data = shell.data.path();
    let said: Said = run(&["plans", "list", "--url", &nowhere, "--data", data]).into();
    said.refused(1, &[&nowhere, "does not answer"]);
    let said: Said = run(&["deployments", "create", "--slug", "x", "--url", &nowhere, "--token", "any"]).into();
    said.refused(1, &["repeat it with --idempotency-key "]);
    let said: Said = run(&["plans", "list", "--data", "/nowhere"]).into();
    said.refused(2, &["there is no issuer in /nowhere"]);
    let said: Said = run(&["plans", "list", "--url", "https://api.example.com", "--data", data]).into();
    said.refused(2, &["requires a token"]);
    let said: Said = run(&["plans", "list", "--url", "https://127.0.0.1:1", "--data", data]).into();
    said.refused(2, &["requires a token"]);
    let said: Said =
        run(&["plans", "list", "--url", "https://api.example.com", "--as", "admin", "--data", data]).into();
    said.refused(2, &["work only with an API on this machine"]);
}

#[tokio::test]
async fn deployments_go_by_their_id_their_slug_or_tenant_and_slug() {
    let shell = Shell::start(&[]).await;
    let id = shell.open_shop();
    shell.run("deployments create --slug shop --tenant globex").ok();
    shell.run("deployments show shop").refused(2, &["acme/shop", "globex/shop", "name the tenant"]);
    for name in [id.as_str(), "acme/shop"] {
        assert_eq!(id_of(&shell.run(&format!("deployments show {name} --json")).json()["deployment"]), id);
    }
    assert_eq!(id_of(&shell.run("deployments show shop --json --tenant acme").json()["deployment"]), id);
    shell.run("deployments show globex/shop --tenant acme").refused(5, &["403"]);
}

#[tokio::test]
async fn the_same_key_is_carried_out_once_and_a_version_is_insisted_on() {
    let shell = Shell::start(&[]).await;
    shell.open_shop();
    let line = "deployments attach-addon shop storage_50gb --idempotency-key once --json";
    let first = shell.run(line).json();
    assert_eq!(shell.run(line).json(), first);
    let shown = shell.run("deployments show shop --json").json();
    assert_eq!(shown["subscription"]["addons"].as_array().map(Vec::len), Some(2));
    let version = &shown["deployment"]["version"];
    let pause = format!("deployments transition shop paused --if-match {version}");
    shell.run(&pause).ok();
    shell.run(&pause).refused(3, &["412"]);
}

/// A service that is short of capacity for a while, and the idempotency keys that it received.
async fn busy(refusals: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&keys);
    let router = Router::new().fallback(move |headers: HeaderMap| {
        let asked = Arc::clone(&asked);
        async move {
            let mut asked = asked.lock().unwrap();
            asked.push(headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned()).unwrap_or_default());
            if asked.len() <= refusals {
                let problem = json!({"code": "unavailable", "detail": "Later."}).to_string();
                return (axum::http::StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], problem).into_response();
            }
            json!({"deployment": {}}).to_string().into_response()
        }
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_short_of_capacity_is_asked_again_under_the_same_key() {
    let ask = |url: &str, line: &str| {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let url = url.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            all.extend(["--token", "any", "--url", &url]);
            Said::from(run(&all))
        })
    };
    let (url, keys) = busy(2).await;
    ask(&url, "deployments create --slug shop --json").await.unwrap().ok();
    let asked = keys.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    assert!(!asked[0].is_empty() && asked.iter().all(|key| *key == asked[0]), "{asked:?}");

    let (url, keys) = busy(usize::MAX).await;
    let said = ask(&url, "deployments create --slug shop --json").await.unwrap();
    said.refused(6, &["\"code\":\"unavailable\"", "\"repeat_with\":\"--idempotency-key "]);
    assert_eq!(keys.lock().unwrap().len(), 4);
    // It may have been carried out: the key is told before the first wait and at the end, with the time that was meant.
    let key = "--idempotency-key 1, and with trial_ends_at 2027-02-14T00:00:00Z";
    let line = "deployments create --slug shop --trial-ends-at 2027-02-14 --idempotency-key 1";
    let said = ask(&url, line).await.unwrap();
    assert_eq!(said.err.matches(key).count(), 2, "{said:?}");
    said.refused(6, &["unavailable", "No success yet (503)", "It is unknown whether"]);
    assert_eq!(keys.lock().unwrap().len(), 8);
    // A request without a key may have been executed already.
    let id = "0190b6e0-0000-7000-8000-000000000000";
    ask(&url, &format!("deployments withdraw-cancellation {id}")).await.unwrap().refused(6, &[]);
    assert_eq!(keys.lock().unwrap().len(), 9);

    // A later release answers with what this one does not know: the command was carried out all the same.
    let (url, _) = busy(0).await;
    let said = ask(&url, "deployments create --slug shop").await.unwrap();
    assert_eq!((said.code, said.out.as_str()), (Some(0), "{\"deployment\":{}}\n"), "{said:?}");
    assert!(said.err.contains("was carried out"), "{said:?}");
    ask(&url, "lifecycle").await.unwrap().refused(1, &["unexpected response"]);
}

#[tokio::test]
async fn people_get_text_scripts_get_json_and_only_terminals_get_colours() {
    let shell = Shell::start(&[]).await;
    let id = shell.open_shop();
    let token = token(&shell.data, &["--role", "platform_admin"]);
    let path = format!("/deployments/{id}");
    let body = shell.running.http.get(&path, &token).await;
    assert_eq!(
        shell.run(&format!("deployments show {id} --json")).ok().trim_end(),
        body.text,
        "--json prints the answer unchanged"
    );

    let listed = shell.run("deployments list").ok();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].starts_with("DEPLOYMENT  STATE "), "{listed}");
    assert!(lines[1].starts_with("acme/shop   active "), "{listed}");
    assert_eq!(lines[0].find("PLAN"), lines[1].find("studio"), "columns are aligned: {listed}");

    let shown = shell.run("deployments show shop").ok();
    for word in
        ["acme/shop  active", "[active]", "you may", "mark past due on ", "studio v1", "+ storage_50gb", "created"]
    {
        assert!(shown.contains(word), "{word}:\n{shown}");
    }
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(!shown.contains('\u{1b}') && !listed.contains('\u{1b}'));
    let coloured = |name: &str, value: &str, also: &str| {
        let mut command = shell.command("deployments list");
        let said: Said = command.env(name, value).env(also, "1").output().unwrap().into();
        said.ok().contains('\u{1b}')
    };
    assert!(coloured("CLICOLOR_FORCE", "1", "UNUSED"), "colours are on when forced");
    assert!(!coloured("CLICOLOR_FORCE", "1", "NO_COLOR"));
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Said::from(run(&["completions", shell])).ok();
        for word in ["withdraw-plan-change", "dunning-policy", "idempotency-key", "past_due"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(Said::from(run(&["completions", "cmd"])).code, Some(2));
}

/// The reference of the program's commands, a chapter for each.
fn reference() -> String {
    fn chapters(text: &mut String, command: &mut arcadia_cli::Program, path: &str, level: usize) {
        // The options that all commands of a group take are described with the group.
        let is_leaf = !command.has_subcommands();
        let mut told = command.clone().bin_name(path);
        if is_leaf {
            told = told.mut_args(|argument| if argument.is_global_set() { argument.hide(true) } else { argument });
        }
        let help = told.render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        writeln!(text, "\n{} `{path}`\n\n```text\n{}\n```", "#".repeat(level), help.join("\n").trim_end()).unwrap();
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names.iter().filter(|name| *name != "help") {
            let sub = command.find_subcommand_mut(name).unwrap();
            chapters(text, sub, &format!("{path} {name}"), (level + 1).min(4));
        }
    }
    let mut text = String::from(
        "# The command line\n\nWhat `arcadia --help` and the help of every command say. In a checkout, `cargo run --` \
         stands for `arcadia`.\nThis file is generated: `UPDATE_DOCS=1 cargo test -p arcadia-tests cli` writes it anew.\n",
    );
    let mut command = arcadia_cli::command();
    command.build();
    chapters(&mut text, &mut command, "arcadia", 2);
    text
}

#[test]
fn the_documentation_is_what_the_program_says_of_itself() {
    let path = format!("{ROOT}/docs/cli.md");
    let text = reference();
    if environment("UPDATE_DOCS").is_some() {
        fs::write(&path, text).expect("docs/cli.md");
    } else {
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "docs/cli.md is out of date: run UPDATE_DOCS=1 cargo test -p arcadia-tests cli");
    }
}

/// Speaks TLS on a port of its own in front of an address, with a self-made certificate. Returns the port, and the
/// certificate as PEM.
async fn tls_in_front_of(address: String) -> (u16, String) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, address) = (acceptor.clone(), address.clone());
            // A client that does not trust the certificate closes the connection.
            tokio::spawn(async move {
                let mut outside = acceptor.accept(socket).await.ok()?;
                let mut inside = TcpStream::connect(address).await.ok()?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok()
            });
        }
    });
    (port, cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_behind_tls_is_asked_if_the_machine_trusts_it() {
    let shell = Shell::start(&[]).await;
    shell.open_shop();
    let (port, certificate) = tls_in_front_of(shell.running.http.base.replace("http://", "")).await;
    let trusted = format!("{}/authority.pem", shell.data.path());
    fs::write(&trusted, certificate).unwrap();
    let admin = token(&shell.data, &["--role", "platform_admin"]);
    let ask = |authority: Option<&str>| -> Said {
        let mut command = Command::new(program());
        command.args(["deployments", "show", "acme/shop", "--data", shell.data.path()]);
        command.args(["--url", &format!("https://127.0.0.1:{port}"), "--token", &admin]);
        command.env_remove("ARCADIA_TOKEN").env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        command.envs(authority.map(|file| ("SSL_CERT_FILE", file)));
        command.stdin(Stdio::null()).output().expect("the program").into()
    };
    assert!(ask(Some(&trusted)).ok().contains("acme/shop"));
    ask(None).refused(1, &[&format!("https://127.0.0.1:{port} does not answer"), "certificate"]);
}
