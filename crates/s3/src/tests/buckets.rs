use ropeway_api::s3::*;

use super::support::*;

fn constrained(bucket: &str, region: &str) -> CreateBucketInput {
    CreateBucketInput {
        bucket: bucket.into(),
        create_bucket_configuration: Some(CreateBucketConfiguration {
            location_constraint: Some(region.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn buckets_are_made_once() {
    let mut world = world().await;
    // In us-east-1 the owner's second request succeeds.
    world.create(BUCKET).await.unwrap();
    world.service.create_bucket(&world.cx, constrained("irish", "eu-west-1")).await.unwrap();
    let error = world.service.create_bucket(&world.cx, constrained("irish", "eu-west-1")).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (409, "BucketAlreadyOwnedByYou"));
    assert_eq!(error.members["BucketName"], "irish");
    world.cx.account = "111111111111".into();
    assert_eq!(world.create(BUCKET).await.unwrap_err().code, "BucketAlreadyExists");
    assert_eq!(world.create("No").await.unwrap_err().code, "InvalidBucketName");
}

#[tokio::test]
async fn a_bucket_is_made_where_its_endpoint_is() {
    let mut world = world().await;
    let error = world.service.create_bucket(&world.cx, constrained("b-1", "us-east-1")).await.unwrap_err();
    assert_eq!(error.code, "InvalidLocationConstraint");
    world.cx.region = "eu-west-1".into();
    for input in [constrained("b-1", ""), constrained("b-1", "eu-north-1")] {
        let error = world.service.create_bucket(&world.cx, input).await.unwrap_err();
        assert_eq!(error.code, "IllegalLocationConstraintException");
    }
    world.service.create_bucket(&world.cx, constrained("b-1", "EU")).await.unwrap();
    let location = async |bucket: &str| {
        let input = GetBucketLocationInput { bucket: bucket.into(), ..Default::default() };
        world.service.get_bucket_location(&world.cx, input).await.unwrap().location_constraint
    };
    assert_eq!(location("b-1").await.as_deref(), Some("eu-west-1"));
    assert_eq!(location(BUCKET).await.as_deref(), Some(""));
}

#[tokio::test]
async fn a_request_to_another_region_is_redirected() {
    let mut world = world().await;
    world.cx.region = "eu-west-1".into();
    world.cx.source_ip = Some("127.0.0.1".parse().unwrap());
    let error = world.put("k", b"x").await.unwrap_err();
    assert_eq!((error.status, &*error.code), (301, "PermanentRedirect"));
    assert!(error.headers.contains(&("x-amz-bucket-region", "us-east-1".to_owned())));
}

#[tokio::test]
async fn the_expected_owner_must_own_the_bucket() {
    let world = world().await;
    let head =
        |owner: &str| HeadBucketInput { bucket: BUCKET.into(), expected_bucket_owner: Some(owner.into()) };
    let answer = world.service.head_bucket(&world.cx, head("000000000000")).await.unwrap();
    assert_eq!(answer.bucket_region.as_deref(), Some("us-east-1"));
    let error = world.service.head_bucket(&world.cx, head("111111111111")).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (403, "AccessDenied"));
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let world = world().await;
    for name in ["alpha", "beta", "gamma"] {
        world.create(name).await.unwrap();
    }
    world.service.create_bucket(&world.cx, constrained("irish", "eu-west-1")).await.unwrap();
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let input =
            ListBucketsInput { max_buckets: Some(2), continuation_token: token, ..Default::default() };
        let page = world.service.list_buckets(&world.cx, input).await.unwrap();
        names.extend(page.buckets.unwrap().into_iter().map(|bucket| bucket.name.unwrap()));
        token = page.continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["alpha", "beta", BUCKET, "gamma", "irish"]);
    let input = ListBucketsInput { bucket_region: Some("eu-west-1".into()), ..Default::default() };
    let page = world.service.list_buckets(&world.cx, input).await.unwrap();
    assert_eq!(page.buckets.unwrap().len(), 1);
}

#[tokio::test]
async fn only_an_empty_bucket_is_deleted() {
    let world = world().await;
    world.put("k", b"x").await.unwrap();
    let delete = || DeleteBucketInput { bucket: BUCKET.into(), ..Default::default() };
    let error = world.service.delete_bucket(&world.cx, delete()).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (409, "BucketNotEmpty"));
    world.delete("k").await.unwrap();
    let id = world.begin("unfinished").await;
    world.part("unfinished", &id, 1, &bytes(100_000, 1)).await.unwrap();
    assert_eq!(world.gate.owners.lock().unwrap()["arn:aws:s3:::bucket"], "000000000000");
    world.service.delete_bucket(&world.cx, delete()).await.unwrap();
    assert!(world.gate.owners.lock().unwrap().is_empty());
    assert_eq!(world.put("k", b"x").await.unwrap_err().code, "NoSuchBucket");
    assert!(
        world.service.list_buckets(&world.cx, Default::default()).await.unwrap().buckets.unwrap().is_empty()
    );
    assert_eq!(world.settled_blobs(0).await, 0);
}

#[tokio::test]
async fn policies_reach_the_gate() {
    let world = world().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    let get = || GetBucketPolicyInput { bucket: BUCKET.into(), ..Default::default() };
    let error = world.service.get_bucket_policy(&world.cx, get()).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (404, "NoSuchBucketPolicy"));
    let put = |policy: &str| PutBucketPolicyInput {
        bucket: BUCKET.into(),
        policy: policy.into(),
        ..Default::default()
    };
    let error = world.service.put_bucket_policy(&world.cx, put(policy)).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (403, "AccessDenied"));
    assert!(error.message.contains("BlockPublicPolicy"), "{}", error.message);
    let open = DeletePublicAccessBlockInput { bucket: BUCKET.into(), ..Default::default() };
    world.service.delete_public_access_block(&world.cx, open).await.unwrap();
    world.service.put_bucket_policy(&world.cx, put(policy)).await.unwrap();
    assert_eq!(world.gate.policies.lock().unwrap()["arn:aws:s3:::bucket"], policy);
    assert_eq!(
        world.service.get_bucket_policy(&world.cx, get()).await.unwrap().policy.as_deref(),
        Some(policy)
    );
    let error = world.service.put_bucket_policy(&world.cx, put("{}")).await.unwrap_err();
    assert_eq!(error.code, "MalformedPolicy");
    let delete = DeleteBucketPolicyInput { bucket: BUCKET.into(), ..Default::default() };
    world.service.delete_bucket_policy(&world.cx, delete).await.unwrap();
    assert!(world.gate.policies.lock().unwrap().is_empty());
}

