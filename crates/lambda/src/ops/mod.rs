//! The operations: wire input to command, and what it answers to wire output.

mod aliases;
mod code;
mod concurrency;
mod config;
mod functions;
mod invoke;
mod invoke_configs;
mod layers;
mod mappings;
mod page;
mod permissions;
mod stream;
mod tags;
mod urls;
mod versions;

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error};

pub(crate) use invoke::trace_header;

use crate::Parts;
use crate::commands::{Command, Found, Output};
use crate::engine::{Engine, unexpected};
use crate::errors;
use crate::keys::{FunctionName, is_name};

/// The service.
pub struct Lambda {
    pub(crate) engine: Engine,
    /// Changes of concurrency are made one after the other: each looks at what the others have left.
    changing_concurrency: tokio::sync::Mutex<()>,
}

impl Lambda {
    /// The service over its parts.
    pub fn new(parts: Parts) -> Self {
        Lambda { engine: Engine::new(parts), changing_concurrency: tokio::sync::Mutex::default() }
    }

    /// Applies a command in the shard of its function.
    async fn submit(&self, cx: &Cx, function: &FunctionName, command: Command) -> Result<Output, Error> {
        self.engine.submit(&cx.trace, function, command).await
    }

    async fn read(&self, cx: &Cx, function: &FunctionName, qualifier: Option<&str>) -> Result<Found, Error> {
        self.engine.read(&cx.trace, function, qualifier).await
    }
}

/// The function that a request names by its name, by part of its ARN or by all of it, and the qualifier
/// that stands in the name or beside it.
fn named(cx: &Cx, given: &str, qualifier: Option<String>) -> Result<(FunctionName, Option<String>), Error> {
    let arn = ropeway_wire::resource::function(given, cx);
    let (name, in_name) = match FunctionName::parse(&arn) {
        Some(found) => found,
        None => {
            let name = arn.split(':').nth(6).unwrap_or_default();
            if !is_name(name) && name.len() > 64 {
                let why = "Member must have length less than or equal to 64";
                return Err(errors::constraint(name, "functionName", why));
            }
            return Err(errors::invalid(format!("Invalid function name: {given}")));
        }
    };
    if name.scope.region != cx.region {
        return Err(errors::not_found(format!(
            "Functions from '{}' are not reachable in this region ('{}')",
            name.scope.region, cx.region
        )));
    }
    let qualifier = qualifier.filter(|qualifier| !qualifier.is_empty());
    match (in_name, qualifier) {
        (Some(a), Some(b)) if a != b => Err(errors::invalid(
            "The derived qualifier from the function name does not match the specified qualifier.",
        )),
        (a, b) => Ok((name, b.or(a))),
    }
}

/// A function that is named without a qualifier.
fn unqualified(cx: &Cx, given: &str) -> Result<FunctionName, Error> {
    Ok(named(cx, given, None)?.0)
}

/// `2026-11-21T12:00:00.000+0000`, as Lambda writes moments.
fn moment(at: ropeway_core::Time) -> String {
    crate::record::timestamp(at).replace('Z', "+0000")
}

