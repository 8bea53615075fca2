//! The limits of a tenant's new deployments: one item with the count of live deployments, the quota, and the rules that
//! deployments follow. Creating and archiving update the count in their own transaction, so no two creations can pass
//! the quota together, and none can pass a hold. No other commit of a deployment touches the item: a tenant's renewals
//! do not wait for each other.
//!
//! The count is right only while there is a quota. Setting one counts the deployments anew ([`Store::count_live`]), so
//! tenants whose deployments are older than the item need no migration.

use arcadia_domain::{Change, Deployment, DeploymentId, State, TenantId, TenantRules};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::item::{Item, from_item, number, string, to_item};
use super::items::{self, SlugClaimItem};
use super::schedule::MAX_SUMMED_DEPLOYMENTS;
use super::{Store, StoreError, keys};

/// The `type` of the item.
pub(super) const LIMITS_TYPE: &str = "tenant_limits";

/// The most keys of one BatchGetItem.
const BATCH: usize = 100;

/// The limits of a tenant's new deployments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantLimits {
    /// The number of live deployments if there is a quota; otherwise a number without meaning.
    #[serde(default)]
    live: i64,
    /// The number of creations and archivings that updated this item.
    #[serde(default)]
    changes: u64,
    /// The most live deployments; `None` for no limit.
    #[serde(default)]
    quota: Option<u32>,
    /// The rules of the tenant's account.
    #[serde(default)]
    rules: TenantRules,
}

/// The live deployments of a tenant, counted while no deployment was created or archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveCount {
    /// The number of live deployments.
    pub live: u32,
    /// [`TenantLimits::changes`] as read before counting.
    changes: u64,
}

/// A new quota of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewQuota {
    /// No limit.
    Unlimited,
    /// The most live deployments, and how many there are.
    Of(u32, LiveCount),
}

/// What a commit does to the count of live deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LiveChange {
    /// It creates a deployment.
    Created,
    /// It archives a deployment.
    Archived,
}

impl LiveChange {
    /// The change from one state to another; `None` if the number of live deployments stays.
    pub(super) fn between(before: Option<State>, after: State) -> Option<Self> {
        match (before, after) {
            (None, _) => Some(Self::Created),
            (Some(before), State::Archived) if before != State::Archived => Some(Self::Archived),
            (Some(_), _) => None,
        }
    }
}

impl TenantLimits {
    /// The number of live deployments; `None` without a quota.
    #[must_use]
    pub fn live(&self) -> Option<u32> {
        self.quota?;
        u32::try_from(self.live).ok()
    }

    /// The quota.
    #[must_use]
    pub const fn quota(&self) -> Option<u32> {
        self.quota
    }

    /// The rules that the tenant's deployments follow.
    #[must_use]
    pub const fn rules(&self) -> TenantRules {
        self.rules
    }

    /// Why these limits refuse a change that creates a deployment.
    pub(super) fn refusal(&self, change: &Change) -> StoreError {
        if self.rules.held {
            StoreError::TenantHeld
        } else if self.rules == change.after.deployment.tenant_rules {
            StoreError::QuotaExceeded
        } else {
            StoreError::TenantConflict
        }
    }
}

impl Store {
    /// Reads the limits of a tenant's new deployments: one consistent GetItem. `None` if the tenant has created no
    /// deployment since limits were introduced.
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or the item is damaged.
    pub async fn load_limits(&self, tenant_id: &TenantId) -> Result<Option<TenantLimits>, StoreError> {
        self.get(keys::tenant_limits(tenant_id)).await?.map(from_item).transpose()
    }

    /// Counts a tenant's live deployments by consistent reads: one Query for each page of the tenant's slugs, and one
    /// BatchGetItem for each 100 deployments. `None` if there are more than [`MAX_SUMMED_DEPLOYMENTS`].
    ///
    /// # Errors
    /// [`StoreError`] if DynamoDB does not answer or an item is damaged.
    pub async fn count_live(&self, tenant_id: &TenantId) -> Result<Option<LiveCount>, StoreError> {
        let changes = self.load_limits(tenant_id).await?.unwrap_or_default().changes;
        let Some(ids) = self.deployments_of_claims(tenant_id).await? else { return Ok(None) };
        let mut live = 0;
        for batch in ids.chunks(BATCH) {
            for item in self.get_items(batch.iter().map(|id| keys::deployment(*id)), true).await? {
                live += u32::from(items::to_deployment(item)?.deployment.state != State::Archived);
            }
        }
        Ok(Some(LiveCount { live, changes }))
    }

