//! The kinds of stored items: samples of each from the present writer, and its reader.

use arcadia_domain::{
    Action, Aggregate, Amount, BalanceMovement, Change, Command, Credit, Deployment, DeploymentId, DunningPolicy,
    Event, Invoice, InvoiceRow, InvoiceStatus, Line, MAX_ADDONS, MAX_CHARGES_WITH_ONE_OFFS, MAX_CREDITS,
    MAX_PRICE_CENTS, MAX_SETTLING_PAYMENTS, MAX_WRITE_OFFS, OpenInvoice, Operation, OperationCommand, OperationResult,
    PausedBy, Payment, Resource, Subscription, SubscriptionAddon, SubscriptionSummary, Tenant, TenantEvent,
    TenantRules, Timestamp, UnsubscribedTime, create, decide,
};
use arcadia_store::item::{self, Item};
use arcadia_store::items::{self, DeploymentItem, SlugClaimItem};
use arcadia_store::keys::DEFAULT_DUE_SHARDS;
use arcadia_store::{CommitId, IdempotencyRecord, Store, StoreError, error_chain};
use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::de::value::Error as NoValue;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Value, json};
use uuid::Uuid;

use super::sample::{item_of, json_of, records, values};
use crate::harness::billing::{admin, new_deployment, new_subscription};
use crate::harness::table;

/// A kind of stored items.
pub struct Kind {
    /// The `type` of the items, and the name of their file.
    pub name: &'static str,
    /// Samples, with every field present in one and absent in another.
    pub samples: fn() -> Vec<Item>,
    /// Reads an item and writes it again.
    pub again: fn(Item) -> Result<Item, StoreError>,
}

/// Every kind whose items are written whole. The other kinds are in [`super::sums`].
pub const KINDS: [Kind; 22] = [
    Kind { name: "account", samples: accounts, again: account_again },
    Kind {
        name: "addon",
        samples: || written(items::from_addon),
        again: |item| items::from_addon(&items::to_addon(item)?),
    },
    Kind {
        name: "balance_movement",
        samples: || written(|movement: &BalanceMovement| items::from_movement(&deployment(), 7, movement)),
        again: |item| items::from_movement(&deployment(), 7, &items::to_movement(item)?),
    },
    Kind {
        name: "catalog_event",
        samples: || written(items::from_catalog_event),
        again: |item| items::from_catalog_event(&items::to_catalog_event(item)?),
    },
    Kind {
        name: "coupon",
        samples: || written(items::from_coupon),
        again: |item| items::from_coupon(&items::to_coupon(item)?),
    },
    Kind { name: "deployment", samples: deployments, again: deployment_again },
    Kind {
        name: "dunning_policy",
        samples: || written(|policy: &DunningPolicy| items::from_dunning_policy(&deployment().tenant_id, policy, 2)),
        again: |item| {
            let part = items::to_dunning_policy(item)?;
            items::from_dunning_policy(&deployment().tenant_id, &part.record, part.version)
        },
    },
    Kind {
        name: "event",
        samples: || written(|event: &Event| items::from_event(&deployment(), event)),
        again: |item| {
            let record = items::to_event_record(item)?;
            let of = Deployment { id: record.deployment_id, tenant_id: record.tenant_id, ..deployment() };
            items::from_event(&of, &record.event)
        },
    },
    Kind {
        name: "idempotency",
        samples: || [true, false].map(|full| idempotency_item(&answer(full))).into(),
        again: |item| Ok(idempotency_item(&IdempotencyRecord::from_item(item)?)),
    },
    Kind {
        name: "invoice",
        samples: || invoices().iter().map(|row| expect(items::from_invoice(row, DEFAULT_DUE_SHARDS))).collect(),
        again: |item| items::from_invoice(&items::to_invoice(item)?, DEFAULT_DUE_SHARDS),
    },
    Kind { name: "operation", samples: operations, again: |item| items::from_operation(&items::to_operation(item)?) },
    Kind {
        name: "operation_ids",
        samples: || vec![expect(items::from_operation_ids(a_record(), &[a_record()]))],
        again: |item| items::from_operation_ids(a_record(), &items::to_operation_ids(item)?),
    },
    Kind {
        name: "operation_result",
        samples: || written(|result: &OperationResult| items::from_operation_result(a_record(), result)),
        again: |item| items::from_operation_result(a_record(), &items::to_operation_result(item)?),
    },
    Kind {
        name: "payment",
        samples: || written(|payment: &Payment| items::from_payment(deployment().id, &a_record(), payment)),
        // Only its existence is read.
        again: Ok,
    },
    Kind {
        name: "plan",
        samples: || written(items::from_plan),
        again: |item| items::from_plan(&items::to_plan(item)?),
    },
    Kind {
        name: "plan_version",
        samples: || written(items::from_plan_version),
        again: |item| items::from_plan_version(&items::to_plan_version(item)?),
    },
    Kind {
        name: "resource",
        samples: || written(|resource: &Resource| items::from_resource(resource)),
        again: |item| items::from_resource(&items::to_resource(item)?),
    },
    Kind {
        name: "slug_claim",
        samples: || vec![expect(item::to_item(&items::slug_claim(&deployment())))],
        again: |item| item::to_item(&item::from_item::<SlugClaimItem>(item)?),
    },
    Kind {
        name: "subscription",
        samples: || written(|record: &Subscription| items::from_subscription(deployment().id, record, 2)),
        again: |item| {
            let part = items::to_subscription(item)?;
            items::from_subscription(deployment().id, &part.record, part.version)
        },
    },
    Kind {
        name: "subscription_addon",
        samples: || written(|addon: &SubscriptionAddon| items::from_subscription_addon(deployment().id, addon, 2)),
        again: |item| {
            let part = items::to_subscription_addon(item)?;
            items::from_subscription_addon(deployment().id, &part.record, part.version)
        },
    },
    Kind {
        name: "tenant_event",
        samples: || written(|event: &TenantEvent| items::from_tenant_event(&deployment().tenant_id, event)),
        again: |item| items::from_tenant_event(&deployment().tenant_id, &items::to_tenant_event(item)?),
    },
    Kind {
        name: "trial_claim",
        samples: || vec![expect(items::trial_claim(&deployment(), &a_record()))],
        again: |item| {
            let of = Deployment { id: items::to_trial_claim(item)?, ..deployment() };
            items::trial_claim(&of, &a_record())
        },
    },
];

