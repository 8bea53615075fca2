//! The table's definition. Local programs and tests create the same table as `template.yaml` deploys. Keys are in
//! [`super::keys`].

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};

use super::StoreError;

/// The name that means the table itself instead of an index.
pub const TABLE: &str = "";

/// The tenant index: deployments and invoices by tenant, slug claims by slug, and the lists of tenants, operations and
/// the catalog. It has whole items.
pub const TENANT_INDEX: &str = "GSI1";
/// The state index: deployments by state, live subscriptions by plan, and all tenants' invoices. It has keys only.
pub const STATE_INDEX: &str = "GSI2";
/// The due index: deployments by the time of their next step, invoices by status and due date, and live subscriptions by
/// the plan that they will change to. It has keys only.
pub const DUE_INDEX: &str = "GSI3";

/// The attribute with an item's expiry for DynamoDB's time to live, in seconds since 1970.
pub const TTL_ATTRIBUTE: &str = "expires_at";

/// Creates the table `name`, unless it exists.
///
/// # Errors
/// [`StoreError`] if DynamoDB does not answer or refuses.
pub async fn create_table(client: &Client, name: &str) -> Result<(), StoreError> {
    let request = || -> Result<_, BuildError> {
        let request = client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text_attribute("PK")?)
            .attribute_definitions(text_attribute("SK")?)
            .key_schema(key("PK", KeyType::Hash)?)
            .key_schema(key("SK", KeyType::Range)?);
        [
            (TENANT_INDEX, ProjectionType::All),
            (STATE_INDEX, ProjectionType::KeysOnly),
            (DUE_INDEX, ProjectionType::KeysOnly),
        ]
        .into_iter()
        .try_fold(request, |request, (index, projection)| {
            let (pk, sk) = (format!("{index}PK"), format!("{index}SK"));
            Ok(request
                .attribute_definitions(text_attribute(&pk)?)
                .attribute_definitions(text_attribute(&sk)?)
                .global_secondary_indexes(
                    GlobalSecondaryIndex::builder()
                        .index_name(index)
                        .key_schema(key(&pk, KeyType::Hash)?)
                        .key_schema(key(&sk, KeyType::Range)?)
                        .projection(Projection::builder().projection_type(projection).build())
                        .build()?,
                ))
        })
    };
    let request = request().map_err(|error| StoreError::Denied(error.into()))?;
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn text_attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}
