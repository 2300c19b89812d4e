//! Signals to resources that wait for them.

use ropeway_api::cloudformation::*;
use ropeway_wire::{Cx, Error};

use super::CloudFormation;
use crate::commands::Command;
use crate::error;

pub async fn signal_resource(
    service: &CloudFormation,
    cx: &Cx,
    input: SignalResourceInput,
) -> Result<SignalResourceOutput, Error> {
    let (stack, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let success = input.status == "SUCCESS";
    let (id, unique) = (input.logical_resource_id, input.unique_id);
    let command = Command::SignalResource(stack.key.clone(), id, unique, success);
    service.on_stack(cx, &stack.key, command).await?;
    Ok(SignalResourceOutput {})
}
