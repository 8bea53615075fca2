//! The binary of every function but the console's, which is `infra/console-server`. The handler name selects the route
//! that it serves or the scheduled work that it does.

use arcadia_functions::billing::{dispatch, sweep};
use arcadia_functions::events::count::count;
use arcadia_functions::events::publish::{self, Published};
use arcadia_functions::operations;
#[cfg(not(feature = "traces"))]
use arcadia_functions::respond;
use arcadia_functions::runtime::{self, App, handler_name, start_logging};
#[cfg(feature = "traces")]
use arcadia_functions::traces::{function, respond};
use arcadia_functions::{find_route, metric_lines};
use arcadia_store::error_chain;
use lambda_http::{Request, service_fn};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logging();
    let name = handler_name()?;
    metric_lines::start(runtime::metrics_namespace()?, metric_lines::Output::Stdout);
    let app = App::from_env()?;
    // It needs the table only if an event cannot be published.
    if name != "publish_events" {
        app.store.warm().await;
    }
    let app = &app;
    match name.as_str() {
        "billing_dispatch" => {
            let queue = &aws_sdk_sqs::Client::new(&runtime::function_config("SQS")?);
            let queue_url = &runtime::queue_url()?;
            let tick = |_: LambdaEvent<Value>| async move {
                dispatch::dispatch(app, queue, queue_url).await.map_err(|error| told(&error))
            };
            lambda_runtime::run(service_fn(tick)).await
        }
        "billing_sweep" => {
            let sweep = |event: LambdaEvent<Value>| async move {
                let time_left = runtime::time_left(event.context.deadline());
                let work = sweep::handle(app, &event.payload, time_left);
                #[cfg(feature = "traces")]
                let work = function(&event.context, "billing_sweep", work);
                work.await.map_err(|error| told(&error))
            };
            lambda_runtime::run(service_fn(sweep)).await
        }
        "operations_dispatch" => {
            let queue = &aws_sdk_sqs::Client::new(&runtime::function_config("SQS")?);
            let queue_url = &runtime::queue_url()?;
            let tick = |_: LambdaEvent<Value>| async move {
                operations::dispatch::dispatch(app, queue, queue_url).await.map_err(Error::from)
            };
            lambda_runtime::run(service_fn(tick)).await
        }
        "operations_run" => {
            let run = |event: LambdaEvent<Value>| async move {
                let time_left = runtime::time_left(event.context.deadline());
                let work = operations::run::handle(app, &event.payload, time_left);
                #[cfg(feature = "traces")]
                let work = function(&event.context, "operations_run", work);
                work.await.map_err(Error::from)
            };
            lambda_runtime::run(service_fn(run)).await
        }
        "publish_events" => lambda_runtime::run(service_fn(|event| publish_events(app, event))).await,
        "count_figures" => {
            let count = |event: LambdaEvent<Value>| async move {
                count(app, &event.payload).await.map_err(|error| told(&error))
            };
            lambda_runtime::run(service_fn(count)).await
        }
        _ => {
            let route = find_route(&name).ok_or_else(|| format!("no route has the handler name {name}"))?;
            let answer =
                |request: Request| async move { Ok::<_, std::convert::Infallible>(respond(app, route, request).await) };
            lambda_http::run(service_fn(answer)).await
        }
    }
}

/// The error that Lambda reports: the runtime prints an error without its causes.
fn told(error: &(dyn std::error::Error + 'static)) -> Error {
    error_chain(error).into()
}

async fn publish_events(app: &App, event: LambdaEvent<Value>) -> Result<Vec<Published>, Error> {
    metric_lines::measured(publish::handle(app, &event.payload)).await.map_err(|error| {
        // The pipe does not store the error with a record that it gives up.
        tracing::error!(route = "publish_events", error = error_chain(&error), "events were not published");
        error.into()
    })
}
