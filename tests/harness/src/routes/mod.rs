//! Every route, with all that the tests that try every route need to know about it. A route without a row does not
//! compile. To add a route to those tests, add its row to the area that it belongs to.
//!
//! # Layout
//! A file for each area has its rows. `ready` makes the records that a call needs, `call` makes the call.

mod call;
mod catalog;
mod deployments;
mod invoices;
mod lists;
mod operations;
mod ready;
mod subscriptions;
mod tenants;

use arcadia_functions::{Audience, ROUTES, Route};

pub use call::{MISSING, Target};
pub use deployments::present;
pub use ready::{Ready, bought, stock};

use super::floor::{Floor, OPERATION, Read, Write};

/// A route, or a further call of one.
#[derive(Debug)]
pub struct Row {
    pub handler: &'static str,
    /// For a further call, what is special about it: it is measured and published beside the ordinary one.
    pub special: Option<&'static str>,
    /// Repeated here, so that no oversight opens a route to other callers.
    pub audience: Audience,
    /// The records that a call needs.
    pub on: Ready,
    /// The query, if it is not the default: `{tenant_id}` stands for the tenant.
    query: Option<&'static str>,
    /// A body that the route accepts: `{tenant_id}` stands for the tenant, `{n}` for a number that makes the call
    /// unique, `"{due_cents}"` for the open amount of the invoice.
    body: Option<&'static str>,
    /// The content of its cursors, if it is a list.
    pub list: Option<Position>,
    reads: fn(&Target) -> Vec<Read>,
    writes: &'static [Write],
    /// For a command on a deployment: its outcome while a scheduled step is due.
    pub late: Option<Late>,
}

/// What a call names that could belong to another tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Nothing, or something that every caller shares.
    Nothing,
    TenantInPath,
    TenantInBody,
    TenantInQuery,
    /// A deployment.
    Deployment,
    /// A deployment and a resource, an add-on or an invoice of it.
    Part,
}

/// The content of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Id,
    Sequence,
    InvoiceNumber,
    Code,
    /// A moment and an id.
    Due,
    /// A moment, an id and a reason.
    Attention,
    /// A moment, a record of the catalog and a revision.
    Catalog,
    /// A moment and an invoice's number.
    Issued,
    Tenant,
}

/// A command on a deployment whose scheduled step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    pub due: Due,
    /// The command's own events after those of the step, or the status of its refusal.
    pub outcome: Result<&'static [&'static str], u16>,
}

/// A scheduled step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Renewal,
    Overdue,
    TrialEnd,
    PlanChange,
    Cancellation,
}

/// The areas, in the order in which `docs/costs.md` lists them. Lists of everything come first, while nothing else is
/// there, and changes of the catalog last.
static AREAS: [&[Row]; 7] = [
    lists::ROWS,
    deployments::ROWS,
    subscriptions::ROWS,
    invoices::ROWS,
    tenants::ROWS,
    catalog::ROWS,
    operations::ROWS,
];

/// A row for each route.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    calls().filter(|row| row.special.is_none())
}

/// The rows and the further calls, each after its row.
pub fn calls() -> impl Iterator<Item = &'static Row> {
    AREAS.iter().flat_map(|area| area.iter())
}

/// The row of a route.
pub fn find_row(handler: &str) -> &'static Row {
    rows().find(|row| row.handler == handler).unwrap_or_else(|| panic!("no route is called {handler}"))
}

/// Stops the build with the name of the first route that does not have exactly one row.
const _: () = {
    let mut route = 0;
    while route < ROUTES.len() {
        if count(ROUTES[route].handler) != 1 {
            panic!("{}", ROUTES[route].handler);
        }
        route += 1;
    }
};

