//! A service of its own for each test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt as _;
use ropeway_api::s3::*;
use ropeway_core::effects::{QueueDelivery, SqsCommand};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, Builder, Clock, Core, Fault, Ids, Machine, Time, Tx};
use ropeway_store::blobs::BlobStore;
use ropeway_store::{MemoryStore, Store};
use ropeway_wire::{AccessRequest, ByteStream, Cx, Error, Gate, Principal};

use crate::{Live, Options, S3Actor, S3Service, machine};

pub const BUCKET: &str = "bucket";

/// Lets everything pass but what a test denies and no list grants; remembers policies.
#[derive(Default)]
pub struct TestGate {
    pub denied: Mutex<BTreeSet<(String, String)>>,
    pub policies: Mutex<BTreeMap<String, String>>,
    pub owners: Mutex<BTreeMap<String, String>>,
}

fn set(all: &Mutex<BTreeMap<String, String>>, resource: &str, value: Option<&str>) {
    let mut all = all.lock().unwrap();
    match value {
        Some(value) => all.insert(resource.to_owned(), value.to_owned()),
        None => all.remove(resource),
    };
}

impl Gate for TestGate {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let asked = (request.action.to_owned(), request.resource.to_owned());
        let denied = self.denied.lock().unwrap().contains(&asked) && !request.listed.granted;
        if denied { Err("Access Denied".to_owned()) } else { Ok(()) }
    }

    fn set_resource_policy(&self, resource: &str, policy: Option<&str>) {
        set(&self.policies, resource, policy);
    }

    fn set_resource_owner(&self, resource: &str, account: Option<&str>) {
        set(&self.owners, resource, account);
    }
}

/// Queues that only note what they get.
struct Queues(Arc<Mutex<Vec<QueueDelivery>>>);

impl Machine for Queues {
    type Command = SqsCommand;
    type Output = ();
    type Error = Fault;
    const SPACE: Space = Space::Sqs;

    async fn load(&mut self, _tx: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: SqsCommand) -> Result<(), Fault> {
        let SqsCommand::Deliver(delivery) = command;
        let queued = Arc::clone(&self.0);
        tx.after_commit(move || queued.lock().unwrap().push(delivery));
        Ok(())
    }

    fn grows(_command: &SqsCommand) -> bool {
        false
    }
}

pub struct World {
    pub service: S3Service,
    pub core: Core,
    pub gate: Arc<TestGate>,
    pub clock: Clock,
    pub blobs: Arc<BlobStore>,
    pub cx: Cx,
    pub dir: Option<tempfile::TempDir>,
    pub queued: Arc<Mutex<Vec<QueueDelivery>>>,
}

/// Over a store in memory, with a bucket.
pub async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let mut world = open(Arc::new(MemoryStore::new(4)), dir.path(), 1).await;
    world.dir = Some(dir);
    world.create(BUCKET).await.unwrap();
    world
}

pub async fn open(store: Arc<dyn Store>, dir: &Path, seed: u64) -> World {
    let gate = Arc::new(TestGate::default());
    let clock = Clock::frozen(Time::from_secs(1_700_000_000));
    let ids = Ids::seeded(seed);
    let blobs = Arc::new(BlobStore::open_local(&dir.join("blobs")).unwrap());
    let queued = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&queued);
    let live = Live::default();
    let core = Builder::new(store, clock.clone(), ids)
        .machine(machine(gate.clone(), live.clone()))
        .machine(move |_| Queues(Arc::clone(&to)))
        .start(vec![tokio::runtime::Handle::current()])
        .await
        .unwrap();
    let actor: Arc<dyn Actor> = Arc::new(S3Actor::new(blobs.clone()));
    core.start_actors(BTreeMap::from([(Space::S3, actor)]));
    let (master, options) = (MasterKey::from_bytes([7; 32]), Options::default());
    let service = S3Service::new(core.clone(), live, blobs.clone(), &master, Arc::default(), options);
    let principal = Principal::root("000000000000");
    let trace = Arc::from("1-test");
    let cx = Cx::from_within(gate.clone(), principal, "us-east-1", &trace, clock.now());
    World { service, core, gate, clock, blobs, cx, dir: None, queued }
}

