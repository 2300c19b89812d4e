//! `AWS::CloudFormation::Macro`: functions that transform templates.
//!
//! Source: the template reference, `AWS::CloudFormation::Macro`.

use ropeway_wire::{BoxFuture, Error};
use serde_json::Value as Json;

use super::{Failure, Made, Provider, Subject, text};
use crate::commands::{Command, Stacks};
use crate::keys::exports_shard;
use crate::template::{Kind, Property, ResourceType};

static MACRO: ResourceType = ResourceType::new(
    "AWS::CloudFormation::Macro",
    &[
        Property::new("Description", Kind::String),
        Property::new("FunctionName", Kind::String).required(),
        Property::new("Name", Kind::String).required().replacement(),
    ],
);

/// `AWS::CloudFormation::Macro`: its physical id is its name.
pub struct Macro;

async fn set(subject: &Subject<'_>, name: &str, function: Option<String>) -> Result<(), Error> {
    let (stack, id) = (subject.stack.clone(), subject.logical_id.to_owned());
    let shard = subject.core.shard_of(&exports_shard(&stack.scope));
    let command = Command::SetMacro(stack, id, name.to_owned(), function);
    subject.core.submit::<Stacks>(shard, &subject.cx.trace, command).await.map(drop)
}

impl Provider for Macro {
    fn resource_type(&self) -> &'static ResourceType {
        &MACRO
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            set(subject, subject.name, Some(text(subject.property("FunctionName")))).await?;
            Ok(Made::new(subject.name, &[]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        self.create(subject)
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(set(subject, subject.physical_id, None).await?) })
    }
}