    /// The deployments that a tenant ever had, by their claims on slugs, which unlike an index are read consistently.
    async fn deployments_of_claims(&self, tenant_id: &TenantId) -> Result<Option<Vec<DeploymentId>>, StoreError> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let claims = self.slug_claims(tenant_id, after.as_deref()).await?;
            after = claims.last.clone();
            ids.extend(claims.ids);
            if ids.len() > MAX_SUMMED_DEPLOYMENTS {
                return Ok(None);
            }
            if after.is_none() {
                return Ok(Some(ids));
            }
        }
    }

    /// One Query of a tenant's claims on slugs.
    async fn slug_claims(&self, tenant_id: &TenantId, after: Option<&str>) -> Result<Claims, StoreError> {
        let (first, last) = keys::slug_claims_after(after).into_inner();
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND SK BETWEEN :first AND :last")
            .expression_attribute_values(":pk", string(keys::tenant_partition(tenant_id)))
            .expression_attribute_values(":first", string(first))
            .expression_attribute_values(":last", string(last))
            .send()
            .await?;
        let sort_key = |key: &Item| key.get("SK").and_then(|value| value.as_s().ok()).cloned();
        let last = output.last_evaluated_key.as_ref().and_then(sort_key);
        let claims = output.items.unwrap_or_default().into_iter().map(from_item::<SlugClaimItem>);
        Ok(Claims { ids: claims.map(|claim| Ok(claim?.deployment_id)).collect::<Result<_, StoreError>>()?, last })
    }

    /// The write that counts a creation, if the quota has room for it and the tenant's rules are those that the
    /// deployment was created with, or an archiving.
    pub(super) fn count_one(
        &self,
        deployment: &Deployment,
        change: LiveChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = self
            .update_limits(&deployment.tenant_id)
            .update_expression("SET #type = :type ADD live :more, changes :one")
            .expression_attribute_values(":one", number(1));
        let update = match change {
            LiveChange::Created => {
                let update = update
                    .expression_attribute_names("#rules", "rules")
                    .expression_attribute_values(":more", number(1))
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                let has_room = "(attribute_not_exists(quota) OR live < quota)";
                match deployment.tenant_rules.version {
                    0 => update.condition_expression(format!("{has_room} AND attribute_not_exists(#rules)")),
                    version => update
                        .condition_expression(format!("{has_room} AND #rules.version = :rules"))
                        .expression_attribute_values(":rules", number(version)),
                }
            }
            LiveChange::Archived => update.expression_attribute_values(":more", number(-1)),
        };
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }

    /// The write that sets the quota with the count, if no deployment was created or archived since it was counted, and
    /// the rules; `None` if there is nothing to set.
    pub(super) fn set_limits(
        &self,
        tenant_id: &TenantId,
        quota: Option<NewQuota>,
        rules: Option<TenantRules>,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        if quota.is_none() && rules.is_none() {
            return Ok(None);
        }
        let (mut update, mut set, mut remove) = (self.update_limits(tenant_id), "SET #type = :type".to_owned(), "");
        match quota {
            None => {}
            Some(NewQuota::Unlimited) => remove = " REMOVE quota",
            Some(NewQuota::Of(quota, count)) => {
                set += ", quota = :quota, live = :live, changes = :changes";
                update = update
                    .expression_attribute_values(":quota", number(quota))
                    .expression_attribute_values(":live", number(count.live))
                    .expression_attribute_values(":changes", number(count.changes))
                    .condition_expression("attribute_not_exists(changes) OR changes = :changes");
            }
        }
        if let Some(rules) = rules {
            set += ", #rules = :rules";
            update = update
                .expression_attribute_names("#rules", "rules")
                .expression_attribute_values(":rules", AttributeValue::M(to_item(&rules)?));
        }
        let update = update.update_expression(set + remove).build()?;
        Ok(Some(TransactWriteItem::builder().update(update).build()))
    }

    fn update_limits(&self, tenant_id: &TenantId) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        let key = keys::tenant_limits(tenant_id);
        Update::builder()
            .table_name(&self.table)
            .key("PK", string(key.pk))
            .key("SK", string(key.sk))
            .expression_attribute_names("#type", "type")
            .expression_attribute_values(":type", string(LIMITS_TYPE))
    }
}

/// A page of a tenant's claims on slugs.
struct Claims {
    ids: Vec<DeploymentId>,
    /// The sort key where the next page begins.
    last: Option<String>,
}