impl World {
    pub async fn create(&self, bucket: &str) -> Result<CreateBucketOutput, Error> {
        let input = CreateBucketInput { bucket: bucket.into(), ..Default::default() };
        self.service.create_bucket(&self.cx, input).await
    }

    pub async fn put(&self, key: &str, body: &[u8]) -> Result<PutObjectOutput, Error> {
        self.service.put_object(&self.cx, put(key, body)).await
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        Ok(read(self.service.get_object(&self.cx, get(key)).await?.body).await)
    }

    pub async fn range(&self, key: &str, range: &str) -> Result<Vec<u8>, Error> {
        let input = GetObjectInput { range: Some(range.into()), ..get(key) };
        Ok(read(self.service.get_object(&self.cx, input).await?.body).await)
    }

    pub async fn delete(&self, key: &str) -> Result<DeleteObjectOutput, Error> {
        let input = DeleteObjectInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() };
        self.service.delete_object(&self.cx, input).await
    }

    pub async fn list(&self, input: ListObjectsV2Input) -> Result<ListObjectsV2Output, Error> {
        self.service.list_objects_v2(&self.cx, ListObjectsV2Input { bucket: BUCKET.into(), ..input }).await
    }

    pub async fn begin(&self, key: &str) -> String {
        let input =
            CreateMultipartUploadInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() };
        self.service.create_multipart_upload(&self.cx, input).await.unwrap().upload_id.unwrap()
    }

    pub async fn part(&self, key: &str, id: &str, number: i64, body: &[u8]) -> Result<String, Error> {
        let input = UploadPartInput {
            bucket: BUCKET.into(),
            key: key.into(),
            upload_id: id.into(),
            part_number: number,
            body: Some(Bytes::copy_from_slice(body).into()),
            ..Default::default()
        };
        Ok(self.service.upload_part(&self.cx, input).await?.e_tag.unwrap())
    }

    pub async fn complete(
        &self,
        key: &str,
        id: &str,
        parts: &[(i64, String)],
    ) -> Result<CompleteMultipartUploadOutput, Error> {
        let parts = parts.iter().map(|(number, etag)| CompletedPart {
            part_number: Some(*number),
            e_tag: Some(etag.clone()),
            ..Default::default()
        });
        let input = CompleteMultipartUploadInput {
            bucket: BUCKET.into(),
            key: key.into(),
            upload_id: id.into(),
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(parts.collect()) }),
            ..Default::default()
        };
        self.service.complete_multipart_upload(&self.cx, input).await
    }

    /// Waits until what follows from the commands so far has been done, and gives the blobs left.
    pub async fn settled_blobs(&self, expected: usize) -> usize {
        for _ in 0..10_000 {
            let found = self.blobs.list(None, 10_000).await.unwrap().len();
            if found == expected {
                return found;
            }
            tokio::task::yield_now().await;
        }
        self.blobs.list(None, 10_000).await.unwrap().len()
    }
}

pub fn put(key: &str, body: &[u8]) -> PutObjectInput {
    PutObjectInput {
        bucket: BUCKET.into(),
        key: key.into(),
        body: Some(Bytes::copy_from_slice(body).into()),
        ..Default::default()
    }
}

pub fn get(key: &str) -> GetObjectInput {
    GetObjectInput { bucket: BUCKET.into(), key: key.into(), ..Default::default() }
}

pub async fn read(body: Option<ByteStream>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chunks = body.unwrap().take().unwrap();
    while let Some(chunk) = chunks.next().await {
        out.extend_from_slice(&chunk.unwrap());
    }
    out
}

/// Bytes that compress badly and differ everywhere.
pub fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; length];
    Ids::seeded(seed).fill(&mut out);
    out
}
