//! `AWS::Serverless::Application`: a nested stack of the template that is at a URL.
//!
//! Applications of the AWS Serverless Application Repository are refused: there is none.

use super::function::tags;
use super::node::Dict;
use super::problem::Result;
use super::resource::{Resource, Source};

/// The nested stack.
pub fn transform(source: &Source) -> Result<Resource> {
    let Some(location) = source.properties.get("Location") else {
        return source.problem("Resource is missing the required [Location] property.");
    };
    if let Some(location) = location.dict() {
        return source.problem(in_repository(location));
    }
    let stack = Resource::new(source.id.clone(), "AWS::CloudFormation::Stack", source.passed());
    Ok(stack
        .after(source.depends_on.clone())
        .with("TemplateURL", location.clone())
        .with_some("Parameters", source.get("Parameters"))
        .with_some("NotificationARNs", source.get("NotificationARNs"))
        .with("Tags", tags(source)?)
        .with_some("TimeoutInMinutes", source.get("TimeoutInMinutes")))
}

/// What is wrong with a location that is no URL: one in the repository, or not even that.
fn in_repository(location: &Dict) -> String {
    let missing = ["ApplicationId", "SemanticVersion"].into_iter().find(|name| !location.contains(name));
    match missing {
        Some(name) => format!("Resource is missing the required [{name}] property."),
        None => "Property 'Location' must be a URL: applications of the AWS Serverless Application Repository are \
                 not supported."
            .to_owned(),
    }
}
