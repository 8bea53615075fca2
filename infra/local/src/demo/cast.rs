//! Generates the tenants of a history, their names, and the creation times of their deployments.

use std::collections::HashMap;
use std::sync::Arc;

use arcadia_domain::{DisplayName, DunningPolicy, EmailAddress, InvalidValue, ShortCode, Slug, TenantId, Timestamp};
use chrono::TimeDelta;
use fastrand::Rng;

/// Length of a history, in days.
pub const DAYS: i64 = 730;

/// The tenant of the tokens of `arcadia up`. Every history contains it.
const FIRST_TENANT: &str = "acme";
const NAMES: &[&str] = &[
    "alder", "amber", "atlas", "beacon", "birch", "bluebird", "bright", "cedar", "cobalt", "copper", "coral", "delta",
    "ember", "falcon", "fern", "granite", "harbor", "hazel", "heron", "indigo", "juniper", "kestrel", "lantern",
    "larch", "lumen", "maple", "meridian", "nimbus", "north", "oak", "onyx", "orchid", "otter", "pebble", "pine",
    "quartz", "raven", "river", "rowan", "saffron", "sierra", "sparrow", "summit", "thistle", "topaz", "umber",
    "violet", "willow",
];
const TRADES: &[&str] = &[
    "analytics",
    "bakery",
    "books",
    "clinic",
    "coffee",
    "design",
    "energy",
    "foods",
    "games",
    "health",
    "interiors",
    "labs",
    "legal",
    "logistics",
    "media",
    "motors",
    "outdoors",
    "partners",
    "press",
    "robotics",
    "school",
    "studios",
    "travel",
    "works",
];
const APPS: &[&str] = &[
    "academy",
    "assistant",
    "blog",
    "booking",
    "careers",
    "chat",
    "crm",
    "docs",
    "helpdesk",
    "intranet",
    "portal",
    "reports",
    "search",
    "shop",
    "staging",
    "support",
    "wiki",
];
const PEOPLE: &[&str] =
    &["ana", "bo", "carla", "deniz", "eli", "fatima", "goran", "hana", "ines", "jonas", "kofi", "mia"];
const REGIONS: &[&str] = &["eu-central-1", "eu-central-1", "eu-west-1", "us-east-1", "us-east-1", "us-west-2"];

/// A tenant.
#[derive(Debug)]
pub struct Tenant {
    pub id: TenantId,
    /// Name of the customer.
    pub name: DisplayName,
    /// Where its invoices are sent.
    pub email: EmailAddress,
    /// Its user.
    pub user: String,
    pub region: ShortCode,
    pub pays_in_euro: bool,
    /// Its own dunning policy, if any.
    pub policy: Option<DunningPolicy>,
    /// When it became a customer.
    pub since: Timestamp,
}

/// A deployment to be created.
#[derive(Debug)]
pub struct Part {
    pub tenant: Arc<Tenant>,
    pub slug: Slug,
    pub born_at: Timestamp,
    /// Whether it is its tenant's first deployment, which starts with a trial: a tenant has one trial of each plan.
    pub is_first: bool,
    /// Its own random generator, independent of other deployments.
    pub rng: Rng,
}

/// Generates `deployments` of `tenants`, oldest first. The number of deployments grows with the cube of time.
pub fn cast(
    seed: u64,
    deployments: usize,
    tenants: usize,
    until: Timestamp,
) -> Result<(Vec<Arc<Tenant>>, Vec<Part>), InvalidValue> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let mut rng = Rng::with_seed(seed);
    let start = until - TimeDelta::days(DAYS);
    let moment = |rng: &mut Rng| (0..3).map(|_| rng.i64(0..DAYS * DAY_MS)).max().unwrap_or_default();
    let mut moments: Vec<i64> = (0..deployments).map(|_| moment(&mut rng)).collect();
    moments.sort_unstable();
    let mut slugs = HashMap::<(TenantId, &str), usize>::new();
    let (mut known, mut parts) = (Vec::<Arc<Tenant>>::new(), Vec::with_capacity(deployments));
    for (n, offset_ms) in moments.into_iter().enumerate() {
        let born_at = start + TimeDelta::milliseconds(offset_ms);
        // New tenants are spread evenly over all deployments.
        if known.len() * deployments < tenants * (n + 1) {
            let tenant = Arc::new(tenant(&mut rng, known.len(), born_at)?);
            known.push(Arc::clone(&tenant));
        }
        // Earlier tenants get more deployments.
        let index = rng.usize(0..known.len()).min(rng.usize(0..known.len()));
        let newest = known.len() - 1;
        let fresh = known[newest].since == born_at;
        let tenant = &known[if fresh { newest } else { index }];
        let app = pick(&mut rng, APPS);
        let count = slugs.entry((tenant.id.clone(), app)).or_default();
        *count += 1;
        let slug = if *count == 1 { app.to_owned() } else { format!("{app}-{count}") };
        parts.push(Part { tenant: Arc::clone(tenant), slug: slug.parse()?, born_at, is_first: fresh, rng: rng.fork() });
    }
    Ok((known, parts))
}

fn tenant(rng: &mut Rng, n: usize, since: Timestamp) -> Result<Tenant, InvalidValue> {
    // Visits all pairs of words in an order that looks random: 397 and the number of pairs are coprime.
    let pairs = NAMES.len() * TRADES.len();
    let pair = (n * 397) % pairs;
    let mut name = format!("{}-{}", NAMES[pair % NAMES.len()], TRADES[pair / NAMES.len()]);
    if n >= pairs {
        name = format!("{name}-{}", n / pairs + 1);
    }
    if n == 0 {
        FIRST_TENANT.clone_into(&mut name);
    }
    // Some tenants have longer terms, and some have shorter ones.
    let policy = match rng.u8(0..20) {
        0..=1 => Some(DunningPolicy {
            payment_terms_days: 30,
            past_due_after_days: 7,
            suspended_after_days: 30,
            cancelled_after_days: 60,
            ..DunningPolicy::default()
        }),
        2 => Some(DunningPolicy {
            payment_terms_days: 3,
            suspended_after_days: 7,
            cancelled_after_days: 21,
            ..DunningPolicy::default()
        }),
        _ => None,
    };
    Ok(Tenant {
        name: title(&name).parse()?,
        email: format!("billing@{name}.example").parse()?,
        user: format!("{}@{name}", pick(rng, PEOPLE)),
        id: name.parse()?,
        region: pick(rng, REGIONS).parse()?,
        pays_in_euro: n > 0 && rng.u8(0..4) == 0,
        policy,
        since,
    })
}

/// The words of a tenant's id, each with a capital: `Alder Analytics`.
fn title(id: &str) -> String {
    let words =
        id.split('-').map(|word| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default());
    words.collect::<Vec<_>>().join(" ")
}

/// Chooses one of `choices`, which must not be empty.
pub fn pick<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(0..choices.len())]
}
