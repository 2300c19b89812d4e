//! CreateTrail, UpdateTrail, DeleteTrail, GetTrail, DescribeTrails, ListTrails.

use std::sync::Arc;

use ropeway_api::cloudtrail::{
    CreateTrailInput, CreateTrailOutput, DeleteTrailInput, DeleteTrailOutput, DescribeTrailsInput,
    DescribeTrailsOutput, GetTrailInput, GetTrailOutput, ListTrailsInput, ListTrailsOutput, Trail as Told,
    TrailInfo, UpdateTrailInput, UpdateTrailOutput, error,
};
use ropeway_api::s3::{HeadBucketInput, SERVICE as S3};
use ropeway_api::sns::SERVICE as SNS;
use ropeway_wire::{Cx, Error, Keys, Principal};

use super::{CloudTrail, check_name, own, tags, unexpected};
use crate::actor::PRINCIPAL;
use crate::commands::{Change, Command, Output, not_found};
use crate::model::{Settings, Trail};
use crate::selectors;

/// Most characters of a prefix.
const MAX_PREFIX: usize = 200;

pub async fn create_trail(
    service: &CloudTrail,
    cx: &Cx,
    input: CreateTrailInput,
) -> Result<CreateTrailOutput, Error> {
    check_name(&input.name)?;
    no_organization(input.is_organization_trail)?;
    let settings = Settings {
        bucket: input.s3_bucket_name,
        prefix: input.s3_key_prefix.filter(|prefix| !prefix.is_empty()),
        topic: input.sns_topic_name.filter(|name| !name.is_empty()).map(|name| topic(cx, &name)),
        global: input.include_global_service_events.unwrap_or(true),
        multi_region: input.is_multi_region_trail.unwrap_or(false),
        validation: input.enable_log_file_validation.unwrap_or(false),
    };
    let trail = Trail {
        home: own(cx),
        name: input.name,
        id: 0,
        settings,
        selectors: selectors::default(),
        tags: tags::unique(cx, input.tags_list.unwrap_or_default())?,
        logging: false,
        started: None,
        stopped: None,
    };
    check(service, cx, &trail).await?;
    let home = trail.home.clone();
    let Output::Trail(trail) = service.submit(cx, &home, Command::Create(Box::new(trail))).await? else {
        return Err(unexpected());
    };
    let Settings { bucket, prefix, topic, global, multi_region, validation } = trail.settings.clone();
    Ok(CreateTrailOutput {
        trail_arn: Some(trail.arn()),
        name: Some(trail.name),
        s3_bucket_name: Some(bucket),
        s3_key_prefix: prefix,
        sns_topic_name: topic.as_deref().map(name_of),
        sns_topic_arn: topic,
        include_global_service_events: Some(global),
        is_multi_region_trail: Some(multi_region),
        log_file_validation_enabled: Some(validation),
        is_organization_trail: Some(false),
        ..CreateTrailOutput::default()
    })
}

fn no_organization(wanted: Option<bool>) -> Result<(), Error> {
    if wanted == Some(true) {
        let why = "Ropeway does not implement IsOrganizationTrail: there are no organizations";
        return Err(error::unsupported_operation_exception(why));
    }
    Ok(())
}

/// The ARN of a topic that is named by its name or its ARN.
fn topic(cx: &Cx, name: &str) -> String {
    match name.starts_with("arn:") {
        true => name.to_owned(),
        false => format!("arn:aws:sns:{}:{}:{name}", cx.region, cx.account),
    }
}

fn name_of(topic: &str) -> String {
    topic.rsplit(':').next().unwrap_or(topic).to_owned()
}

/// The bucket must be there and let CloudTrail write what the trail delivers, and so must the topic, if there is one:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>.
async fn check(service: &CloudTrail, cx: &Cx, trail: &Trail) -> Result<(), Error> {
    let Settings { bucket, prefix, topic, .. } = &trail.settings;
    if prefix.as_ref().is_some_and(|prefix| prefix.len() > MAX_PREFIX || prefix.ends_with('/')) {
        let why =
            format!("The prefix must be at most {MAX_PREFIX} characters long, and not end with a slash.");
        return Err(error::invalid_s3_prefix_exception(why));
    }
    let source: Arc<str> = Arc::from(trail.arn());
    let gate = Arc::clone(&service.setup.gate);
    let as_principal = |principal: Principal| {
        let within = Cx::from_within(Arc::clone(&gate), principal, &cx.region, &cx.trace, cx.now);
        Cx { source: Some(Arc::clone(&source)), ..within }
    };
    let root = as_principal(Principal::root(&cx.account));
    let found = service
        .setup
        .services
        .call(root, HeadBucketInput { bucket: bucket.clone(), ..HeadBucketInput::default() });
    match found.await {
        Err(error) if error.status == 404 => {
            return Err(error::s3_bucket_does_not_exist_exception(format!(
                "S3 bucket {bucket} does not exist!"
            )));
        }
        Err(error) if error.status >= 500 => return Err(error),
        // A bucket of another account says no to this account's root, and may say yes to CloudTrail.
        _ => {}
    }
    let trailing = as_principal(Principal::service(PRINCIPAL, &cx.account));
    let mut keys = Keys::default();
    keys.add("aws:SourceArn", &source);
    keys.add("aws:SourceAccount", &cx.account);
    let arn = format!("arn:aws:s3:::{bucket}");
    let folder = prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let object = format!("{arn}/{folder}AWSLogs/{}/CloudTrail/{}/probe", cx.account, cx.region);
    let mut put = keys.clone();
    put.add("s3:x-amz-acl", "bucket-owner-full-control");
    let allowed = trailing
        .authorize(&S3, "s3:GetBucketAcl", &arn, &keys)
        .and_then(|()| trailing.authorize(&S3, "s3:PutObject", &object, &put));
    if allowed.is_err() {
        let why = format!("Incorrect S3 bucket policy is detected for bucket: {bucket}");
        return Err(error::insufficient_s3_bucket_policy_exception(why));
    }
    if let Some(topic) = topic
        && trailing.authorize(&SNS, "sns:Publish", topic, &keys).is_err()
    {
        let why = "SNS Topic does not exist or the topic policy is incorrect!";
        return Err(error::insufficient_sns_topic_policy_exception(why));
    }
    Ok(())
}

