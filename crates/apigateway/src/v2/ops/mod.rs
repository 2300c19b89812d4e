//! The operations: wire input to command, and what it answers to wire output.

mod apis;
mod authorizers;
mod deployments;
mod domains;
mod exports;
mod imports;
mod integrations;
mod mappings;
mod routes;
mod stages;
mod tags;

use ropeway_api::apigatewayv2 as api;
use ropeway_core::keys::Scope;
use ropeway_core::{Fault, Trace, directory};
use ropeway_wire::{Cx, Error};

use super::changes::{Change, Target};
use super::commands::Command;
use super::errors::bad;
use super::model::{Definition, HttpApi};
use crate::commands::{Command as Whole, Output};
use crate::keys::{self, ApiName};
use crate::ops::{ApiGateway, named, page as rest_page, unexpected};

/// Items of a page where no limit is asked for: AWS documents none, and answers with this many.
const PAGE: i64 = 100;
/// Most items of a page.
const MAX_PAGE: i64 = 500;

impl ApiGateway {
    async fn http(&self, trace: &Trace, name: &ApiName, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&http_place(name));
        let command = Whole::Http { api: name.clone(), command: Box::new(command) };
        let answer = self.core.submit::<crate::commands::GatewayMachine>(shard, trace, command).await;
        answer.map_err(|error| match &*error.code {
            // What the shared rows and the core say, in this service's words.
            "LimitExceededException" | "ServiceUnavailable" => super::errors::limit(error.message),
            _ => error,
        })
    }

    /// Reads an HTTP API.
    pub(super) async fn read_http(&self, trace: &Trace, name: &ApiName) -> Result<HttpApi, Error> {
        match self.http(trace, name, Command::Read).await? {
            Output::Http(api, _) => Ok(*api),
            _ => Err(unexpected()),
        }
    }

    /// Whether an HTTP API of this name is there.
    pub(crate) async fn is_http(&self, trace: &Trace, name: &ApiName) -> Result<bool, Error> {
        match self.read_http(trace, name).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == "NotFoundException" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what a deployment of an HTTP API froze.
    pub(super) async fn http_snapshot(
        &self,
        trace: &Trace,
        name: &ApiName,
        deployment: &str,
    ) -> Result<Definition, Error> {
        match self.http(trace, name, Command::Snapshot(deployment.to_owned())).await? {
            Output::HttpDefinition(definition) => Ok(*definition),
            _ => Err(unexpected()),
        }
    }

    /// Reads an HTTP API of the caller's.
    async fn own_http(&self, cx: &Cx, id: &str) -> Result<HttpApi, Error> {
        self.read_http(&cx.trace, &named(cx, id)).await
    }

    /// Changes an HTTP API; gives it as it is now, and the id of what was made.
    async fn change_http(
        &self,
        cx: &Cx,
        id: &str,
        change: Change,
    ) -> Result<(HttpApi, Option<String>), Error> {
        match self.http(&cx.trace, &named(cx, id), Command::Change(change)).await? {
            Output::Http(api, made) => Ok((*api, made)),
            _ => Err(unexpected()),
        }
    }

    /// Removes something of an HTTP API.
    async fn remove_http(&self, cx: &Cx, id: &str, target: Target) -> Result<(), Error> {
        self.change_http(cx, id, Change::Remove(target)).await.map(drop)
    }

    /// Tells the lists of a new HTTP API at once: the outbox does so too, a moment later.
    async fn list_http(&self, cx: &Cx, id: &str, there: bool) -> Result<(), Error> {
        let place = postcard::to_stdvec(&Scope::new(&cx.account, &cx.region)).map_err(Fault::from)?;
        let lists = [(keys::http_list(&cx.account, &cx.region), Vec::new()), (keys::http_id_list(id), place)];
        for (list, value) in lists {
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

/// The name that an HTTP API's shard is chosen by.
fn http_place(name: &ApiName) -> String {
    format!("{}/apis/{}", keys::account_place(&name.scope), name.id)
}

/// The size of a page: a number, given as a text.
fn page_size(given: Option<&str>) -> Result<i64, Error> {
    let Some(text) = given else { return Ok(PAGE) };
    let size = text.parse().ok().filter(|size| (1..=MAX_PAGE).contains(size));
    size.ok_or_else(|| bad(format!("Invalid maxResults {text}, must be between 1 and {MAX_PAGE}")))
}

/// What operations that REST APIs have too say, in this service's words.
fn said(error: Error) -> Error {
    match &*error.code {
        "LimitExceededException" | "ServiceUnavailableException" => super::errors::limit(error.message),
        "ConflictException" => super::errors::mapped(),
        _ => error,
    }
}

/// A page: names behind `token`, and where the next begins.
fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    token: Option<&str>,
    size: Option<&str>,
) -> Result<(Option<Vec<T>>, Option<String>), Error> {
    let (found, next) = rest_page(items, token, Some(page_size(size)?))?;
    Ok((Some(found), next))
}

/// The caller hands a role to API Gateway.
fn pass_role(cx: &Cx, role: Option<&str>) -> Result<(), Error> {
    match role {
        // The caller's own identity: <https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html>.
        Some("arn:aws:iam::*:user/*") => {
            Err(super::errors::unimplemented("The caller's identity as credentialsArn"))
        }
        Some(role) if !role.is_empty() => {
            if !role.starts_with("arn:aws:iam::") || !role.contains(":role/") {
                return Err(bad("Invalid ARN specified in the request"));
            }
            cx.pass_role(&api::SERVICE, role, crate::PRINCIPAL)
        }
        _ => Ok(()),
    }
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Apigatewayv2 for ApiGateway {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    domains::create_domain_name(CreateDomainNameInput) -> CreateDomainNameOutput;
    domains::delete_domain_name(DeleteDomainNameInput) -> DeleteDomainNameOutput;
    domains::get_domain_name(GetDomainNameInput) -> GetDomainNameOutput;
    domains::get_domain_names(GetDomainNamesInput) -> GetDomainNamesOutput;
    domains::update_domain_name(UpdateDomainNameInput) -> UpdateDomainNameOutput;
    mappings::create_api_mapping(CreateApiMappingInput) -> CreateApiMappingOutput;
    mappings::delete_api_mapping(DeleteApiMappingInput) -> DeleteApiMappingOutput;
    mappings::get_api_mapping(GetApiMappingInput) -> GetApiMappingOutput;
    mappings::get_api_mappings(GetApiMappingsInput) -> GetApiMappingsOutput;
    mappings::update_api_mapping(UpdateApiMappingInput) -> UpdateApiMappingOutput;
    apis::create_api(CreateApiInput) -> CreateApiOutput;
    apis::delete_api(DeleteApiInput) -> DeleteApiOutput;
    apis::delete_cors_configuration(DeleteCorsConfigurationInput) -> DeleteCorsConfigurationOutput;
    apis::get_api(GetApiInput) -> GetApiOutput;
    apis::get_apis(GetApisInput) -> GetApisOutput;
    apis::update_api(UpdateApiInput) -> UpdateApiOutput;
    authorizers::create_authorizer(CreateAuthorizerInput) -> CreateAuthorizerOutput;
    authorizers::delete_authorizer(DeleteAuthorizerInput) -> DeleteAuthorizerOutput;
    authorizers::get_authorizer(GetAuthorizerInput) -> GetAuthorizerOutput;
    authorizers::get_authorizers(GetAuthorizersInput) -> GetAuthorizersOutput;
    authorizers::reset_authorizers_cache(ResetAuthorizersCacheInput) -> ResetAuthorizersCacheOutput;
    authorizers::update_authorizer(UpdateAuthorizerInput) -> UpdateAuthorizerOutput;
    deployments::create_deployment(CreateDeploymentInput) -> CreateDeploymentOutput;
    deployments::delete_deployment(DeleteDeploymentInput) -> DeleteDeploymentOutput;
    deployments::get_deployment(GetDeploymentInput) -> GetDeploymentOutput;
    deployments::get_deployments(GetDeploymentsInput) -> GetDeploymentsOutput;
    deployments::update_deployment(UpdateDeploymentInput) -> UpdateDeploymentOutput;
    exports::export_api(ExportApiInput) -> ExportApiOutput;
    imports::import_api(ImportApiInput) -> ImportApiOutput;
    imports::reimport_api(ReimportApiInput) -> ReimportApiOutput;
    integrations::create_integration(CreateIntegrationInput) -> CreateIntegrationOutput;
    integrations::delete_integration(DeleteIntegrationInput) -> DeleteIntegrationOutput;
    integrations::get_integration(GetIntegrationInput) -> GetIntegrationOutput;
    integrations::get_integrations(GetIntegrationsInput) -> GetIntegrationsOutput;
    integrations::update_integration(UpdateIntegrationInput) -> UpdateIntegrationOutput;
    routes::create_route(CreateRouteInput) -> CreateRouteOutput;
    routes::delete_route(DeleteRouteInput) -> DeleteRouteOutput;
    routes::get_route(GetRouteInput) -> GetRouteOutput;
    routes::get_routes(GetRoutesInput) -> GetRoutesOutput;
    routes::update_route(UpdateRouteInput) -> UpdateRouteOutput;
    stages::create_stage(CreateStageInput) -> CreateStageOutput;
    stages::delete_access_log_settings(DeleteAccessLogSettingsInput) -> DeleteAccessLogSettingsOutput;
    stages::delete_route_settings(DeleteRouteSettingsInput) -> DeleteRouteSettingsOutput;
    stages::delete_stage(DeleteStageInput) -> DeleteStageOutput;
    stages::get_stage(GetStageInput) -> GetStageOutput;
    stages::get_stages(GetStagesInput) -> GetStagesOutput;
    stages::update_stage(UpdateStageInput) -> UpdateStageOutput;
    tags::get_tags(GetTagsInput) -> GetTagsOutput;
    tags::tag_resource(TagResourceInput) -> TagResourceOutput;
    tags::untag_resource(UntagResourceInput) -> UntagResourceOutput;
}
