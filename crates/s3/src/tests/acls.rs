//! Access control lists, through the service.

use ropeway_api::s3::*;
use ropeway_wire::{Cx, Error, Principal, PrincipalKind, canonical_id};

use super::support::*;

const OTHER: &str = "222222222222";
const EVERYONE: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

async fn own(world: &World, ownership: &str) -> Result<(), Error> {
    let rules = vec![OwnershipControlsRule { object_ownership: ownership.into() }];
    let input = PutBucketOwnershipControlsInput {
        bucket: BUCKET.into(),
        ownership_controls: OwnershipControls { rules },
        ..Default::default()
    };
    world.service.put_bucket_ownership_controls(&world.cx, input).await.map(drop)
}

async fn unblock(world: &World) {
    let input = DeletePublicAccessBlockInput { bucket: BUCKET.into(), ..Default::default() };
    world.service.delete_public_access_block(&world.cx, input).await.unwrap();
}

/// The same request by somebody else.
fn by(world: &World, principal: Principal) -> Cx {
    Cx { account: principal.account.clone(), principal: principal.into(), ..world.cx.clone() }
}

async fn list_bucket(world: &World, input: PutBucketAclInput) -> Result<(), Error> {
    let input = PutBucketAclInput { bucket: BUCKET.into(), ..input };
    world.service.put_bucket_acl(&world.cx, input).await.map(drop)
}

/// What the policy that the gate has says: whom it lets do what.
fn granted(world: &World) -> Vec<(String, String)> {
    let policies = world.gate.policies.lock().unwrap();
    let Some(text) = policies.get("arn:aws:s3:::bucket") else { return Vec::new() };
    let policy: serde_json::Value = serde_json::from_str(text).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().map(|s| (s["Principal"].to_string(), s["Action"].to_string())).collect()
}

#[tokio::test]
async fn a_bucket_s_list_is_part_of_its_policy() {
    let world = world().await;
    let other = canonical_id(OTHER);
    let grants = PutBucketAclInput {
        grant_write: Some(format!("id=\"{other}\"")),
        grant_read_acp: Some(format!("uri=\"{EVERYONE}\"")),
        ..Default::default()
    };
    assert_eq!(list_bucket(&world, grants.clone()).await.unwrap_err().code, "AccessControlListNotSupported");
    own(&world, "ObjectWriter").await.unwrap();
    assert_eq!(list_bucket(&world, grants.clone()).await.unwrap_err().status, 403);
    unblock(&world).await;
    list_bucket(&world, grants).await.unwrap();
    let everyone = ("\"*\"".to_owned(), "[\"s3:GetBucketAcl\"]".to_owned());
    let account = (format!("{{\"CanonicalUser\":\"{other}\"}}"), "[\"s3:PutObject\"]".to_owned());
    assert_eq!(granted(&world), [account.clone(), everyone]);
    let block = PublicAccessBlockConfiguration { ignore_public_acls: Some(true), ..Default::default() };
    let input = PutPublicAccessBlockInput {
        bucket: BUCKET.into(),
        public_access_block_configuration: block,
        ..Default::default()
    };
    world.service.put_public_access_block(&world.cx, input).await.unwrap();
    assert_eq!(granted(&world), [account]);
    // It must be taken back before the owner can own everything.
    assert_eq!(
        own(&world, "BucketOwnerEnforced").await.unwrap_err().code,
        "InvalidBucketAclWithObjectOwnership"
    );
    list_bucket(&world, PutBucketAclInput { acl: Some("private".into()), ..Default::default() })
        .await
        .unwrap();
    own(&world, "BucketOwnerEnforced").await.unwrap();
    assert!(granted(&world).is_empty());
}

/// User guide, "Controlling ownership of objects and disabling ACLs for your bucket".
#[tokio::test]
async fn ownership_says_whose_an_object_is() {
    let world = world().await;
    let other = by(&world, Principal::root(OTHER));
    let full = Some("bucket-owner-full-control".to_owned());
    for (ownership, acl, owner) in [
        ("BucketOwnerEnforced", None, "000000000000"),
        ("BucketOwnerEnforced", full.clone(), "000000000000"),
        ("BucketOwnerPreferred", None, OTHER),
        ("BucketOwnerPreferred", full.clone(), "000000000000"),
        ("ObjectWriter", None, OTHER),
        ("ObjectWriter", full, OTHER),
    ] {
        own(&world, ownership).await.unwrap();
        let input = PutObjectInput { acl: acl.clone(), ..put("k", b"x") };
        world.service.put_object(&other, input).await.unwrap();
        let listing = ListObjectsV2Input { fetch_owner: Some(true), ..Default::default() };
        let contents = world.list(listing).await.unwrap().contents.unwrap();
        let found = contents[0].owner.clone().unwrap().id.unwrap();
        assert_eq!(found, canonical_id(owner), "{ownership} {acl:?}");
    }
}

