//! Answers about tenants and the business as a whole.

use arcadia_domain::{DunningPolicy, TenantEvent};

use super::{answer, page};
use crate::account::{AccountView, AttentionView, ScheduleEntryView, SummaryView, TenantRecordView, TenantView};

answer! {
    /// A tenant.
    TenantAnswer<'a> {
        /// The tenant.
        tenant: TenantRecordView<'a>,
    }
}

page! {
    /// A page of a tenant's history.
    TenantEventList {
        /// The events.
        events: Vec<TenantEvent>,
    }
}

page! {
    /// A page of tenants.
    TenantList {
        /// The tenants, by id.
        tenants: Vec<TenantView>,
    }
}

answer! {
    /// A tenant's account.
    AccountAnswer<'a> {
        /// The account.
        account: AccountView<'a>,
    }
}

answer! {
    /// A dunning policy.
    DunningPolicyAnswer {
        /// The policy.
        dunning_policy: DunningPolicy,
    }
}

page! {
    /// A page of the schedule.
    ScheduleList<'a> {
        /// The next step of each deployment, by time.
        schedule: Vec<ScheduleEntryView<'a>>,
    }
}

page! {
    /// A page of the deployments that need a person.
    AttentionList<'a> {
        /// The deployments, the longest waiting first.
        attention: Vec<AttentionView<'a>>,
    }
}

answer! {
    /// The figures of the business.
    SummaryAnswer {
        /// The figures.
        summary: SummaryView,
    }
}
