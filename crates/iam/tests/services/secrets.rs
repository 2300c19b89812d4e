//! What lies in the store.

use std::ops::Bound;

use ropeway_api::iam::{self as api, Iam};
use ropeway_core::ShardId;
use ropeway_iam::ensure_root;
use ropeway_store::{Range, Store};

use crate::world::{ACCOUNT, World};

#[tokio::test]
async fn secrets_are_sealed() {
    let world = World::new().await;
    let root = ensure_root(&world.core, &world.access, ACCOUNT).await.unwrap();
    world.user("ana").await;
    let input = api::CreateAccessKeyInput { user_name: Some("ana".into()) };
    let key = world.iam.create_access_key(&world.root(), input).await.unwrap().access_key;
    world.core.stop().await.unwrap();
    world.store.crash(usize::MAX);
    let mut all = Vec::new();
    for shard in 0..world.store.shards() {
        let lease = world.store.acquire(ShardId(shard), "test").await.unwrap();
        let shard = world.store.open(lease).await.unwrap();
        let everything = Range { from: Bound::Unbounded, to: Bound::Unbounded, reverse: false };
        let page = shard.scan(everything, 10_000).await.unwrap();
        assert!(!page.more);
        for (key, value) in page.rows {
            all.extend_from_slice(&key);
            all.extend_from_slice(&value);
        }
    }
    let holds = |text: &str| all.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&key.access_key_id) && holds(&root.access_key_id));
    assert!(!holds(&key.secret_access_key) && !holds(&root.secret));
}
