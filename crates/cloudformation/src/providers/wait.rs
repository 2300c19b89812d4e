//! `AWS::CloudFormation`: resources that are the stack's own.

use ropeway_wire::BoxFuture;
use serde_json::Value as Json;

use super::{Failure, Made, Provider, Subject};
use crate::template::ResourceType;

static HANDLE: ResourceType = ResourceType::new("AWS::CloudFormation::WaitConditionHandle", &[]);

/// `AWS::CloudFormation::WaitConditionHandle`: nothing but a name; there are no wait conditions that it would be for.
pub struct WaitConditionHandle;

impl Provider for WaitConditionHandle {
    fn resource_type(&self) -> &'static ResourceType {
        &HANDLE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.name, &[])) })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[])) })
    }

    fn delete<'a>(&'a self, _subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
