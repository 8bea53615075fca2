//! Access to the outside world: the clock, ids, the environment and AWS clients. No other module reads them.

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

/// Timeout of one attempt to reach DynamoDB. A healthy attempt takes milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of attempts by the SDK after a throttle, a 5xx or a broken connection.
const SDK_ATTEMPTS: u32 = 3;

/// A clock.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current time, in milliseconds.
    fn now(&self) -> Timestamp;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

/// The dependencies of every handler.
#[derive(Debug, Clone)]
pub struct App {
    /// The table.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The stack's settings.
    pub settings: Settings,
}

/// Settings of a stack, chosen by its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Region of deployments that are created without one.
    pub default_region: ShortCode,
    /// The names of the claims that hold the tenant and the role.
    pub claims: ClaimNames,
}

/// A missing or invalid environment variable.
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
    /// Builds a function's app from its environment.
    ///
    /// # Errors
    /// [`EnvironmentError`] if a variable is missing or invalid.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        let table = required("TABLE_NAME")?;
        let default_region = required("DEFAULT_REGION")?
            .parse()
            .map_err(|_| EnvironmentError { name: "DEFAULT_REGION", problem: "is not a region code" })?;
        let due_shards = required("DUE_SHARDS")?.parse().ok().filter(|shards| *shards > 0);
        let due_shards =
            due_shards.ok_or(EnvironmentError { name: "DUE_SHARDS", problem: "is not a number from 1 to 255" })?;
        let claims = ClaimNames { tenant: required("TENANT_CLAIM")?, role: required("ROLE_CLAIM")? };
        Ok(Self {
            store: Store::new(client(&function_config("DYNAMODB")?), table).with_due_shards(due_shards),
            clock: Arc::new(RealClock),
            settings: Settings { default_region, claims },
        })
    }

    /// Generates a UUIDv7 for `now`.
    #[must_use]
    pub fn new_id(&self, now: Timestamp) -> Uuid {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }

    /// Generates a commit id.
    #[must_use]
    pub fn new_commit_id(&self) -> CommitId {
        CommitId::new(self.new_id(self.clock.now()))
    }
}

/// The function's handler name, as Lambda sets it.
///
/// # Errors
/// [`EnvironmentError`] if it is not set.
pub fn handler_name() -> Result<String, EnvironmentError> {
    required("_HANDLER")
}

/// URL of the queue that the function sends its messages to.
///
/// # Errors
/// [`EnvironmentError`] if it is not set.
pub fn queue_url() -> Result<String, EnvironmentError> {
    required("QUEUE_URL")
}

/// The CloudWatch namespace of the stack's own metrics.
///
/// # Errors
/// [`EnvironmentError`] if it is not set.
pub fn metrics_namespace() -> Result<String, EnvironmentError> {
    required("METRICS_NAMESPACE")
}

/// Time left until a Lambda invocation's deadline.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn time_left(deadline: SystemTime) -> Duration {
    deadline.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Logs JSON lines to standard output, at level `info` and above.
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

/// Configuration of a function's AWS clients: region and credentials from the environment that Lambda sets, timeouts on
/// every wait, one TLS stack. The SDK's default credential chain (profiles, tokens, metadata services) would be two
/// fifths of the binary and finds nothing more in Lambda. `service` is the suffix of the environment variable that
/// overrides the endpoint, as in `AWS_ENDPOINT_URL_DYNAMODB`.
///
/// # Errors
/// [`EnvironmentError`] if there is no region.
pub fn function_config(service: &str) -> Result<SdkConfig, EnvironmentError> {
    let endpoint = optional(&format!("AWS_ENDPOINT_URL_{service}"));
    // Without TLS, do not load the machine's hundreds of certificates.
    let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(required("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .http_client(if is_plain { HttpClientBuilder::new().build_http() } else { https() })
        .retry_config(retries())
        // The attempt timeout also covers the body.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts());
    Ok(match endpoint {
        Some(endpoint) => config.endpoint_url(endpoint).build(),
        None => config.build(),
    })
}

/// A DynamoDB client for AWS from a developer's machine. Region and credentials come from the AWS CLI's configuration.
pub async fn aws_client(endpoint: &str) -> Client {
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https()).endpoint_url(endpoint);
    Client::new(&loader.retry_config(retries()).timeout_config(timeouts()).load().await)
}

/// A client for a local DynamoDB, which does not check credentials. It reads nothing from the environment.
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