fn nothing(output: Output) -> Result<(), Error> {
    match output {
        Output::Nothing | Output::Found(_) => Ok(()),
        _ => Err(unexpected()),
    }
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Lambda for Lambda {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    functions::create_function(CreateFunctionInput) -> CreateFunctionOutput;
    functions::get_function(GetFunctionInput) -> GetFunctionOutput;
    functions::get_function_configuration(GetFunctionConfigurationInput) -> GetFunctionConfigurationOutput;
    functions::update_function_code(UpdateFunctionCodeInput) -> UpdateFunctionCodeOutput;
    functions::update_function_configuration(UpdateFunctionConfigurationInput) -> UpdateFunctionConfigurationOutput;
    functions::delete_function(DeleteFunctionInput) -> DeleteFunctionOutput;
    functions::list_functions(ListFunctionsInput) -> ListFunctionsOutput;
    functions::get_account_settings(GetAccountSettingsInput) -> GetAccountSettingsOutput;
    versions::publish_version(PublishVersionInput) -> PublishVersionOutput;
    versions::list_versions_by_function(ListVersionsByFunctionInput) -> ListVersionsByFunctionOutput;
    aliases::create_alias(CreateAliasInput) -> CreateAliasOutput;
    aliases::get_alias(GetAliasInput) -> GetAliasOutput;
    aliases::update_alias(UpdateAliasInput) -> UpdateAliasOutput;
    aliases::delete_alias(DeleteAliasInput) -> DeleteAliasOutput;
    aliases::list_aliases(ListAliasesInput) -> ListAliasesOutput;
    invoke::invoke(InvokeInput) -> InvokeOutput;
    invoke::invoke_async(InvokeAsyncInput) -> InvokeAsyncOutput;
    stream::invoke_with_response_stream(InvokeWithResponseStreamInput) -> InvokeWithResponseStreamOutput;
    invoke_configs::put_function_event_invoke_config(PutFunctionEventInvokeConfigInput) -> PutFunctionEventInvokeConfigOutput;
    invoke_configs::update_function_event_invoke_config(UpdateFunctionEventInvokeConfigInput) -> UpdateFunctionEventInvokeConfigOutput;
    invoke_configs::get_function_event_invoke_config(GetFunctionEventInvokeConfigInput) -> GetFunctionEventInvokeConfigOutput;
    invoke_configs::delete_function_event_invoke_config(DeleteFunctionEventInvokeConfigInput) -> DeleteFunctionEventInvokeConfigOutput;
    invoke_configs::list_function_event_invoke_configs(ListFunctionEventInvokeConfigsInput) -> ListFunctionEventInvokeConfigsOutput;
    permissions::add_permission(AddPermissionInput) -> AddPermissionOutput;
    permissions::remove_permission(RemovePermissionInput) -> RemovePermissionOutput;
    permissions::get_policy(GetPolicyInput) -> GetPolicyOutput;
    concurrency::put_function_concurrency(PutFunctionConcurrencyInput) -> PutFunctionConcurrencyOutput;
    concurrency::get_function_concurrency(GetFunctionConcurrencyInput) -> GetFunctionConcurrencyOutput;
    concurrency::delete_function_concurrency(DeleteFunctionConcurrencyInput) -> DeleteFunctionConcurrencyOutput;
    concurrency::put_provisioned_concurrency_config(PutProvisionedConcurrencyConfigInput) -> PutProvisionedConcurrencyConfigOutput;
    concurrency::get_provisioned_concurrency_config(GetProvisionedConcurrencyConfigInput) -> GetProvisionedConcurrencyConfigOutput;
    concurrency::delete_provisioned_concurrency_config(DeleteProvisionedConcurrencyConfigInput) -> DeleteProvisionedConcurrencyConfigOutput;
    concurrency::list_provisioned_concurrency_configs(ListProvisionedConcurrencyConfigsInput) -> ListProvisionedConcurrencyConfigsOutput;
    urls::create_function_url_config(CreateFunctionUrlConfigInput) -> CreateFunctionUrlConfigOutput;
    urls::get_function_url_config(GetFunctionUrlConfigInput) -> GetFunctionUrlConfigOutput;
    urls::update_function_url_config(UpdateFunctionUrlConfigInput) -> UpdateFunctionUrlConfigOutput;
    urls::delete_function_url_config(DeleteFunctionUrlConfigInput) -> DeleteFunctionUrlConfigOutput;
    urls::list_function_url_configs(ListFunctionUrlConfigsInput) -> ListFunctionUrlConfigsOutput;
    layers::publish_layer_version(PublishLayerVersionInput) -> PublishLayerVersionOutput;
    layers::get_layer_version(GetLayerVersionInput) -> GetLayerVersionOutput;
    layers::get_layer_version_by_arn(GetLayerVersionByArnInput) -> GetLayerVersionByArnOutput;
    layers::list_layers(ListLayersInput) -> ListLayersOutput;
    layers::list_layer_versions(ListLayerVersionsInput) -> ListLayerVersionsOutput;
    layers::delete_layer_version(DeleteLayerVersionInput) -> DeleteLayerVersionOutput;
    layers::add_layer_version_permission(AddLayerVersionPermissionInput) -> AddLayerVersionPermissionOutput;
    layers::remove_layer_version_permission(RemoveLayerVersionPermissionInput) -> RemoveLayerVersionPermissionOutput;
    layers::get_layer_version_policy(GetLayerVersionPolicyInput) -> GetLayerVersionPolicyOutput;
    tags::tag_resource(TagResourceInput) -> TagResourceOutput;
    tags::untag_resource(UntagResourceInput) -> UntagResourceOutput;
    tags::list_tags(ListTagsInput) -> ListTagsOutput;
    mappings::create_event_source_mapping(CreateEventSourceMappingInput) -> CreateEventSourceMappingOutput;
    mappings::get_event_source_mapping(GetEventSourceMappingInput) -> GetEventSourceMappingOutput;
    mappings::update_event_source_mapping(UpdateEventSourceMappingInput) -> UpdateEventSourceMappingOutput;
    mappings::delete_event_source_mapping(DeleteEventSourceMappingInput) -> DeleteEventSourceMappingOutput;
    mappings::list_event_source_mappings(ListEventSourceMappingsInput) -> ListEventSourceMappingsOutput;
}
