//! Resources of other services than queues and topics.

use ropeway_api::cloudformation::*;
use ropeway_api::{iam, s3};

use crate::world::*;

const IDENTITIES: &str = r#"
Resources:
  Boundary:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Description: at most this
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}
  Writer:
    Type: AWS::IAM::Role
    Properties:
      RoleName: writer
      Path: /app/
      Description: writes
      MaxSessionDuration: 7200
      PermissionsBoundary: !Ref Boundary
      ManagedPolicyArns: [!Ref Boundary]
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: firehose.amazonaws.com}, Action: sts:AssumeRole}]
      Policies:
        - PolicyName: write
          PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: s3:PutObject, Resource: !Sub "${Archive.Arn}/*"}]}
      Tags: [{Key: team, Value: a}]
  People: {Type: AWS::IAM::Group}
  Ana: {Type: AWS::IAM::User, Properties: {Groups: [!Ref People]}}
  Extra:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: extra
      Roles: [!Ref Writer]
      Users: [!Ref Ana]
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: s3:GetObject, Resource: "*"}]}
  Archive:
    Type: AWS::S3::Bucket
    Properties:
      BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]}
      Tags: [{Key: team, Value: a}]
  ArchivePolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Archive
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {AWS: !GetAtt Writer.Arn}, Action: s3:ListBucket, Resource: !GetAtt Archive.Arn}]
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
Outputs:
  Role: {Value: !GetAtt Writer.Arn}
  Bucket: {Value: !Ref Archive}
"#;

fn create(template: &str) -> CreateStackInput {
    CreateStackInput {
        stack_name: "ids".to_owned(),
        template_body: Some(template.to_owned()),
        capabilities: Some(vec!["CAPABILITY_NAMED_IAM".to_owned()]),
        ..CreateStackInput::default()
    }
}

async fn settled_at(world: &World, id: &str, status: &str) -> Stack {
    let stack = world.settled(id).await;
    let reasons: Vec<_> =
        world.all_events(id).await.into_iter().filter_map(|e| e.resource_status_reason).collect();
    assert_eq!(stack.stack_status, status, "{reasons:#?}");
    stack
}

#[tokio::test]
async fn makes_changes_and_deletes_identities_and_buckets() {
    let world = World::new().await;
    let id = world.create_with(create(IDENTITIES)).await.unwrap();
    let stack = settled_at(&world, &id, "CREATE_COMPLETE").await;
    let outputs = stack.outputs.unwrap();
    assert_eq!(outputs[0].output_value.as_deref(), Some("arn:aws:iam::000000000000:role/app/writer"));
    let bucket = outputs[1].output_value.clone().unwrap();
    assert!(bucket.starts_with("ids-archive-"), "{bucket}");
    let role = || iam::GetRoleInput { role_name: "writer".to_owned() };
    let found = world.call(role()).await.unwrap().role;
    assert_eq!((found.max_session_duration, found.description.as_deref()), (Some(7200), Some("writes")));
    assert!(found.permissions_boundary.is_some());
    let inline = || iam::ListRolePoliciesInput { role_name: "writer".to_owned(), ..Default::default() };
    assert_eq!(world.call(inline()).await.unwrap().policy_names, ["extra", "write"]);
    let tags = s3::GetBucketTaggingInput { bucket: bucket.clone(), ..Default::default() };
    let tags = world.call(tags).await.unwrap().tag_set;
    assert_eq!(tags.iter().filter(|tag| !tag.key.starts_with("aws:cloudformation:")).count(), 1);
    assert_eq!(tags.len(), 4);

    let next = IDENTITIES
        .replace("MaxSessionDuration: 7200", "MaxSessionDuration: 3600")
        .replace("ManagedPolicyArns: [!Ref Boundary]", "ManagedPolicyArns: []")
        .replace("PolicyName: extra", "PolicyName: more")
        .replace("\"s3:*\"", "\"s3:Get*\"")
        .replace("Value: a}]", "Value: b}]");
    let input = UpdateStackInput {
        stack_name: "ids".to_owned(),
        template_body: Some(next),
        capabilities: Some(vec!["CAPABILITY_NAMED_IAM".to_owned()]),
        ..UpdateStackInput::default()
    };
    world.cfn.update_stack(&world.cx, input).await.unwrap();
    settled_at(&world, &id, "UPDATE_COMPLETE").await;
    let found = world.call(role()).await.unwrap().role;
    assert_eq!(found.max_session_duration, Some(3600));
    assert_eq!(found.tags.unwrap()[0].value, "b");
    assert_eq!(world.call(inline()).await.unwrap().policy_names, ["more", "write"]);

    let put = s3::PutObjectInput { bucket: bucket.clone(), key: "k".to_owned(), ..Default::default() };
    world.call(put).await.unwrap();
    world.delete("ids").await.unwrap();
    settled_at(&world, &id, "DELETE_FAILED").await;
    let resource = &world.resources(&id).await["Archive"];
    assert!(resource.resource_status_reason.clone().unwrap().contains("not empty"), "{resource:?}");
    let object = s3::DeleteObjectInput { bucket, key: "k".to_owned(), ..Default::default() };
    world.call(object).await.unwrap();
    world.delete("ids").await.unwrap();
    settled_at(&world, &id, "DELETE_COMPLETE").await;
    assert!(world.call(role()).await.is_err());
    assert!(world.call(iam::ListUsersInput::default()).await.unwrap().users.is_empty());
    assert!(
        world.call(s3::ListBucketsInput::default()).await.unwrap().buckets.unwrap_or_default().is_empty()
    );
}

#[tokio::test]
async fn reads_a_template_from_a_bucket() {
    let world = World::new().await;
    let bucket = s3::CreateBucketInput { bucket: "templates".to_owned(), ..Default::default() };
    world.call(bucket).await.unwrap();
    let body = bytes::Bytes::from_static(b"Resources: {Q: {Type: AWS::SQS::Queue}}");
    let put = s3::PutObjectInput {
        bucket: "templates".to_owned(),
        key: "t.yaml".to_owned(),
        body: Some(body.into()),
        ..Default::default()
    };
    world.call(put).await.unwrap();
    let at = |url: &str| CreateStackInput {
        template_body: None,
        template_url: Some(url.to_owned()),
        ..create("")
    };
    let id = world.create_with(at("http://localhost:4566/templates/t.yaml")).await.unwrap();
    settled_at(&world, &id, "CREATE_COMPLETE").await;
    assert!(
        world
            .create_with(at("https://example.com/t.yaml"))
            .await
            .unwrap_err()
            .message
            .contains("TemplateURL")
    );
    let missing = world.create_with(at("http://localhost:4566/templates/none.yaml")).await.unwrap_err();
    assert!(missing.message.starts_with("S3 error: "), "{}", missing.message);
}
