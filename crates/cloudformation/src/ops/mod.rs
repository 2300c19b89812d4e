//! The operations: input to command or read, and back.

mod change_sets;
mod changes;
mod cloud_control;
mod describe;
mod exports;
mod imports;
mod macros;
pub(crate) mod nested_sets;
mod page;
mod plan;
mod policies;
pub(crate) mod request;
mod signals;
pub(crate) mod source;
pub(crate) mod stacks;
mod templates;

use std::sync::Arc;

pub use cloud_control::CloudControl;

use ropeway_api::cloudformation::*;
use ropeway_core::keys::Scope;
use ropeway_core::{Core, directory};
use ropeway_wire::{Cx, Error, Services};

use crate::commands::{Command, Output as Answered, Stacks};
use crate::error;
use crate::keys::{self, StackKey};
use crate::model::{Definition, Stack as StackRow};

/// The service.
pub struct CloudFormation {
    core: Core,
    services: Arc<Services>,
}

impl CloudFormation {
    /// The service over a core whose machines include [`Stacks`]; the services are for templates kept in S3.
    pub fn new(core: Core, services: Arc<Services>) -> Self {
        Self { core, services }
    }

    async fn submit(&self, cx: &Cx, shard: &str, command: Command) -> Result<Answered, Error> {
        self.core.submit::<Stacks>(self.core.shard_of(shard), &cx.trace, command).await
    }

    pub(crate) async fn on_stack(
        &self,
        cx: &Cx,
        key: &StackKey,
        command: Command,
    ) -> Result<Answered, Error> {
        self.submit(cx, &key.shard(), command).await
    }

    /// The stack of a name or an ARN; none: there is none in the caller's account and region.
    async fn find(&self, cx: &Cx, stack: &str) -> Result<Option<StackKey>, Error> {
        let scope = scope(cx);
        if stack.starts_with("arn:") {
            return Ok(StackKey::parse(stack).filter(|key| key.scope == scope));
        }
        let shard = keys::stack_shard(&scope, stack);
        match self.submit(cx, &shard, Command::Find(scope, stack.to_owned())).await? {
            Answered::Found(found) => Ok(found),
            _ => Err(error::unexpected()),
        }
    }

    /// The stack of a name or an ARN, which must be there; `missing` words its absence.
    async fn stack_of(
        &self,
        cx: &Cx,
        stack: &str,
        missing: impl Fn(&str) -> Error,
    ) -> Result<(StackRow, Definition), Error> {
        let key = self.find(cx, stack).await?.ok_or_else(|| missing(stack))?;
        match self.on_stack(cx, &key, Command::Describe(key.clone())).await {
            Ok(Answered::Stack(found)) => Ok(*found),
            Ok(_) => Err(error::unexpected()),
            Err(error) if error.status < 500 => Err(missing(stack)),
            Err(error) => Err(error),
        }
    }

    /// Reads or changes a list of names.
    async fn list(&self, cx: &Cx, command: directory::Command) -> Result<directory::Names, Error> {
        Ok(directory::apply(&self.core, &cx.trace, command).await?)
    }
}

/// The caller's account and region.
fn scope(cx: &Cx) -> Scope {
    Scope::new(&*cx.account, &*cx.region)
}

impl Cloudformation for CloudFormation {
    async fn cancel_update_stack(
        &self,
        cx: &Cx,
        input: CancelUpdateStackInput,
    ) -> Result<CancelUpdateStackOutput, Error> {
        stacks::cancel_update_stack(self, cx, input).await
    }

    async fn continue_update_rollback(
        &self,
        cx: &Cx,
        input: ContinueUpdateRollbackInput,
    ) -> Result<ContinueUpdateRollbackOutput, Error> {
        stacks::continue_update_rollback(self, cx, input).await
    }

    async fn create_change_set(
        &self,
        cx: &Cx,
        input: CreateChangeSetInput,
    ) -> Result<CreateChangeSetOutput, Error> {
        change_sets::create_change_set(self, cx, input).await
    }

    async fn create_stack(&self, cx: &Cx, input: CreateStackInput) -> Result<CreateStackOutput, Error> {
        stacks::create_stack(self, cx, input).await
    }

    async fn delete_change_set(
        &self,
        cx: &Cx,
        input: DeleteChangeSetInput,
    ) -> Result<DeleteChangeSetOutput, Error> {
        change_sets::delete_change_set(self, cx, input).await
    }

