//! The function `Console`: reads its environment at the start and serves.

use std::convert::Infallible;

use arcadia_console::{Claims, Console, SignIn, answer};
use lambda_http::{Error, Request, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let console = &console()?;
    lambda_http::run(service_fn(|request: Request| async move { Ok::<_, Infallible>(answer(console, &request)) })).await
}

/// Builds the console from the stack's parameters. Without a client id there is no sign-in.
fn console() -> Result<Console, Error> {
    let claims = Claims { role: required("ROLE_CLAIM")?, tenant: required("TENANT_CLAIM")? };
    let Some(client_id) = optional("CONSOLE_CLIENT_ID") else { return Ok(Console::new(&claims)) };
    let sign_in = SignIn {
        issuer: required("TOKEN_ISSUER")?,
        client_id,
        scope: required("CONSOLE_SCOPE")?,
        token_origin: optional("CONSOLE_SIGN_IN_ORIGIN"),
    };
    Ok(Console::with_sign_in(&claims, &sign_in)?)
}

fn required(name: &str) -> Result<String, Error> {
    optional(name).ok_or_else(|| format!("the environment variable {name} is not set").into())
}

#[allow(clippy::disallowed_methods, reason = "the one place of this program that reads the environment")]
fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