#[tokio::test]
async fn encryption_is_always_on() {
    let world = world().await;
    let algorithm = async || {
        let input = GetBucketEncryptionInput { bucket: BUCKET.into(), ..Default::default() };
        let answer = world.service.get_bucket_encryption(&world.cx, input).await.unwrap();
        let rules = answer.server_side_encryption_configuration.unwrap().rules;
        let by_default = rules[0].apply_server_side_encryption_by_default.clone();
        (by_default.unwrap().sse_algorithm, rules[0].bucket_key_enabled)
    };
    assert_eq!(algorithm().await, ("AES256".into(), Some(false)));
    let put = |algorithm: &str| PutBucketEncryptionInput {
        bucket: BUCKET.into(),
        server_side_encryption_configuration: ServerSideEncryptionConfiguration {
            rules: vec![ServerSideEncryptionRule {
                apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                    sse_algorithm: algorithm.into(),
                }),
                bucket_key_enabled: Some(true),
                blocked_encryption_types: None,
            }],
        },
        ..Default::default()
    };
    world.service.put_bucket_encryption(&world.cx, put("AES256")).await.unwrap();
    assert_eq!(algorithm().await, ("AES256".into(), Some(true)));
    let error = world.service.put_bucket_encryption(&world.cx, put("aws:kms:dsse")).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (501, "NotImplemented"));
    assert!(error.message.contains("aws:kms:dsse"));
}

#[tokio::test]
async fn buckets_have_tags() {
    let world = world().await;
    let get = || GetBucketTaggingInput { bucket: BUCKET.into(), ..Default::default() };
    assert_eq!(world.service.get_bucket_tagging(&world.cx, get()).await.unwrap_err().code, "NoSuchTagSet");
    let tag = |key: &str| Tag { key: key.into(), value: "v".into() };
    let put = |tag_set: Vec<Tag>| PutBucketTaggingInput {
        bucket: BUCKET.into(),
        tagging: Tagging { tag_set },
        ..Default::default()
    };
    world.service.put_bucket_tagging(&world.cx, put(vec![tag("a"), tag("b")])).await.unwrap();
    assert_eq!(world.service.get_bucket_tagging(&world.cx, get()).await.unwrap().tag_set.len(), 2);
    for bad in [vec![tag("a"), tag("a")], vec![tag("aws:x")]] {
        let error = world.service.put_bucket_tagging(&world.cx, put(bad)).await.unwrap_err();
        assert_eq!(error.code, "InvalidTag");
    }
}
