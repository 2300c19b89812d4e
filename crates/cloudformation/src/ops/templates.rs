//! Reading, checking and summing up templates.

use std::collections::BTreeSet;

use ropeway_api::cloudformation::*;
use ropeway_wire::{Cx, Error};

use super::change_sets::find_set;
use super::request::required_capability;
use super::{CloudFormation, source};
use crate::commands::{Command, Output as Answered};
use crate::error;
use crate::providers::{self, Registry};
use crate::template::{Resource, Template, check};
use crate::transforms::{AUTO_EXPAND, unexpanded};

pub async fn get_template(
    service: &CloudFormation,
    cx: &Cx,
    input: GetTemplateInput,
) -> Result<GetTemplateOutput, Error> {
    let definition = match &input.change_set_name {
        Some(name) => {
            let (key, set) = find_set(service, cx, name, input.stack_name.as_deref()).await?;
            let command = Command::Planned(key.clone(), set.id);
            match service.on_stack(cx, &key, command).await? {
                Answered::Planned(definition) => *definition,
                _ => return Err(error::unexpected()),
            }
        }
        None => {
            let name = input.stack_name.as_deref();
            let name =
                name.ok_or_else(|| error::validation("StackName or ChangeSetName must be specified."))?;
            service.stack_of(cx, name, error::stack_id_missing).await?.1
        }
    };
    // Without transforms, what is processed is what was given. Where they failed, there is nothing processed.
    let failed = definition.template.is_empty() && definition.original.is_some();
    let available: &[&str] = if failed { &["Original"] } else { &["Original", "Processed"] };
    let stage = input.template_stage.as_deref().unwrap_or(if failed { "Original" } else { "Processed" });
    if !available.contains(&stage) {
        return Err(error::validation(format!("TemplateStage {stage} does not exist")));
    }
    let body = if stage == "Original" { definition.given().to_owned() } else { definition.template };
    let stages = available.iter().map(|stage| (*stage).to_owned()).collect();
    Ok(GetTemplateOutput { template_body: Some(body), stages_available: Some(stages) })
}

/// A template that is summed up: read, and what of it is checked that can be before its transforms.
struct Summed {
    template: Template,
    transforms: Vec<String>,
}

fn sum(body: &str) -> Result<Summed, Error> {
    let (template, transforms) = unexpanded(body)?;
    if transforms.is_empty() {
        check(&template, &Registry)?;
    }
    Ok(Summed { template, transforms })
}

/// The template of a request, read and checked.
async fn checked(
    service: &CloudFormation,
    cx: &Cx,
    body: Option<String>,
    url: Option<&str>,
) -> Result<Option<Summed>, Error> {
    let Some(body) = source::template(&service.services, cx, body, url).await? else { return Ok(None) };
    sum(&body).map(Some)
}

impl Summed {
    /// What must be acknowledged, and for which types.
    fn capabilities(&self) -> (Vec<String>, Option<String>) {
        let (mut needed, mut types) = (Vec::new(), Vec::new());
        if let Some((capability, found)) = required_capability(&self.template) {
            needed.push(capability.to_owned());
            types = found;
        }
        // A function without a role gets one.
        let gets_role = |resource: &Resource| {
            resource.resource_type == FUNCTION && !resource.properties.contains_key("Role")
        };
        if !self.transforms.is_empty() && self.template.resources.values().any(gets_role) {
            if needed.is_empty() {
                needed.push("CAPABILITY_IAM".to_owned());
            }
            types.push(FUNCTION.to_owned());
        }
        if !self.transforms.is_empty() {
            needed.push(AUTO_EXPAND.to_owned());
        }
        let reason = format!("The following resource(s) require capabilities: [{}]", types.join(", "));
        (needed, (!types.is_empty()).then_some(reason))
    }
}

const FUNCTION: &str = "AWS::Serverless::Function";

pub async fn validate_template(
    service: &CloudFormation,
    cx: &Cx,
    input: ValidateTemplateInput,
) -> Result<ValidateTemplateOutput, Error> {
    let template = checked(service, cx, input.template_body, input.template_url.as_deref()).await?;
    let missing = || error::validation("Either Template URL or Template Body must be specified.");
    let summed = template.ok_or_else(missing)?;
    let (capabilities, capabilities_reason) = summed.capabilities();
    let template = &summed.template;
    let parameters = template.parameters.iter().map(|(name, parameter)| TemplateParameter {
        parameter_key: Some(name.clone()),
        default_value: parameter.default.clone(),
        no_echo: Some(parameter.no_echo),
        description: parameter.description.clone(),
    });
    Ok(ValidateTemplateOutput {
        parameters: Some(parameters.collect()),
        description: template.description.clone(),
        capabilities: Some(capabilities),
        capabilities_reason,
        declared_transforms: Some(summed.transforms.clone()),
    })
}

pub async fn get_template_summary(
    service: &CloudFormation,
    cx: &Cx,
    input: GetTemplateSummaryInput,
) -> Result<GetTemplateSummaryOutput, Error> {
    let given = checked(service, cx, input.template_body, input.template_url.as_deref()).await?;
    let summed = match (given, &input.stack_name) {
        (Some(_), Some(_)) => {
            return Err(error::validation("Specify only one of StackName and a template."));
        }
        (Some(summed), None) => summed,
        (None, Some(name)) => {
            let (template, transforms) =
                unexpanded(service.stack_of(cx, name, error::stack_id_missing).await?.1.given())?;
            Summed { template, transforms }
        }
        (None, None) => {
            return Err(error::validation("Either Template URL or Template Body must be specified."));
        }
    };
    let (capabilities, capabilities_reason) = summed.capabilities();
    let template = &summed.template;
    let parameters = template.parameters.iter().map(|(name, parameter)| ParameterDeclaration {
        parameter_key: Some(name.clone()),
        default_value: parameter.default.clone(),
        parameter_type: Some(parameter.type_name.clone()),
        no_echo: Some(parameter.no_echo),
        description: parameter.description.clone(),
        parameter_constraints: Some(ParameterConstraints {
            allowed_values: (!parameter.allowed_values.is_empty()).then(|| parameter.allowed_values.clone()),
        }),
    });
    Ok(GetTemplateSummaryOutput {
        parameters: Some(parameters.collect()),
        description: template.description.clone(),
        capabilities: Some(capabilities),
        capabilities_reason,
        resource_types: Some(types(template).into_iter().collect()),
        version: Some("2010-09-09".to_owned()),
        metadata: template.metadata.as_ref().map(|metadata| metadata.to_json().to_string()),
        resource_identifier_summaries: Some(identifiers(template)),
        declared_transforms: Some(summed.transforms.clone()),
        ..GetTemplateSummaryOutput::default()
    })
}

fn types(template: &Template) -> BTreeSet<String> {
    template.resources.values().map(|resource| resource.resource_type.clone()).collect()
}

/// For each type, its resources and the property that names them.
fn identifiers(template: &Template) -> Vec<ResourceIdentifierSummary> {
    let summary = |resource_type: String| {
        let of_type = template.resources.iter().filter(|(_, r)| r.resource_type == resource_type);
        let ids = of_type.map(|(id, _)| id.clone()).collect();
        let name = providers::identifier(&resource_type);
        ResourceIdentifierSummary {
            logical_resource_ids: Some(ids),
            resource_identifiers: Some(name.into_iter().map(str::to_owned).collect()),
            resource_type: Some(resource_type),
        }
    };
    types(template).into_iter().map(summary).collect()
}