pub async fn update_trail(
    service: &CloudTrail,
    cx: &Cx,
    input: UpdateTrailInput,
) -> Result<UpdateTrailOutput, Error> {
    no_organization(input.is_organization_trail)?;
    let mut trail = Trail::clone(&*service.find_at_home(cx, &input.name)?);
    let settings = &mut trail.settings;
    settings.bucket = input.s3_bucket_name.unwrap_or_else(|| settings.bucket.clone());
    // An empty text takes them away, as on AWS.
    if let Some(prefix) = input.s3_key_prefix {
        settings.prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
    }
    if let Some(name) = input.sns_topic_name {
        settings.topic = Some(name).filter(|name| !name.is_empty()).map(|name| topic(cx, &name));
    }
    settings.global = input.include_global_service_events.unwrap_or(settings.global);
    settings.multi_region = input.is_multi_region_trail.unwrap_or(settings.multi_region);
    settings.validation = input.enable_log_file_validation.unwrap_or(settings.validation);
    check(service, cx, &trail).await?;
    let trail = service.change(cx, &trail, Change::Settings(trail.settings.clone())).await?;
    let told = told(&trail);
    Ok(UpdateTrailOutput {
        name: told.name,
        s3_bucket_name: told.s3_bucket_name,
        s3_key_prefix: told.s3_key_prefix,
        sns_topic_name: told.sns_topic_name,
        sns_topic_arn: told.sns_topic_arn,
        include_global_service_events: told.include_global_service_events,
        is_multi_region_trail: told.is_multi_region_trail,
        trail_arn: told.trail_arn,
        log_file_validation_enabled: told.log_file_validation_enabled,
        is_organization_trail: told.is_organization_trail,
        ..UpdateTrailOutput::default()
    })
}

pub async fn delete_trail(
    service: &CloudTrail,
    cx: &Cx,
    input: DeleteTrailInput,
) -> Result<DeleteTrailOutput, Error> {
    let trail = service.find_at_home(cx, &input.name)?;
    service.submit(cx, &trail.home, Command::Delete { arn: trail.arn() }).await?;
    Ok(DeleteTrailOutput {})
}

fn told(trail: &Trail) -> Told {
    let Settings { bucket, prefix, topic, global, multi_region, validation } = trail.settings.clone();
    Told {
        name: Some(trail.name.clone()),
        s3_bucket_name: Some(bucket),
        s3_key_prefix: prefix,
        sns_topic_name: topic.as_deref().map(name_of),
        sns_topic_arn: topic,
        include_global_service_events: Some(global),
        is_multi_region_trail: Some(multi_region),
        home_region: Some(trail.home.region.clone()),
        trail_arn: Some(trail.arn()),
        log_file_validation_enabled: Some(validation),
        has_custom_event_selectors: Some(trail.selectors != selectors::default()),
        has_insight_selectors: Some(false),
        is_organization_trail: Some(false),
        ..Told::default()
    }
}

pub async fn get_trail(service: &CloudTrail, cx: &Cx, input: GetTrailInput) -> Result<GetTrailOutput, Error> {
    let trail = service.find(cx, &input.name)?;
    Ok(GetTrailOutput { trail: Some(told(&trail)) })
}

pub async fn describe_trails(
    service: &CloudTrail,
    cx: &Cx,
    input: DescribeTrailsInput,
) -> Result<DescribeTrailsOutput, Error> {
    let shadows = input.include_shadow_trails.unwrap_or(true);
    let home = |trail: &Arc<Trail>| trail.home.region == cx.region;
    let visible = |trail: &Arc<Trail>| home(trail) || (shadows && trail.settings.multi_region);
    let names = input.trail_name_list.unwrap_or_default();
    let mut found = Vec::new();
    if names.is_empty() {
        found.extend(service.setup.registry.of(&cx.account).into_iter().filter(visible));
    }
    for name in &names {
        // Names that stand for no trail are passed over.
        match service.find(cx, name) {
            Ok(trail) if visible(&trail) || name.starts_with("arn:") => found.push(trail),
            Err(error) if error.code != not_found(name).code => return Err(error),
            _ => {}
        }
    }
    Ok(DescribeTrailsOutput { trail_list: Some(found.iter().map(|trail| told(trail)).collect()) })
}

pub async fn list_trails(
    service: &CloudTrail,
    cx: &Cx,
    input: ListTrailsInput,
) -> Result<ListTrailsOutput, Error> {
    // Five trails a region fit one page.
    if input.next_token.is_some() {
        return Err(error::invalid_next_token_exception("Invalid next token"));
    }
    let trails = service.setup.registry.of(&cx.account).into_iter().map(|trail| TrailInfo {
        trail_arn: Some(trail.arn()),
        name: Some(trail.name.clone()),
        home_region: Some(trail.home.region.clone()),
    });
    Ok(ListTrailsOutput { trails: Some(trails.collect()), next_token: None })
}