#[tokio::test]
async fn an_object_s_list_lets_in_whom_policies_do_not() {
    let world = world().await;
    own(&world, "ObjectWriter").await.unwrap();
    unblock(&world).await;
    world.put("closed", b"x").await.unwrap();
    let open = PutObjectInput { acl: Some("public-read".into()), ..put("open", b"x") };
    world.service.put_object(&world.cx, open).await.unwrap();
    for key in ["closed", "open"] {
        let refused = ("s3:GetObject".to_owned(), format!("arn:aws:s3:::bucket/{key}"));
        world.gate.denied.lock().unwrap().insert(refused);
    }
    let other = by(&world, Principal::root(OTHER));
    assert_eq!(world.service.get_object(&other, get("closed")).await.unwrap_err().status, 403);
    world.service.get_object(&other, get("open")).await.unwrap();
    let anonymous = by(&world, Principal::anonymous());
    assert_eq!(anonymous.principal.kind, PrincipalKind::Anonymous);
    world.service.get_object(&anonymous, get("open")).await.unwrap();
    let copied = CopyObjectInput {
        bucket: BUCKET.into(),
        key: "copy".into(),
        copy_source: "bucket/open".into(),
        ..Default::default()
    };
    world.service.copy_object(&anonymous, copied).await.unwrap();
    own(&world, "BucketOwnerEnforced").await.unwrap();
    assert_eq!(world.service.get_object(&other, get("open")).await.unwrap_err().status, 403);
}

#[tokio::test]
async fn lists_are_set_by_headers_or_bodies() {
    let world = world().await;
    own(&world, "ObjectWriter").await.unwrap();
    unblock(&world).await;
    world.put("k", b"x").await.unwrap();
    let (me, other) = (canonical_id("000000000000"), canonical_id(OTHER));
    let input =
        |acl: Option<&str>, grant: Option<String>, body: Option<AccessControlPolicy>| PutObjectAclInput {
            bucket: BUCKET.into(),
            key: "k".into(),
            acl: acl.map(str::to_owned),
            grant_read: grant,
            access_control_policy: body,
            ..Default::default()
        };
    let body = |owner: &str, id: &str| {
        let grantee = Grantee { id: Some(id.into()), type_: "CanonicalUser".into(), ..Default::default() };
        let grant = Grant { grantee: Some(grantee), permission: Some("READ".into()) };
        AccessControlPolicy {
            owner: Some(Owner { id: Some(owner.into()), ..Default::default() }),
            grants: Some(vec![grant]),
        }
    };
    let by_id = |id: &str| Some(format!("id={id}"));
    // API reference, `PutObjectAcl`; messages as localstack/localstack, test_s3_api.py records them.
    for (asked, code) in [
        (input(None, None, None), "MissingSecurityHeader"),
        (input(Some("public"), None, None), "InvalidArgument"),
        (input(Some("private"), by_id(&other), None), "InvalidRequest"),
        (input(Some("private"), None, Some(body(&me, &other))), "UnexpectedContent"),
        (input(None, by_id("nobody"), None), "InvalidArgument"),
        (input(None, Some("uri=http://other".into()), None), "InvalidArgument"),
        (input(None, Some("emailAddress=a@b".into()), None), "MethodNotAllowed"),
        (input(None, Some("whoever".into()), None), "InvalidArgument"),
        (input(None, None, Some(body(&other, &other))), "AccessDenied"),
        (input(None, None, Some(AccessControlPolicy::default())), "MalformedACLError"),
        (input(Some("aws-exec-read"), None, None), "NotImplemented"),
    ] {
        let error = world.service.put_object_acl(&world.cx, asked).await.unwrap_err();
        assert_eq!(error.code, code, "{}", error.message);
    }
    let get = || GetObjectAclInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    for asked in [input(None, by_id(&other), None), input(None, None, Some(body(&me, &other)))] {
        world.service.put_object_acl(&world.cx, asked).await.unwrap();
        let found = world.service.get_object_acl(&world.cx, get()).await.unwrap();
        assert_eq!(found.owner.unwrap().id.unwrap(), me);
        let grant = found.grants.unwrap().remove(0);
        assert_eq!(grant.permission.as_deref(), Some("READ"));
        assert_eq!(grant.grantee.unwrap().id.unwrap(), other);
    }
}

/// API reference, `CreateBucket`.
#[tokio::test]
async fn new_buckets_have_no_lists_unless_asked() {
    let world = world().await;
    for (name, acl, ownership, code) in [
        ("one", Some("private"), None, None),
        ("two", Some("public-read"), None, Some("InvalidBucketAclWithObjectOwnership")),
        (
            "two",
            Some("public-read"),
            Some("ObjectWriter"),
            Some("InvalidBucketAclWithBlockPublicAccessError"),
        ),
        ("two", None, Some("Nobody"), Some("InvalidArgument")),
        ("two", Some("log-delivery-write"), Some("BucketOwnerPreferred"), None),
    ] {
        let input = CreateBucketInput {
            bucket: format!("bucket-{name}"),
            acl: acl.map(str::to_owned),
            object_ownership: ownership.map(str::to_owned),
            ..Default::default()
        };
        let made = world.service.create_bucket(&world.cx, input).await;
        assert_eq!(made.err().map(|error| error.code.to_string()).as_deref(), code, "{acl:?} {ownership:?}");
    }
}
