//! The destinations of notifications: their ARNs, whether they are there, and whether they let S3 in.

use ropeway_api::lambda;
use ropeway_api::sns::{self, GetTopicAttributesInput};
use ropeway_api::sqs::{self, GetQueueUrlInput};
use ropeway_wire::schema::Service;
use ropeway_wire::{Cx, Error, Keys, Principal};

use crate::commands::bucket_arn;
use crate::model::Bucket;
use crate::notification::{Kind, PRINCIPAL, Rule};
use crate::{S3Service, error};

/// What is wrong with destinations is told of so many at most.
const TOLD: [(&str, &str); 10] = [
    ("ArgumentName1", "ArgumentValue1"),
    ("ArgumentName2", "ArgumentValue2"),
    ("ArgumentName3", "ArgumentValue3"),
    ("ArgumentName4", "ArgumentValue4"),
    ("ArgumentName5", "ArgumentValue5"),
    ("ArgumentName6", "ArgumentValue6"),
    ("ArgumentName7", "ArgumentValue7"),
    ("ArgumentName8", "ArgumentValue8"),
    ("ArgumentName9", "ArgumentValue9"),
    ("ArgumentName10", "ArgumentValue10"),
];

/// What an ARN says of a destination.
struct Place<'a> {
    region: &'a str,
    account: &'a str,
    name: &'a str,
}

fn place(kind: Kind, arn: &str) -> Option<Place<'_>> {
    let service = match kind {
        Kind::Queue => "sqs",
        Kind::Topic => "sns",
        Kind::Function => "lambda",
    };
    let mut parts = arn.splitn(6, ':');
    if (parts.next()?, parts.next()?, parts.next()?) != ("arn", "aws", service) {
        return None;
    }
    let found = Place { region: parts.next()?, account: parts.next()?, name: parts.next()? };
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let named = match kind {
        Kind::Queue | Kind::Topic => !found.name.is_empty() && found.name.bytes().all(sound),
        Kind::Function => {
            let name = found.name.strip_prefix("function:")?;
            let mut parts = name.split(':');
            let good = |part: &str| !part.is_empty() && part.bytes().all(|b| sound(b) || b == b'$');
            parts.by_ref().take(2).all(good) && parts.next().is_none()
        }
    };
    let account = found.account.len() == 12 && found.account.bytes().all(|b| b.is_ascii_digit());
    (named && account && !found.region.is_empty()).then_some(found)
}

/// Checks the form of a destination's ARN, and that it is one that S3 can send to.
///
/// # Errors
/// 400 `InvalidArgument` for another form, another region than the bucket's, and FIFO queues and topics.
pub(super) fn check_arn(kind: Kind, arn: &str, bucket: &Bucket) -> Result<(), Error> {
    let name = match kind {
        Kind::Queue => "Queue",
        Kind::Topic => "Topic",
        Kind::Function => "CloudFunction",
    };
    let refused = |message: &str| error::invalid_argument(name, arn, message);
    let place = place(kind, arn).ok_or_else(|| refused("The ARN could not be parsed"))?;
    if place.name.ends_with(".fifo") {
        return Err(refused(match kind {
            Kind::Queue => "FIFO SQS queues are not supported.",
            _ => "FIFO SNS topics are not supported.",
        }));
    }
    if place.region != bucket.region {
        let message =
            "The notification destination service region is not valid for the bucket location constraint";
        return Err(refused(message));
    }
    Ok(())
}

/// Checks that the destinations are there and that their policies let S3 in, on behalf of the bucket.
///
/// # Errors
/// 400 `InvalidArgument`, with each destination and what is wrong with it.
pub(super) async fn check(
    service: &S3Service,
    cx: &Cx,
    name: &str,
    bucket: &Bucket,
    rules: &[Rule],
) -> Result<(), Error> {
    let mut wrong: Vec<(String, String)> = Vec::new();
    for rule in rules {
        if let Some((destination, why)) = problem(service, cx, name, bucket, rule).await?
            && !wrong.iter().any(|(known, _)| *known == destination)
        {
            wrong.push((destination, why));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let error =
        Error::new(400, "InvalidArgument", "Unable to validate the following destination configurations");
    Err(TOLD.into_iter().zip(wrong).fold(error, |error, ((name, value), (destination, why))| {
        error.with_member(name, destination).with_member(value, why)
    }))
}

/// What is wrong with a destination, in S3's words: localstack/localstack, `test_s3_notifications_*.snapshot.json`,
/// and the S3 console's.
async fn problem(
    service: &S3Service,
    cx: &Cx,
    name: &str,
    bucket: &Bucket,
    rule: &Rule,
) -> Result<Option<(String, String)>, Error> {
    let arn = rule.destination.clone();
    let noun = match rule.kind {
        // S3 tries to invoke the function, without looking for it.
        Kind::Function if may(cx, name, bucket, rule) => return Ok(None),
        Kind::Function => {
            return Ok(Some((format!("{arn}, null"), format!("Not authorized to invoke function [{arn}]"))));
        }
        Kind::Queue => "queue",
        Kind::Topic => "topic",
    };
    if !exists(service, cx, rule).await? {
        return Ok(Some((arn, format!("The destination {noun} does not exist"))));
    }
    let why = format!(
        "Permissions on the destination {noun} do not allow S3 to publish notifications from this bucket"
    );
    Ok((!may(cx, name, bucket, rule)).then_some((arn, why)))
}

/// Whether the destination's policy lets S3 in.
fn may(cx: &Cx, name: &str, bucket: &Bucket, rule: &Rule) -> bool {
    let (service, action): (&Service, &str) = match rule.kind {
        Kind::Queue => (&sqs::SERVICE, "sqs:SendMessage"),
        Kind::Topic => (&sns::SERVICE, "sns:Publish"),
        Kind::Function => (&lambda::SERVICE, "lambda:InvokeFunction"),
    };
    let principal = Principal::service(PRINCIPAL, &bucket.account);
    let inside = Cx::from_within(cx.gate.clone(), principal, &bucket.region, &cx.trace, cx.now);
    let mut keys = Keys::default();
    keys.add("aws:SourceArn", &bucket_arn(name));
    keys.add("aws:SourceAccount", &bucket.account);
    inside.authorize(service, action, &rule.destination, &keys).is_ok()
}

/// Whether a queue or a topic is there. Nobody needs a permission for S3 to find out, so its own account asks.
async fn exists(service: &S3Service, cx: &Cx, rule: &Rule) -> Result<bool, Error> {
    let Some(place) = place(rule.kind, &rule.destination) else { return Ok(false) };
    let inside =
        Cx::from_within(cx.gate.clone(), Principal::root(place.account), place.region, &cx.trace, cx.now);
    let found = match rule.kind {
        Kind::Queue => {
            let input = GetQueueUrlInput {
                queue_name: place.name.to_owned(),
                queue_owner_aws_account_id: Some(place.account.to_owned()),
            };
            service.services.call(inside, input).await.map(drop)
        }
        Kind::Topic => {
            let input = GetTopicAttributesInput { topic_arn: rule.destination.clone() };
            service.services.call(inside, input).await.map(drop)
        }
        Kind::Function => Ok(()),
    };
    match found {
        Ok(()) => Ok(true),
        // What may not be looked at is there.
        Err(error) if error.status == 403 => Ok(true),
        Err(error) if error.is_sender_fault() => Ok(false),
        Err(error) => Err(error::internal(&error.to_string())),
    }
}
