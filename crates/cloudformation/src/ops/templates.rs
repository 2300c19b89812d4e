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
use crate::template::{Template, check};

pub async fn get_template(
    service: &CloudFormation,
    cx: &Cx,
    input: GetTemplateInput,
) -> Result<GetTemplateOutput, Error> {
    let template = match &input.change_set_name {
        Some(name) => {
            let (key, set) = find_set(service, cx, name, input.stack_name.as_deref()).await?;
            let command = Command::Planned(key.clone(), set.id);
            match service.on_stack(cx, &key, command).await? {
                Answered::Planned(definition) => definition.template,
                _ => return Err(error::unexpected()),
            }
        }
        None => {
            let name = input.stack_name.as_deref();
            let name =
                name.ok_or_else(|| error::validation("StackName or ChangeSetName must be specified."))?;
            service.stack_of(cx, name, error::stack_id_missing).await?.1.template
        }
    };
    // Without transforms, what is processed is what was given: either stage is the same text.
    if let Some(stage) = input.template_stage.filter(|stage| !STAGES.contains(&stage.as_str())) {
        return Err(error::validation(format!("TemplateStage {stage} does not exist")));
    }
    let stages = STAGES.iter().map(|stage| (*stage).to_owned()).collect();
    Ok(GetTemplateOutput { template_body: Some(template), stages_available: Some(stages) })
}

const STAGES: [&str; 2] = ["Original", "Processed"];

/// The template of a request, read and checked.
async fn checked(
    service: &CloudFormation,
    cx: &Cx,
    body: Option<String>,
    url: Option<&str>,
) -> Result<Option<Template>, Error> {
    let Some(body) = source::template(&service.services, cx, body, url).await? else { return Ok(None) };
    let template = Template::parse(&body)?;
    check(&template, &Registry)?;
    Ok(Some(template))
}

fn capabilities(template: &Template) -> (Vec<String>, Option<String>) {
    match required_capability(template) {
        None => (Vec::new(), None),
        Some((capability, types)) => {
            let reason = format!("The following resource(s) require capabilities: [{}]", types.join(", "));
            (vec![capability.to_owned()], Some(reason))
        }
    }
}

pub async fn validate_template(
    service: &CloudFormation,
    cx: &Cx,
    input: ValidateTemplateInput,
) -> Result<ValidateTemplateOutput, Error> {
    let template = checked(service, cx, input.template_body, input.template_url.as_deref()).await?;
    let missing = || error::validation("Either Template URL or Template Body must be specified.");
    let template = template.ok_or_else(missing)?;
    let (capabilities, capabilities_reason) = capabilities(&template);
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
        declared_transforms: Some(Vec::new()),
    })
}

pub async fn get_template_summary(
    service: &CloudFormation,
    cx: &Cx,
    input: GetTemplateSummaryInput,
) -> Result<GetTemplateSummaryOutput, Error> {
    let given = checked(service, cx, input.template_body, input.template_url.as_deref()).await?;
    let template = match (given, &input.stack_name) {
        (Some(_), Some(_)) => {
            return Err(error::validation("Specify only one of StackName and a template."));
        }
        (Some(template), None) => template,
        (None, Some(name)) => {
            Template::parse(&service.stack_of(cx, name, error::stack_id_missing).await?.1.template)?
        }
        (None, None) => {
            return Err(error::validation("Either Template URL or Template Body must be specified."));
        }
    };
    let (capabilities, capabilities_reason) = capabilities(&template);
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
        resource_types: Some(types(&template).into_iter().collect()),
        version: Some("2010-09-09".to_owned()),
        metadata: template.metadata.as_ref().map(|metadata| metadata.to_json().to_string()),
        resource_identifier_summaries: Some(identifiers(&template)),
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
        let name = providers::of(&resource_type).and_then(|provider| provider.name_property());
        ResourceIdentifierSummary {
            logical_resource_ids: Some(ids),
            resource_identifiers: Some(name.into_iter().map(str::to_owned).collect()),
            resource_type: Some(resource_type),
        }
    };
    types(template).into_iter().map(summary).collect()
}
