//! The operations: wire input to command, and what it answers to wire output.

mod account;
mod api_keys;
mod authorizers;
mod base_paths;
mod deployments;
mod documentation;
pub(crate) mod domains;
mod exports;
mod imports;
mod integrations;
mod methods;
mod models;
mod resources;
mod responses;
mod rest_apis;
mod stages;
mod tags;
mod trials;
mod usage;
mod usage_plans;

use std::collections::BTreeMap;
use std::sync::{OnceLock, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ropeway_api::apigateway::{self as api, error};
use ropeway_core::keys::Scope;
use ropeway_core::{Core, Fault, Trace, directory};
use ropeway_wire::tags::counted;
use ropeway_wire::{Cx, Error};

use crate::commands::{AccountChange, AccountOutput, Change, Command, GatewayMachine, Output, Target};
use crate::errors::{self, bad};
use crate::keys::{self, ApiName};
use crate::live::Live;
use crate::model::{Api, Definition};
use crate::patch::Patch;
use crate::plane::Plane;
pub(crate) use exports::instant;
pub(crate) use rest_apis::unmapped;

/// Items of a page where no limit is asked for, and the most:
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_GetRestApis.html>.
const PAGE: i64 = 25;
const MAX_PAGE: i64 = 500;

/// The service.
pub struct ApiGateway {
    pub(crate) core: Core,
    pub(crate) live: Live,
    pub(crate) limits: Limits,
    /// The data plane, which test invocations pass.
    pub(crate) plane: OnceLock<Weak<Plane>>,
}

/// What all requests of an account in a region share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

impl Default for Limits {
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
    fn default() -> Self {
        Limits { rate: 10_000.0, burst: 5_000 }
    }
}

impl ApiGateway {
    pub(crate) fn new(core: Core, live: Live, limits: Limits) -> Self {
        ApiGateway { core, live, limits, plane: OnceLock::new() }
    }

    /// Applies a command in the shard of its API.
    pub(crate) async fn submit(
        &self,
        trace: &Trace,
        api: &ApiName,
        command: Command,
    ) -> Result<Output, Error> {
        let shard = self.core.shard_of(&api.place());
        self.core.submit::<GatewayMachine>(shard, trace, command).await.map_err(said)
    }

    /// Reads an API.
    pub(crate) async fn read(&self, trace: &Trace, api: &ApiName) -> Result<Api, Error> {
        match self.submit(trace, api, Command::Read { api: api.clone() }).await? {
            Output::Api(api, _) => Ok(*api),
            _ => Err(unexpected()),
        }
    }

    /// Changes an API; gives it as it is now, and the id of what was made.
    async fn change(&self, cx: &Cx, id: &str, change: Change) -> Result<(Api, Option<String>), Error> {
        let api = named(cx, id);
        let command = Command::Change { api: api.clone(), change: Box::new(change) };
        match self.submit(&cx.trace, &api, command).await? {
            Output::Api(api, made) => Ok((*api, made)),
            _ => Err(unexpected()),
        }
    }

    /// Patches something of an API.
    async fn patch(
        &self,
        cx: &Cx,
        id: &str,
        target: Target,
        patches: Option<Vec<api::PatchOperation>>,
    ) -> Result<Api, Error> {
        let change = Change::Patch(target, checked(patches)?);
        Ok(self.change(cx, id, change).await?.0)
    }

    /// Reads an API of the caller's.
    pub(crate) async fn own(&self, cx: &Cx, id: &str) -> Result<Api, Error> {
        self.read(&cx.trace, &named(cx, id)).await
    }

    /// Reads what a deployment froze.
    pub(crate) async fn snapshot(
        &self,
        trace: &Trace,
        api: &ApiName,
        deployment: &str,
    ) -> Result<Definition, Error> {
        let command = Command::Snapshot { api: api.clone(), deployment: deployment.to_owned() };
        match self.submit(trace, api, command).await? {
            Output::Definition(definition) => Ok(*definition),
            _ => Err(unexpected()),
        }
    }

    /// Changes or reads what belongs to an account.
    pub(crate) async fn account(
        &self,
        trace: &Trace,
        scope: &Scope,
        change: AccountChange,
    ) -> Result<AccountOutput, Error> {
        let shard = self.core.shard_of(&keys::account_place(scope));
        let command = Command::Account { scope: scope.clone(), change: Box::new(change) };
        match self.core.submit::<GatewayMachine>(shard, trace, command).await.map_err(said)? {
            Output::Account(output) => Ok(output),
            _ => Err(unexpected()),
        }
    }

    /// Tells the lists of a new API at once: the outbox does so too, a moment later.
    async fn list(&self, cx: &Cx, id: &str, there: bool) -> Result<(), Error> {
        let scope = Scope::new(&cx.account, &cx.region);
        let place = postcard::to_stdvec(&scope).map_err(Fault::from)?;
        for (list, value) in [(keys::list(&cx.account, &cx.region), Vec::new()), (keys::id_list(id), place)] {
            let name = id.to_owned();
            let line = match there {
                true => directory::Command::Add { list, name, value },
                false => directory::Command::Remove { list, name },
            };
            directory::apply(&self.core, &cx.trace, line).await?;
        }
        Ok(())
    }
}

/// Before the name that a position stands for: an empty name has a position too.
const BEFORE: &str = "/";

/// The service's own code for what the core calls unavailable.
fn said(error: Error) -> Error {
    match &*error.code {
        "ServiceUnavailable" => error::service_unavailable_exception(error.message),
        _ => error,
    }
}

/// A command's answer is not of the kind that it gives.
pub(crate) fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

/// The caller's API of an id.
pub(crate) fn named(cx: &Cx, id: &str) -> ApiName {
    ApiName::new(&cx.account, &cx.region, id)
}

fn scope(cx: &Cx) -> Scope {
    Scope::new(&cx.account, &cx.region)
}

/// The caller hands a role to API Gateway.
fn pass_role(cx: &Cx, role: &str) -> Result<(), Error> {
    if !role.starts_with("arn:aws:iam::") || !role.contains(":role/") {
        return Err(bad("Invalid ARN specified in the request"));
    }
    cx.pass_role(&api::SERVICE, role, crate::PRINCIPAL)
}

/// Patch operations that have a path and an operation.
fn checked(patches: Option<Vec<api::PatchOperation>>) -> Result<Vec<Patch>, Error> {
    let one = |patch: api::PatchOperation| {
        let path = patch.path.ok_or_else(|| bad("Invalid patch path null"))?;
        let op = patch.op.ok_or_else(|| {
            bad("Invalid patch operation specified. Must be one of: [add, remove, replace]")
        })?;
        Ok(Patch { op, path, value: patch.value, from: patch.from })
    };
    patches.unwrap_or_default().into_iter().map(one).collect()
}

/// Names that begin with `aws:` are AWS's own: of all callers CloudFormation alone sets them.
pub(crate) fn check_tags(cx: &Cx, tags: &BTreeMap<String, String>) -> Result<(), Error> {
    check_reserved(cx, tags.keys())?;
    let sound = |key: &String, value: &String| !key.is_empty() && key.len() <= 128 && value.len() <= 256;
    if counted(tags.keys()) > 50 || !tags.iter().all(|(key, value)| sound(key, value)) {
        return Err(bad("Tags must be at most 50, of keys of 1 to 128 and values of up to 256 characters"));
    }
    Ok(())
}

/// Keys of tags that a request sets or removes.
pub(crate) fn check_reserved<'a>(cx: &Cx, keys: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
    match cx.reserved_tag(keys) {
        Some(_) => Err(bad("Invalid tag key: aws: prefixed tag key names are not allowed for external use")),
        None => Ok(()),
    }
}