    async fn delete_stack(&self, cx: &Cx, input: DeleteStackInput) -> Result<DeleteStackOutput, Error> {
        stacks::delete_stack(self, cx, input).await
    }

    async fn describe_change_set(
        &self,
        cx: &Cx,
        input: DescribeChangeSetInput,
    ) -> Result<DescribeChangeSetOutput, Error> {
        change_sets::describe_change_set(self, cx, input).await
    }

    async fn describe_stack_events(
        &self,
        cx: &Cx,
        input: DescribeStackEventsInput,
    ) -> Result<DescribeStackEventsOutput, Error> {
        describe::describe_stack_events(self, cx, input).await
    }

    async fn describe_stack_resource(
        &self,
        cx: &Cx,
        input: DescribeStackResourceInput,
    ) -> Result<DescribeStackResourceOutput, Error> {
        describe::describe_stack_resource(self, cx, input).await
    }

    async fn describe_stack_resources(
        &self,
        cx: &Cx,
        input: DescribeStackResourcesInput,
    ) -> Result<DescribeStackResourcesOutput, Error> {
        describe::describe_stack_resources(self, cx, input).await
    }

    async fn describe_stacks(
        &self,
        cx: &Cx,
        input: DescribeStacksInput,
    ) -> Result<DescribeStacksOutput, Error> {
        describe::describe_stacks(self, cx, input).await
    }

    async fn execute_change_set(
        &self,
        cx: &Cx,
        input: ExecuteChangeSetInput,
    ) -> Result<ExecuteChangeSetOutput, Error> {
        change_sets::execute_change_set(self, cx, input).await
    }

    async fn get_stack_policy(
        &self,
        cx: &Cx,
        input: GetStackPolicyInput,
    ) -> Result<GetStackPolicyOutput, Error> {
        policies::get_stack_policy(self, cx, input).await
    }

    async fn set_stack_policy(
        &self,
        cx: &Cx,
        input: SetStackPolicyInput,
    ) -> Result<SetStackPolicyOutput, Error> {
        policies::set_stack_policy(self, cx, input).await
    }

    async fn get_template(&self, cx: &Cx, input: GetTemplateInput) -> Result<GetTemplateOutput, Error> {
        templates::get_template(self, cx, input).await
    }

    async fn get_template_summary(
        &self,
        cx: &Cx,
        input: GetTemplateSummaryInput,
    ) -> Result<GetTemplateSummaryOutput, Error> {
        templates::get_template_summary(self, cx, input).await
    }

    async fn list_change_sets(
        &self,
        cx: &Cx,
        input: ListChangeSetsInput,
    ) -> Result<ListChangeSetsOutput, Error> {
        change_sets::list_change_sets(self, cx, input).await
    }

    async fn list_exports(&self, cx: &Cx, input: ListExportsInput) -> Result<ListExportsOutput, Error> {
        exports::list_exports(self, cx, input).await
    }

    async fn list_imports(&self, cx: &Cx, input: ListImportsInput) -> Result<ListImportsOutput, Error> {
        exports::list_imports(self, cx, input).await
    }

    async fn list_stack_resources(
        &self,
        cx: &Cx,
        input: ListStackResourcesInput,
    ) -> Result<ListStackResourcesOutput, Error> {
        describe::list_stack_resources(self, cx, input).await
    }

    async fn list_stacks(&self, cx: &Cx, input: ListStacksInput) -> Result<ListStacksOutput, Error> {
        describe::list_stacks(self, cx, input).await
    }

    async fn signal_resource(
        &self,
        cx: &Cx,
        input: SignalResourceInput,
    ) -> Result<SignalResourceOutput, Error> {
        signals::signal_resource(self, cx, input).await
    }

    async fn update_stack(&self, cx: &Cx, input: UpdateStackInput) -> Result<UpdateStackOutput, Error> {
        stacks::update_stack(self, cx, input).await
    }

    async fn update_termination_protection(
        &self,
        cx: &Cx,
        input: UpdateTerminationProtectionInput,
    ) -> Result<UpdateTerminationProtectionOutput, Error> {
        stacks::update_termination_protection(self, cx, input).await
    }

    async fn validate_template(
        &self,
        cx: &Cx,
        input: ValidateTemplateInput,
    ) -> Result<ValidateTemplateOutput, Error> {
        templates::validate_template(self, cx, input).await
    }
}
