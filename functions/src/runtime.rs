//! The outside world: the clock, ids, the environment, the client. The only module that reads any of them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arcadia_domain::{ShortCode, Timestamp};
use arcadia_store::{CommitId, Store};
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use chrono::{SubsecRound, Utc};
use uuid::{NoContext, Uuid};

use crate::auth::ClaimNames;
#[cfg(feature = "traces")]
use crate::spans::client;

/// How long one attempt to reach DynamoDB may take. A healthy one takes milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the SDK sends a request that met a throttle, a 5xx or a broken connection.
const SDK_ATTEMPTS: u32 = 3;

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment, to the millisecond.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

/// What every handler has at hand.
#[derive(Debug, Clone)]
pub struct App {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the operator has set.
    pub settings: Settings,
}

/// What the operator of a stack sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where a deployment runs when its creator does not say.
    pub default_region: ShortCode,
    /// Which claims of a token say what.
    pub claims: ClaimNames,
}

/// What is missing in the environment, or wrong.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct EnvironmentError {
    name: &'static str,
    problem: &'static str,
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        const MILLISECONDS: u16 = 3;
        Utc::now().trunc_subsecs(MILLISECONDS)
    }
}

impl App {
    /// Builds the app of a function from its environment.
    ///
    /// # Errors
    /// [`EnvironmentError`] if a variable is missing or wrong.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        let table = required("TABLE_NAME")?;
        let default_region = required("DEFAULT_REGION")?
            .parse()
            .map_err(|_| EnvironmentError { name: "DEFAULT_REGION", problem: "is no region code" })?;
        let due_shards = required("DUE_SHARDS")?.parse().ok().filter(|shards| *shards > 0);
        let due_shards =
            due_shards.ok_or(EnvironmentError { name: "DUE_SHARDS", problem: "is no number from 1 to 255" })?;
        let claims = ClaimNames { tenant: required("TENANT_CLAIM")?, role: required("ROLE_CLAIM")? };
        Ok(Self {
            store: Store::new(client(&function_config("DYNAMODB")?), table).with_due_shards(due_shards),
            clock: Arc::new(RealClock),
            settings: Settings { default_region, claims },
        })
    }

    /// A UUIDv7 of `now`.
    #[must_use]
    pub fn new_id(&self, now: Timestamp) -> Uuid {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }

    /// A name for one commit.
    #[must_use]
    pub fn new_commit_id(&self) -> CommitId {
        CommitId::new(self.new_id(self.clock.now()))
    }
}

/// The function's own route, by the handler name that Lambda sets.
///
/// # Errors
/// [`EnvironmentError`] if it is missing.
pub fn handler_name() -> Result<String, EnvironmentError> {
    required("_HANDLER")
}

/// The queue that shards to be swept are put into.
///
/// # Errors
/// [`EnvironmentError`] if it is missing.
pub fn queue_url() -> Result<String, EnvironmentError> {
    required("QUEUE_URL")
}

/// The CloudWatch namespace of the stack's own metrics.
///
/// # Errors
/// [`EnvironmentError`] if it is missing.
pub fn metrics_namespace() -> Result<String, EnvironmentError> {
    required("METRICS_NAMESPACE")
}

/// How long it is until a Lambda invocation's deadline.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn time_left(deadline: SystemTime) -> Duration {
    deadline.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Logs as JSON lines on standard output, from level `info` up.
pub fn start_logging() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .init();
}

/// What a function's AWS clients are made from: the region and the credentials that Lambda puts into the environment,
/// bounds on every wait, one TLS stack. The SDK's own search for credentials in profiles, tokens and metadata services
/// would be two fifths of the binary, and finds nothing else in Lambda. `service` is the end of the environment variable
/// by which its endpoint can be another, as in `AWS_ENDPOINT_URL_DYNAMODB`.
///
/// # Errors
/// [`EnvironmentError`] if there is no region.
pub fn function_config(service: &str) -> Result<SdkConfig, EnvironmentError> {
    let endpoint = optional(&format!("AWS_ENDPOINT_URL_{service}"));
    // Whoever speaks no TLS need not read the certificates of the machine, which are hundreds.
    let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(required("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .http_client(if is_plain { HttpClientBuilder::new().build_http() } else { https() })
        .retry_config(retries())
        // An attempt's timeout bounds its body as well.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts());
    Ok(match endpoint {
        Some(endpoint) => config.endpoint_url(endpoint).build(),
        None => config.build(),
    })
}

/// A client for DynamoDB at AWS from a person's machine; credentials and region come from wherever the AWS CLI has them.
pub async fn aws_client(endpoint: &str) -> Client {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https()).endpoint_url(endpoint);
    Client::new(&loader.retry_config(retries()).timeout_config(timeouts()).load().await)
}

/// A client for a DynamoDB on this machine, which checks no credentials. It reads nothing from the environment.
#[must_use]
pub fn local_client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(HttpClientBuilder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .retry_config(retries())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts())
        .build();
    Client::from_conf(config)
}

#[cfg(not(feature = "traces"))]
fn client(config: &SdkConfig) -> Client {
    Client::new(config)
}

fn https() -> SharedHttpClient {
    HttpClientBuilder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(SDK_ATTEMPTS)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}

fn required(name: &'static str) -> Result<String, EnvironmentError> {
    optional(name).ok_or(EnvironmentError { name, problem: "is not set" })
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