const fn count(handler: &str) -> usize {
    let (mut area, mut found) = (0, 0);
    while area < AREAS.len() {
        let mut row = 0;
        while row < AREAS[area].len() {
            if AREAS[area][row].special.is_none() && same(AREAS[area][row].handler, handler) {
                found += 1;
            }
            row += 1;
        }
        area += 1;
    }
    found
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut n = 0;
    while n < a.len() && n < b.len() && a[n] == b[n] {
        n += 1;
    }
    n == a.len() && n == b.len()
}

/// A route whose call needs no records, reads nothing and writes nothing.
const fn row(handler: &'static str, audience: Audience) -> Row {
    Row {
        handler,
        special: None,
        audience,
        on: Ready::Nothing,
        query: None,
        body: None,
        list: None,
        reads: |_| Vec::new(),
        writes: &[],
        late: None,
    }
}

/// A further call of a route, by the platform.
const fn further(handler: &'static str, special: &'static str) -> Row {
    Row { special: Some(special), ..row(handler, Audience::Admins) }
}

impl Row {
    const fn on(self, on: Ready) -> Self {
        Self { on, ..self }
    }

    const fn query(self, query: &'static str) -> Self {
        Self { query: Some(query), ..self }
    }

    const fn body(self, body: &'static str) -> Self {
        Self { body: Some(body), ..self }
    }

    const fn list(self, position: Position) -> Self {
        Self { list: Some(position), ..self }
    }

    const fn reads(self, reads: fn(&Target) -> Vec<Read>) -> Self {
        Self { reads, ..self }
    }

    const fn writes(self, writes: &'static [Write]) -> Self {
        Self { writes, ..self }
    }

    /// The command's own events, after those of the step.
    const fn late(self, due: Due, events: &'static [&'static str]) -> Self {
        Self { late: Some(Late { due, outcome: Ok(events) }), ..self }
    }

    const fn refused_late(self, due: Due, status: u16) -> Self {
        Self { late: Some(Late { due, outcome: Err(status) }), ..self }
    }

    pub fn route(&self) -> &'static Route {
        arcadia_functions::find_route(self.handler).unwrap_or_else(|| panic!("no route is called {}", self.handler))
    }

    /// The handler's name, and after a comma what is special about the call.
    pub fn name(&self) -> String {
        self.special.map_or_else(|| self.handler.to_owned(), |special| format!("{}, {special}", self.handler))
    }

    pub fn names(&self) -> Names {
        let Route { path, parameters, .. } = self.route();
        let has = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
        if has(&["{resource_id}", "{addon_id}", "{number}"]) {
            Names::Part
        } else if has(&["{id}"]) {
            Names::Deployment
        } else if has(&["{tenant_id}"]) {
            Names::TenantInPath
        } else if parameters.contains(&"tenant_id") {
            Names::TenantInQuery
        } else if self.body_for(&Target::of("")).is_some_and(|body| body.get("tenant_id").is_some()) {
            Names::TenantInBody
        } else {
            Names::Nothing
        }
    }

    /// Whether the call is a command on a deployment, which takes the due steps first.
    pub fn is_deployment_command(&self) -> bool {
        self.route().path.contains("{id}") && self.route().method != "GET"
    }

    /// Whether the call starts an operation on many deployments.
    pub fn starts_operation(&self) -> bool {
        self.writes.contains(&OPERATION)
    }

    /// The reads and writes that the call cannot do without.
    pub fn floor(&self, target: &Target) -> Floor {
        Floor { name: self.name(), reads: (self.reads)(target), writes: self.writes.to_vec() }
    }
}

#[test]
fn each_row_says_what_its_route_is() {
    for row in calls() {
        let (route, name) = (row.route(), row.name());
        let is_ordinary = row.special.is_none();
        assert!(!is_ordinary || row.audience == route.audience, "{name}");
        assert_eq!(row.list.is_some(), is_ordinary && route.parameters.contains(&"cursor"), "{name}");
        assert_eq!(row.late.is_some(), is_ordinary && row.is_deployment_command(), "{name}");
        assert!(route.method != "GET" || row.writes.is_empty(), "{name}");
    }
}