/// The types of the records that are stored unchanged, from the store's own error about an unknown type.
pub fn record_types() -> Vec<String> {
    let unknown = items::to_plan(item_of(&json!({"PK": "?", "SK": "?", "type": "?", "record": {}})));
    let error = error_chain(&unknown.expect_err("there is no such type"));
    let (_, names) = error.split_once("expected one of ").expect("the list of known types");
    names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

fn expect<T>(written: Result<T, StoreError>) -> T {
    written.unwrap_or_else(|error| panic!("{}", error_chain(&error)))
}

fn written<T: JsonSchema + DeserializeOwned>(write: impl Fn(&T) -> Result<Item, StoreError>) -> Vec<Item> {
    records().iter().map(|record| expect(write(record))).collect()
}

/// Accounts with the fields of a tenant, and one from a tenant's first deployment.
fn accounts() -> Vec<Item> {
    let tenant_id = deployment().tenant_id;
    let opened = json!({
        "PK": "TENANT#acme", "SK": "#ACCOUNT", "GSI1PK": "TENANTS#002", "GSI1SK": "acme", "type": "account",
    });
    let mut accounts = written(|tenant: &Tenant| items::from_tenant(&tenant_id, tenant));
    accounts.push(expect(items::from_tenant(&tenant_id, &Tenant::default())));
    accounts.push(item_of(&opened));
    accounts
}

fn account_again(item: Item) -> Result<Item, StoreError> {
    let tenant = items::to_tenant(item.clone())?;
    if item.contains_key("record") { items::from_tenant(&deployment().tenant_id, &tenant) } else { Ok(item) }
}

/// Operations with each command.
fn operations() -> Vec<Item> {
    let commands = records::<OperationCommand>();
    let of = |operation: &Operation| {
        let with = |command: &OperationCommand| Operation { command: command.clone(), ..operation.clone() };
        commands.iter().map(with).map(|operation| expect(items::from_operation(&operation))).collect::<Vec<_>>()
    };
    records::<Operation>().iter().flat_map(of).collect()
}

/// A record of a type, such as a code or a number.
pub fn a_record<T: JsonSchema + DeserializeOwned>() -> T {
    records().swap_remove(0)
}

pub fn now() -> Timestamp {
    "2027-01-31T00:00:00Z".parse().expect("a time")
}

fn commit_id() -> CommitId {
    CommitId::new(a_record::<DeploymentId>().as_uuid())
}

/// A new deployment.
pub fn created() -> Change {
    create(new_deployment(a_record::<DeploymentId>().as_uuid(), 0), &admin(), now()).expect("a creation")
}

fn deployment() -> Deployment {
    created().after.deployment
}

/// A deployment with a subscription.
fn subscribed() -> Aggregate {
    let command = Command::Subscribe(new_subscription(Uuid::from_u128(7), "studio", now()));
    let decided = decide(&created().after, command, &admin(), Some(DunningPolicy::default()), now());
    decided.expect("a subscription").expect("a change").after
}

fn invoices() -> Vec<InvoiceRow> {
    let Deployment { tenant_id, slug, .. } = deployment();
    let mut invoices: Vec<Invoice> = records();
    // Only a paid invoice has no entry in the due index.
    invoices.push(Invoice { status: InvoiceStatus::Paid, ..a_record() });
    let row = |invoice| InvoiceRow { tenant_id: tenant_id.clone(), slug: slug.clone(), invoice };
    invoices.into_iter().map(row).collect()
}

/// The largest invoice: with every part, as often as the limits allow.
pub fn largest_invoice() -> Item {
    fn times<T: Clone>(list: &[T], count: usize) -> Vec<T> {
        list.iter().cycle().take(count).cloned().collect()
    }
    let InvoiceRow { tenant_id, slug, mut invoice } = invoices().swap_remove(0);
    let a_line = invoice.lines.first().expect("a line").clone();
    // Four bytes for each character, the most digits for amounts, and a different span for each line.
    let (amount_cents, at) = (MAX_PRICE_CENTS - 1, invoice.issued_at - TimeDelta::seconds(1));
    let charge = "1234567-123".parse().expect("a charge");
    let of_the_plan = Line { description: None, amount_cents, charge, from: at, to: at, ..a_line };
    let description = Some("\u{1f600}".repeat(200).parse().expect("a description"));
    let one_off = Line { description, ..of_the_plan.clone() };
    let one_offs = times(&[one_off], usize::try_from(MAX_CHARGES_WITH_ONE_OFFS).expect("a count"));
    // The plan, the add-ons, a discount of each, and the tax.
    invoice.lines = [one_offs, times(&[of_the_plan], 2 * (1 + MAX_ADDONS) + 1)].concat();
    let credit = invoice.credits.first().expect("a credit").clone();
    let (returned_cents, forgiven_cents) = (amount_cents, amount_cents);
    let credit = Credit { charge, amount_cents, returned_cents, forgiven_cents, ..credit };
    // The credits of the whole rest come last.
    invoice.credits = times(&[credit], MAX_CREDITS + invoice.lines.len());
    invoice.write_offs = times(&invoice.write_offs, MAX_WRITE_OFFS);
    let reference = "r".repeat(255).parse().expect("a reference");
    let payment = invoice.payments.first().expect("a payment").clone();
    let payment = Payment { reference, amount_cents, excess_cents: amount_cents, ..payment };
    invoice.payments = times(&[payment], MAX_SETTLING_PAYMENTS);
    expect(items::from_invoice(&InvoiceRow { tenant_id, slug, invoice }, DEFAULT_DUE_SHARDS))
}

fn answer(full: bool) -> IdempotencyRecord {
    IdempotencyRecord {
        id: "digest-of-caller-and-key".to_owned(),
        fingerprint: "digest-of-request".to_owned(),
        status: 201,
        body: "{}".to_owned(),
        version: full.then_some(1),
        location: full.then(|| "/api/v1/deployments/1".to_owned()),
        expires_at: now().timestamp(),
    }
}

fn idempotency_item(record: &IdempotencyRecord) -> Item {
    let store = Store::new(table::client("http://127.0.0.1:1"), "none");
    let write = expect(store.idempotency_write(record));
    write.put.expect("a put").item
}

/// A deployment with no optional attribute, and one with every attribute.
fn deployments() -> Vec<Item> {
    let stored =
        |aggregate: &Aggregate| expect(item::to_item(&DeploymentItem::new(aggregate, DEFAULT_DUE_SHARDS, commit_id())));
    let mut full = json_of(&stored(&subscribed()));
    full["subscription"] = values::<SubscriptionSummary>().swap_remove(0);
    let values = [
        vec![json!("studio"), json!(now()), json!(7), json!(true)],
        values::<Action>(),
        values::<Amount>(),
        values::<OpenInvoice>(),
        values::<PausedBy>(),
        values::<TenantRules>(),
        values::<UnsubscribedTime>(),
    ];
    let values = values.concat();
    let lists: Vec<Value> = values.iter().map(|value| json!([value])).collect();
    for name in attributes::<DeploymentItem>() {
        if !full[name].is_null() {
            continue;
        }
        let fits = [&values[..], &lists].concat().into_iter().find_map(|value| {
            let mut more = full.clone();
            more[name] = value;
            let again = item::from_item::<DeploymentItem>(item_of(&more)).and_then(|read| item::to_item(&read));
            again.ok().map(|item| json_of(&item)).filter(|again| again[name] == more[name])
        });
        full = fits.unwrap_or_else(|| panic!("no sample value fits the attribute {name} of a deployment: add one"));
    }
    vec![item_of(&full), stored(&created().after)]
}

fn deployment_again(item: Item) -> Result<Item, StoreError> {
    items::to_deployment(item.clone())?;
    item::to_item(&item::from_item::<DeploymentItem>(item)?)
}

/// The names of a stored form's attributes.
fn attributes<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Names(Vec::new());
    assert!(T::deserialize(&mut names).is_err(), "it has attributes");
    names.0
}

/// Collects the field names that a type asks for, and provides no values.
struct Names(Vec<&'static str>);

impl<'de> Deserializer<'de> for &mut Names {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
        Err(NoValue::custom("not an object"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NoValue> {
        self.0 = fields.to_vec();
        Err(NoValue::custom("an object without fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
