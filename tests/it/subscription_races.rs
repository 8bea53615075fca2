//! The promise: whatever the concurrent callers, a deployment has one subscription, a cancelled deployment none, and a
//! tenant one trial of a plan.

use std::sync::Arc;

use arcadia_domain::State;
use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::sync::Barrier;

use crate::harness::world::id_of;
use crate::harness::{Fault, Random, Reply, World};

/// The number of rounds of a race without a certain winner.
const ROUNDS: usize = 50;

/// Holds the next `callers` commits until all have arrived, so that none has read another's write.
fn gather(world: &World, callers: usize) {
    world.dynamodb.plan("TransactWriteItems", callers, Fault::Gather(Arc::new(Barrier::new(callers))));
}

fn by_status(replies: Vec<Reply>, status: u16) -> (Vec<Reply>, Vec<Reply>) {
    replies.into_iter().partition(|reply| reply.status == status)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_subscribers_at_one_moment_exactly_one_succeeds() {
    const CALLERS: usize = 8;
    let world = World::start().await;
    world.open_shop().await;
    for callers in [2, CALLERS] {
        let id = id_of(&world.create(&format!("shop-{callers}")).await);
        gather(&world, callers);
        let body = |caller: usize| {
            let plan_code = if caller.is_multiple_of(2) { "studio" } else { "team" };
            json!({"plan_code": plan_code, "addons": ["storage_50gb"]})
        };
        let replies = join_all((0..callers).map(|caller| world.subscribe(&id, body(caller)))).await;
        let (won, lost) = by_status(replies, 201);
        let [won] = &won[..] else { panic!("{} succeeded", won.len()) };
        assert_eq!(lost.len(), callers - 1);
        for reply in lost {
            reply.expect_problem(409, "version_conflict");
        }
        assert_eq!(world.subscription(&id).await, won.body["subscription"]);
        let stored = world.check(&id).await;
        assert_eq!((stored.deployment.version, stored.addons.len()), (3, 1));
        // One subscription was billed.
        let invoices = world.collect(&format!("/deployments/{id}/invoices"), &world.user, "invoices").await;
        assert_eq!(invoices, [won.body["invoice"].clone()]);
        // A later caller learns why it is refused.
        world.subscribe(&id, body(0)).await.expect_problem(409, "already_subscribed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_of_a_subscription_and_a_cancellation_wins_no_cancelled_deployment_has_a_live_one() {
    let mut random = Random::from_seed();
    let world = World::start().await;
    world.open_shop().await;
    let (mut both, mut outcomes) = (0, [0, 0]);
    for round in 0..ROUNDS {
        let id = id_of(&world.create(&format!("shop-{round}")).await);
        // Either all at once, or with one of the two a little ahead.
        if random.below(2) == 0 {
            gather(&world, 2);
        }
        let subscribe = world.subscribe(&id, json!({"plan_code": "studio", "addons": ["storage_50gb"]}));
        let cancel = world.transition(&id, &world.user, json!({"to_state": "cancelled"}));
        let (subscribed, cancelled) = if random.below(2) == 0 {
            join(subscribe, cancel).await
        } else {
            let (cancelled, subscribed) = join(cancel, subscribe).await;
            (subscribed, cancelled)
        };
        world.dynamodb.clear();
        assert!([201, 409, 422].contains(&subscribed.status), "{}", subscribed.text);
        assert!([200, 409].contains(&cancelled.status), "{}", cancelled.text);
        let done = [subscribed.status == 201, cancelled.status == 200];
        assert_ne!(done, [false, false], "one of them wins");
        both += usize::from(done == [true, true]);
        outcomes[0] += usize::from(done[0]);
        outcomes[1] += usize::from(done[1]);
        let stored = world.check(&id).await;
        assert_eq!(stored.deployment.state == State::Cancelled, done[1], "round {round}");
        assert_eq!(stored.subscription.is_some(), done[0], "round {round}");
        assert_eq!(stored.live_subscription().is_some(), done == [true, false], "round {round}");
        // A subscription has an invoice with it.
        assert_eq!(stored.deployment.version, 1 + 2 * u64::from(done[0]) + u64::from(done[1]));
        assert_eq!(stored.deployment.open_invoices.len(), usize::from(done[0]));
    }
    println!("subscribed {}, cancelled {}, both {both}", outcomes[0], outcomes[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_deployments_of_a_tenant_at_one_moment_at_most_one_gets_the_trial() {
    let world = World::start().await;
    for round in 0..5 {
        let plan_code = format!("plan-{round}");
        world.sell_plan(&plan_code, &[json!({"price_cents": 2_900, "trial_days": 14})]).await;
        let ids = [0, 1].map(|n| format!("shop-{round}-{n}"));
        let ids = join_all(ids.iter().map(|slug| world.create(slug))).await;
        let ids: Vec<String> = ids.iter().map(id_of).collect();
        gather(&world, 2);
        let replies = join_all(ids.iter().map(|id| world.subscribe(id, json!({"plan_code": plan_code})))).await;
        let (won, lost) = by_status(replies, 201);
        assert_eq!((won.len(), lost.len()), (1, 1));
        assert_eq!(won[0].body["subscription"]["trial_ends_at"], "2027-01-29T10:00:00Z");
        for reply in lost {
            reply.expect_problem(409, "trial_used");
        }
        // The losers subscribe again, and are billed at once.
        let mut trials = 0;
        for id in &ids {
            if world.subscription(id).await.is_null() {
                let body = world.subscribe(id, json!({"plan_code": plan_code})).await.expect(201);
                assert_eq!(body["subscription"]["trial_ends_at"], serde_json::Value::Null);
            }
            trials += usize::from(world.check(id).await.subscription.unwrap().in_trial());
        }
        assert_eq!(trials, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_attachments_at_one_moment_each_is_there_once_or_was_refused() {
    const CALLERS: usize = 8;
    let world = World::start().await;
    world.open_shop().await;
    let id = world.create_subscribed("shop", json!({"plan_code": "studio"})).await;
    world.clock.shift(TimeDelta::days(1));
    let path = format!("/deployments/{id}/subscription/addons");
    let attach = || world.post(&path, &world.user, json!({"addon_code": "storage_50gb"}));
    let (attached, refused) = by_status(join_all((0..CALLERS).map(|_| attach())).await, 201);
    for reply in refused {
        reply.expect_problem(409, "version_conflict");
    }
    let stored = world.check(&id).await;
    let ids: Vec<String> = stored.addons.iter().map(|addon| addon.id.to_string()).collect();
    let mut answered: Vec<String> = attached.iter().map(|reply| id_of(&reply.body["addon"])).collect();
    answered.sort();
    assert_eq!(ids, answered);
    assert_eq!(stored.subscription.unwrap().waiting().count(), ids.len(), "each is charged once");

    // An add-on is detached once, however many requests ask for it.
    let path = format!("{path}/{}", ids[0]);
    gather(&world, 4);
    let (detached, refused) = by_status(join_all((0..4).map(|_| world.delete(&path, &world.user))).await, 200);
    assert_eq!((detached.len(), refused.len()), (1, 3));
    let left = world.check(&id).await;
    assert_eq!(left.addons.len(), ids.len() - 1);
    assert_eq!(left.subscription.unwrap().waiting().count(), ids.len() - 1, "and given back once");
}
