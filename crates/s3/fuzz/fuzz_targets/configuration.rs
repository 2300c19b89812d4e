#![no_main]
#![doc = "Fuzzes configurations of buckets, as XML: none fails the server, and what is shown of one can be set again, and is shown the same."]
#![doc = ""]
#![doc = "The first byte chooses the configuration, the rest is the document."]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_api::s3::{CreateBucketInput, S3 as _, S3Dispatch, SERVICE};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, Builder, Clock, Ids, Time};
use ropeway_s3::{Live, Options, S3Actor, S3Service, machine};
use ropeway_store::blobs::BlobStore;
use ropeway_store::{MemoryStore, Store};
use ropeway_wire::protocol::{RequestBody, ResponseBody};
use ropeway_wire::{AccessRequest, Call, Cx, Dispatch as _, Gate, Principal};

/// Operations that set and show, and the query that names both.
const KINDS: [(&str, &str, &str); 10] = [
    ("PutBucketCors", "GetBucketCors", "cors"),
    ("PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration", "lifecycle"),
    ("PutBucketWebsite", "GetBucketWebsite", "website"),
    ("PutBucketLogging", "GetBucketLogging", "logging"),
    ("PutBucketNotificationConfiguration", "GetBucketNotificationConfiguration", "notification"),
    ("PutBucketEncryption", "GetBucketEncryption", "encryption"),
    ("PutBucketTagging", "GetBucketTagging", "tagging"),
    ("PutBucketRequestPayment", "GetBucketRequestPayment", "requestPayment"),
    ("PutBucketVersioning", "GetBucketVersioning", "versioning"),
    ("PutBucketAcl", "GetBucketAcl", "acl"),
];
const BUCKET: &str = "bucket";

/// Lets everything pass.
struct Open;

impl Gate for Open {
    fn authorize(&self, _request: &AccessRequest<'_>) -> Result<(), String> {
        Ok(())
    }

    fn set_resource_policy(&self, _resource: &str, _policy: Option<&str>) {}

    fn set_resource_owner(&self, _resource: &str, _account: Option<&str>) {}
}

/// A service over a store in memory, with a bucket that may have lists.
struct World {
    runtime: tokio::runtime::Runtime,
    dispatch: S3Dispatch<S3Service>,
    cx: Cx,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let (dispatch, cx) = runtime.block_on(async {
            let (gate, live) = (Arc::new(Open), Live::default());
            let clock = Clock::frozen(Time::from_secs(1_700_000_000));
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new(4));
            let builder = Builder::new(store, clock.clone(), Ids::seeded(1));
            let builder = builder.machine(machine(gate.clone(), live.clone()));
            let core = builder.start(vec![tokio::runtime::Handle::current()]).await.expect("a core");
            let blobs = Arc::new(BlobStore::open_local(folder.path()).expect("a blob store"));
            let actor: Arc<dyn Actor> = Arc::new(S3Actor::new(Arc::clone(&blobs)));
            core.start_actors(BTreeMap::from([(Space::S3, actor)]));
            let master = MasterKey::from_bytes([7; 32]);
            let options = Options { classic_buckets: true, ..Options::default() };
            let service = S3Service::new(core, live, blobs, &master, Arc::default(), options);
            let principal = Principal::root("000000000000");
            let cx = Cx::from_within(gate, principal, "us-east-1", &Arc::from("1-fuzz"), clock.now());
            let input = CreateBucketInput { bucket: BUCKET.into(), ..Default::default() };
            service.create_bucket(&cx, input).await.expect("a bucket");
            (S3Dispatch(Arc::new(service)), cx)
        });
        World { runtime, dispatch, cx, _folder: folder }
    }

    /// Status and body of a request's answer.
    fn ask(&self, operation: &str, query: &str, body: Bytes) -> (u16, Bytes) {
        let operation = SERVICE.operations.iter().find(|one| one.name == operation).expect("an operation");
        let mut headers = http::HeaderMap::new();
        headers.insert("x-amz-skip-destination-validation", http::HeaderValue::from_static("true"));
        let call = Call {
            service: &SERVICE,
            operation,
            protocol: SERVICE.protocols[0],
            cx: self.cx.clone(),
            method: operation.method.parse().expect("a method"),
            path: format!("/{BUCKET}"),
            query: Some(query.to_owned()),
            headers,
            labels: vec![("Bucket", BUCKET.to_owned())],
            body: RequestBody::Bytes(body),
            audit: None,
        };
        let answer = self.runtime.block_on(self.dispatch.call(call));
        let status = answer.status().as_u16();
        let ResponseBody::Bytes(body) = answer.into_body() else { panic!("a stream") };
        (status, body)
    }
}

thread_local! {
    static WORLD: World = World::new();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, document)) = data.split_first() else { return };
    let (put, get, query) = KINDS[usize::from(*first) % KINDS.len()];
    WORLD.with(|world| {
        let (status, answer) = world.ask(put, query, Bytes::copy_from_slice(document));
        assert!(status < 500 || status == 501, "{status} {}", String::from_utf8_lossy(&answer));
        if status >= 300 {
            return;
        }
        let shown = world.ask(get, query, Bytes::new());
        // What was set may be nothing.
        if shown.0 >= 300 {
            return;
        }
        let again = world.ask(put, query, shown.1.clone());
        let (sent, got) = (String::from_utf8_lossy(&shown.1), String::from_utf8_lossy(&again.1));
        assert!(again.0 < 300, "{put}: {} {got} for {sent}", again.0);
        assert_eq!(world.ask(get, query, Bytes::new()), shown);
    });
});
