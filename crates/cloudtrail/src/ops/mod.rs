//! The operations: wire input to command, and what it answers to wire output.

mod events;
mod public_keys;
mod selectors;
mod status;
mod tags;
mod trails;

use std::sync::Arc;

use ropeway_api::cloudtrail::{self as api, error};
use ropeway_core::keys::Scope;
use ropeway_core::{Core, Fault};
use ropeway_wire::{Cx, Error};

use crate::Setup;
use crate::commands::{Change, CloudTrailMachine, Command, Output, not_found};
use crate::keys;
use crate::model::{self, Trail};

/// The service.
pub struct CloudTrail {
    core: Core,
    setup: Setup,
}

impl CloudTrail {
    pub(crate) fn new(core: Core, setup: Setup) -> Self {
        CloudTrail { core, setup }
    }

    /// Applies a command in the shard of an account's audit log in a region.
    async fn submit(&self, cx: &Cx, scope: &Scope, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&keys::journal(scope));
        self.core.submit::<CloudTrailMachine>(shard, &cx.trace, command).await
    }

    /// The trail that a request names by its name or its ARN; by its name in other regions too, if it looks at them.
    fn find(&self, cx: &Cx, name: &str) -> Result<Arc<Trail>, Error> {
        if !name.starts_with("arn:") {
            check_name(name)?;
            let mine = |trail: &&Arc<Trail>| {
                let here = trail.home.region == cx.region || trail.settings.multi_region;
                trail.name == name && here
            };
            let trails = self.setup.registry.of(&cx.account);
            let home = trails.iter().filter(|trail| trail.home.region == cx.region).find(mine);
            let found = home.or_else(|| trails.iter().find(mine)).cloned();
            return found.ok_or_else(|| not_found(&model::arn(&own(cx), name)));
        }
        let (scope, _) = parse(name)?;
        let found = self.setup.registry.get(name).filter(|_| scope.account == cx.account);
        found.ok_or_else(|| not_found(name))
    }

    /// The same, to be changed: in its home region alone.
    fn find_at_home(&self, cx: &Cx, name: &str) -> Result<Arc<Trail>, Error> {
        let trail = self.find(cx, name)?;
        if trail.home.region == cx.region {
            return Ok(trail);
        }
        let (arn, home) = (trail.arn(), &trail.home.region);
        let why = format!(
            "Trail {arn} must be updated in its home region {home}; the request is for {}.",
            cx.region
        );
        Err(error::invalid_home_region_exception(why))
    }

    async fn change(&self, cx: &Cx, trail: &Trail, change: Change) -> Result<Trail, Error> {
        let command = Command::Change { arn: trail.arn(), change };
        match self.submit(cx, &trail.home, command).await? {
            Output::Trail(trail) => Ok(*trail),
            _ => Err(unexpected()),
        }
    }
}

/// A command's answer is not of the kind that it gives.
fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

/// The caller's account and region.
fn own(cx: &Cx) -> Scope {
    Scope::new(&cx.account, &cx.region)
}

/// Scope and name of a trail's ARN.
fn parse(arn: &str) -> Result<(Scope, String), Error> {
    let words: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", "aws", "cloudtrail", region, account, rest] = words.as_slice()
        && let Some(name) = rest.strip_prefix("trail/")
        && check_name(name).is_ok()
    {
        return Ok((Scope::new(*account, *region), name.to_owned()));
    }
    Err(error::cloud_trail_arn_invalid_exception(format!("Invalid ARN: {arn}.")))
}

/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html>, `Name`.
fn check_name(name: &str) -> Result<(), Error> {
    let symbol = |c: char| matches!(c, '.' | '_' | '-');
    let length = name.chars().count();
    let why = if length < 3 {
        format!(
            "Trail name too short. Minimum allowed length: 3 characters. Specified name length: {length} characters."
        )
    } else if length > 128 {
        format!(
            "Trail name too long. Maximum allowed length: 128 characters. Specified name length: {length} characters."
        )
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || symbol(c)) {
        "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).".to_owned()
    } else if name.starts_with(symbol) {
        "Trail name must starts with a letter or number.".to_owned()
    } else if name.ends_with(symbol) {
        "Trail name must ends with a letter or number.".to_owned()
    } else if name.as_bytes().windows(2).any(|pair| pair.iter().all(|b| symbol(char::from(*b)))) {
        "Trail name can't have adjacent periods, underscores or hyphens.".to_owned()
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "Trail name can't be in IP address format.".to_owned()
    } else {
        return Ok(());
    };
    Err(error::invalid_trail_name_exception(why))
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Cloudtrail for CloudTrail {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    tags::add_tags(AddTagsInput) -> AddTagsOutput;
    trails::create_trail(CreateTrailInput) -> CreateTrailOutput;
    trails::delete_trail(DeleteTrailInput) -> DeleteTrailOutput;
    trails::describe_trails(DescribeTrailsInput) -> DescribeTrailsOutput;
    selectors::get_event_selectors(GetEventSelectorsInput) -> GetEventSelectorsOutput;
    trails::get_trail(GetTrailInput) -> GetTrailOutput;
    status::get_trail_status(GetTrailStatusInput) -> GetTrailStatusOutput;
    public_keys::list_public_keys(ListPublicKeysInput) -> ListPublicKeysOutput;
    tags::list_tags(ListTagsInput) -> ListTagsOutput;
    trails::list_trails(ListTrailsInput) -> ListTrailsOutput;
    events::lookup_events(LookupEventsInput) -> LookupEventsOutput;
    selectors::put_event_selectors(PutEventSelectorsInput) -> PutEventSelectorsOutput;
    tags::remove_tags(RemoveTagsInput) -> RemoveTagsOutput;
    status::start_logging(StartLoggingInput) -> StartLoggingOutput;
    status::stop_logging(StopLoggingInput) -> StopLoggingOutput;
    trails::update_trail(UpdateTrailInput) -> UpdateTrailOutput;
}