/// A page: names behind `position`, at most `limit` of them, and where the next begins.
pub(crate) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    position: Option<&str>,
    limit: Option<i64>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(bad(format!("Invalid limit, must be between 1 and {MAX_PAGE}")));
    }
    let after = position.map(place).transpose()?;
    let mut found = Vec::new();
    let mut last = String::new();
    for (name, item) in items.filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)) {
        if found.len() as i64 >= limit {
            return Ok((found, Some(BASE64.encode(format!("{BEFORE}{last}")))));
        }
        last = name;
        found.push(item);
    }
    Ok((found, None))
}

/// What a position says.
pub(crate) fn place(position: &str) -> Result<String, Error> {
    let bytes = BASE64.decode(position).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.and_then(|text| text.strip_prefix(BEFORE).map(str::to_owned));
    text.ok_or_else(|| bad("Invalid position parameter specified"))
}

/// For what is made inside an API: with an unknown one, AWS tells of the resource.
fn of_resource(error: Error) -> Error {
    match error.message.starts_with("Invalid API identifier") {
        true => errors::no_resource(),
        false => error,
    }
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Apigateway for ApiGateway {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    documentation::create_documentation_part(CreateDocumentationPartInput) -> CreateDocumentationPartOutput;
    documentation::create_documentation_version(CreateDocumentationVersionInput) -> CreateDocumentationVersionOutput;
    documentation::delete_documentation_part(DeleteDocumentationPartInput) -> DeleteDocumentationPartOutput;
    documentation::delete_documentation_version(DeleteDocumentationVersionInput) -> DeleteDocumentationVersionOutput;
    documentation::get_documentation_part(GetDocumentationPartInput) -> GetDocumentationPartOutput;
    documentation::get_documentation_parts(GetDocumentationPartsInput) -> GetDocumentationPartsOutput;
    documentation::get_documentation_version(GetDocumentationVersionInput) -> GetDocumentationVersionOutput;
    documentation::get_documentation_versions(GetDocumentationVersionsInput) -> GetDocumentationVersionsOutput;
    documentation::import_documentation_parts(ImportDocumentationPartsInput) -> ImportDocumentationPartsOutput;
    documentation::update_documentation_part(UpdateDocumentationPartInput) -> UpdateDocumentationPartOutput;
    documentation::update_documentation_version(UpdateDocumentationVersionInput) -> UpdateDocumentationVersionOutput;
    models::get_model_template(GetModelTemplateInput) -> GetModelTemplateOutput;
    trials::test_invoke_authorizer(TestInvokeAuthorizerInput) -> TestInvokeAuthorizerOutput;
    trials::test_invoke_method(TestInvokeMethodInput) -> TestInvokeMethodOutput;
    usage::get_usage(GetUsageInput) -> GetUsageOutput;
    usage::update_usage(UpdateUsageInput) -> UpdateUsageOutput;
    base_paths::create_base_path_mapping(CreateBasePathMappingInput) -> CreateBasePathMappingOutput;
    base_paths::delete_base_path_mapping(DeleteBasePathMappingInput) -> DeleteBasePathMappingOutput;
    base_paths::get_base_path_mapping(GetBasePathMappingInput) -> GetBasePathMappingOutput;
    base_paths::get_base_path_mappings(GetBasePathMappingsInput) -> GetBasePathMappingsOutput;
    base_paths::update_base_path_mapping(UpdateBasePathMappingInput) -> UpdateBasePathMappingOutput;
    domains::create_domain_name(CreateDomainNameInput) -> CreateDomainNameOutput;
    domains::delete_domain_name(DeleteDomainNameInput) -> DeleteDomainNameOutput;
    domains::get_domain_name(GetDomainNameInput) -> GetDomainNameOutput;
    domains::get_domain_names(GetDomainNamesInput) -> GetDomainNamesOutput;
    domains::update_domain_name(UpdateDomainNameInput) -> UpdateDomainNameOutput;
    exports::get_export(GetExportInput) -> GetExportOutput;
    imports::import_rest_api(ImportRestApiInput) -> ImportRestApiOutput;
    imports::put_rest_api(PutRestApiInput) -> PutRestApiOutput;
    account::get_account(GetAccountInput) -> GetAccountOutput;
    account::update_account(UpdateAccountInput) -> UpdateAccountOutput;
    api_keys::create_api_key(CreateApiKeyInput) -> CreateApiKeyOutput;
    api_keys::delete_api_key(DeleteApiKeyInput) -> DeleteApiKeyOutput;
    api_keys::get_api_key(GetApiKeyInput) -> GetApiKeyOutput;
    api_keys::get_api_keys(GetApiKeysInput) -> GetApiKeysOutput;
    api_keys::update_api_key(UpdateApiKeyInput) -> UpdateApiKeyOutput;
    authorizers::create_authorizer(CreateAuthorizerInput) -> CreateAuthorizerOutput;
    authorizers::delete_authorizer(DeleteAuthorizerInput) -> DeleteAuthorizerOutput;
    authorizers::get_authorizer(GetAuthorizerInput) -> GetAuthorizerOutput;
    authorizers::get_authorizers(GetAuthorizersInput) -> GetAuthorizersOutput;
    authorizers::update_authorizer(UpdateAuthorizerInput) -> UpdateAuthorizerOutput;
    deployments::create_deployment(CreateDeploymentInput) -> CreateDeploymentOutput;
    deployments::delete_deployment(DeleteDeploymentInput) -> DeleteDeploymentOutput;
    deployments::get_deployment(GetDeploymentInput) -> GetDeploymentOutput;
    deployments::get_deployments(GetDeploymentsInput) -> GetDeploymentsOutput;
    deployments::update_deployment(UpdateDeploymentInput) -> UpdateDeploymentOutput;
    integrations::delete_integration(DeleteIntegrationInput) -> DeleteIntegrationOutput;
    integrations::delete_integration_response(DeleteIntegrationResponseInput) -> DeleteIntegrationResponseOutput;
    integrations::get_integration(GetIntegrationInput) -> GetIntegrationOutput;
    integrations::get_integration_response(GetIntegrationResponseInput) -> GetIntegrationResponseOutput;
    integrations::put_integration(PutIntegrationInput) -> PutIntegrationOutput;
    integrations::put_integration_response(PutIntegrationResponseInput) -> PutIntegrationResponseOutput;
    integrations::update_integration(UpdateIntegrationInput) -> UpdateIntegrationOutput;
    integrations::update_integration_response(UpdateIntegrationResponseInput) -> UpdateIntegrationResponseOutput;
    methods::delete_method(DeleteMethodInput) -> DeleteMethodOutput;
    methods::delete_method_response(DeleteMethodResponseInput) -> DeleteMethodResponseOutput;
    methods::get_method(GetMethodInput) -> GetMethodOutput;
    methods::get_method_response(GetMethodResponseInput) -> GetMethodResponseOutput;
    methods::put_method(PutMethodInput) -> PutMethodOutput;
    methods::put_method_response(PutMethodResponseInput) -> PutMethodResponseOutput;
    methods::update_method(UpdateMethodInput) -> UpdateMethodOutput;
    methods::update_method_response(UpdateMethodResponseInput) -> UpdateMethodResponseOutput;
    models::create_model(CreateModelInput) -> CreateModelOutput;
    models::create_request_validator(CreateRequestValidatorInput) -> CreateRequestValidatorOutput;
    models::delete_model(DeleteModelInput) -> DeleteModelOutput;
    models::delete_request_validator(DeleteRequestValidatorInput) -> DeleteRequestValidatorOutput;
    models::get_model(GetModelInput) -> GetModelOutput;
    models::get_models(GetModelsInput) -> GetModelsOutput;
    models::get_request_validator(GetRequestValidatorInput) -> GetRequestValidatorOutput;
    models::get_request_validators(GetRequestValidatorsInput) -> GetRequestValidatorsOutput;
    models::update_model(UpdateModelInput) -> UpdateModelOutput;
    models::update_request_validator(UpdateRequestValidatorInput) -> UpdateRequestValidatorOutput;
    resources::create_resource(CreateResourceInput) -> CreateResourceOutput;
    resources::delete_resource(DeleteResourceInput) -> DeleteResourceOutput;
    resources::get_resource(GetResourceInput) -> GetResourceOutput;
    resources::get_resources(GetResourcesInput) -> GetResourcesOutput;
    resources::update_resource(UpdateResourceInput) -> UpdateResourceOutput;
    responses::delete_gateway_response(DeleteGatewayResponseInput) -> DeleteGatewayResponseOutput;
    responses::get_gateway_response(GetGatewayResponseInput) -> GetGatewayResponseOutput;
    responses::get_gateway_responses(GetGatewayResponsesInput) -> GetGatewayResponsesOutput;
    responses::put_gateway_response(PutGatewayResponseInput) -> PutGatewayResponseOutput;
    responses::update_gateway_response(UpdateGatewayResponseInput) -> UpdateGatewayResponseOutput;
    rest_apis::create_rest_api(CreateRestApiInput) -> CreateRestApiOutput;
    rest_apis::delete_rest_api(DeleteRestApiInput) -> DeleteRestApiOutput;
    rest_apis::get_rest_api(GetRestApiInput) -> GetRestApiOutput;
    rest_apis::get_rest_apis(GetRestApisInput) -> GetRestApisOutput;
    rest_apis::update_rest_api(UpdateRestApiInput) -> UpdateRestApiOutput;
    stages::create_stage(CreateStageInput) -> CreateStageOutput;
    stages::delete_stage(DeleteStageInput) -> DeleteStageOutput;
    stages::flush_stage_authorizers_cache(FlushStageAuthorizersCacheInput) -> FlushStageAuthorizersCacheOutput;
    stages::flush_stage_cache(FlushStageCacheInput) -> FlushStageCacheOutput;
    stages::get_stage(GetStageInput) -> GetStageOutput;
    stages::get_stages(GetStagesInput) -> GetStagesOutput;
    stages::update_stage(UpdateStageInput) -> UpdateStageOutput;
    tags::get_tags(GetTagsInput) -> GetTagsOutput;
    tags::tag_resource(TagResourceInput) -> TagResourceOutput;
    tags::untag_resource(UntagResourceInput) -> UntagResourceOutput;
    usage_plans::create_usage_plan(CreateUsagePlanInput) -> CreateUsagePlanOutput;
    usage_plans::create_usage_plan_key(CreateUsagePlanKeyInput) -> CreateUsagePlanKeyOutput;
    usage_plans::delete_usage_plan(DeleteUsagePlanInput) -> DeleteUsagePlanOutput;
    usage_plans::delete_usage_plan_key(DeleteUsagePlanKeyInput) -> DeleteUsagePlanKeyOutput;
    usage_plans::get_usage_plan(GetUsagePlanInput) -> GetUsagePlanOutput;
    usage_plans::get_usage_plan_key(GetUsagePlanKeyInput) -> GetUsagePlanKeyOutput;
    usage_plans::get_usage_plan_keys(GetUsagePlanKeysInput) -> GetUsagePlanKeysOutput;
    usage_plans::get_usage_plans(GetUsagePlansInput) -> GetUsagePlansOutput;
    usage_plans::update_usage_plan(UpdateUsagePlanInput) -> UpdateUsagePlanOutput;
}
