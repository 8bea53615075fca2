//! Arguments that address the program on this machine, with a token from its own issuer.

use std::path::PathBuf;

use arcadia_domain::{Authority, TenantId};
use clap::{Args, ValueEnum};

use super::place::DEFAULT_DATA;
use crate::client::{Caller, Client, Failure};

/// How to call an API on this machine.
#[derive(Debug, Args)]
pub struct OwnProgram {
    /// Role to call an API on this machine with, using a token from its local issuer; overrides --token
    #[arg(long = "as", value_enum, value_name = "ROLE", conflicts_with = "tenant", global = true)]
    role: Option<As>,
    /// Call an API on this machine as a user of this tenant
    #[arg(long, value_name = "ID", global = true)]
    tenant: Option<TenantId>,
    /// Directory with the key that signs tokens, for an API on this machine
    #[arg(long, env = "ARCADIA_DATA", default_value = DEFAULT_DATA, value_name = "DIR", global = true)]
    data: PathBuf,
}

/// A role of a local caller.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum As {
    /// An operator (default)
    Admin,
    /// A payment provider
    PaymentProvider,
    /// The service that runs deployments
    DataPlane,
}

impl OwnProgram {
    /// Opens a client of the program on this machine, if that is what the arguments ask for. `may_be_own`: the URL can
    /// be that program's; `has_token`: the caller brings a token.
    ///
    /// # Errors
    /// [`Failure`] if there is no such program to issue a token for, or the URL is not on this machine.
    pub fn open(&self, url: &str, may_be_own: bool, has_token: bool, json: bool) -> Result<Option<Client>, Failure> {
        let Self { role, tenant, data } = self;
        let asks = role.is_some() || tenant.is_some();
        match (may_be_own, asks) {
            (_, false) if has_token => Ok(None),
            (true, _) => Client::of_own_program(url, data, caller(*role, tenant.clone()), json).map(Some),
            (false, false) => Ok(None),
            (false, true) => {
                Err(Failure::Usage(format!("--as and --tenant work only with an API on this machine, not with {url}")))
            }
        }
    }
}

/// The caller for an API on this machine.
const fn caller(role: Option<As>, tenant: Option<TenantId>) -> Caller {
    let (role, sub) = match (role, &tenant) {
        (_, Some(_)) => (Authority::TenantUser, "local-user"),
        (Some(As::PaymentProvider), None) => (Authority::PaymentProvider, "local-payments"),
        (Some(As::DataPlane), None) => (Authority::DataPlane, "local-data-plane"),
        (Some(As::Admin) | None, None) => (Authority::PlatformAdmin, "local-admin"),
    };
    Caller { role, tenant, sub }
}
