//! The one binary behind every function: it serves the route that its handler name says.

use arcadia_functions::{find_route, respond};
use arcadia_shared::runtime::{App, handler_name, start_logging};
use lambda_http::{Error, Request, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logging();
    let name = handler_name()?;
    let route = find_route(&name).ok_or_else(|| format!("no route has the handler name {name}"))?;
    let app = App::from_env().await?;
    app.store.warm().await;
    lambda_http::run(service_fn(|request: Request| async {
        Ok::<_, std::convert::Infallible>(respond(&app, route, request).await)
    }))
    .await
}
