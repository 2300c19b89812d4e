//! The usage plan of a REST API, with the key that is in it.

use super::node::{Node, dict, reference};
use super::problem::Result;
use super::resource::{Resource, Source};

const KNOWN: [&str; 6] = ["CreateUsagePlan", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"];

/// Plan, key, and the one in the other.
pub fn resources(source: &Source, plan: &Node, stage: &Resource) -> Result<Vec<Resource>> {
    let Some(config) = plan.dict() else { return source.problem("'UsagePlan' must be a dictionary") };
    if config.keys().into_iter().any(|key| !KNOWN.contains(&key)) {
        return source.problem("Invalid property for 'UsagePlan'");
    }
    match config.some("CreateUsagePlan").map(|create| create.text()) {
        None => return source.problem("'CreateUsagePlan' is a required field for UsagePlan."),
        Some(Some("NONE")) => return Ok(Vec::new()),
        Some(Some("PER_API")) => {}
        Some(Some("SHARED")) => {
            return source.problem("'CreateUsagePlan' of SHARED is not supported.");
        }
        Some(_) => {
            return source.problem("'CreateUsagePlan' accepts one of ['SHARED', 'PER_API', 'NONE'].");
        }
    }
    let api = reference(source.id.clone());
    let id = |suffix: &str| format!("{}{suffix}", source.id.text);
    let after = |id: &str| Some(Node::List(vec![id.into()]));
    let stages = dict([("ApiId", api.clone()), ("Stage", stage.reference())]);
    let mut plan = Resource::new(id("UsagePlan"), "AWS::ApiGateway::UsagePlan", source.passed())
        .after(Some(Node::List(vec![source.id.clone().into()])))
        .with("ApiStages", vec![stages]);
    for name in ["UsagePlanName", "Description", "Quota", "Tags", "Throttle"] {
        plan = plan.with_some(name, config.truthy(name));
    }
    let stages = dict([("RestApiId", api), ("StageName", stage.reference())]);
    let key = Resource::new(id("ApiKey"), "AWS::ApiGateway::ApiKey", source.passed())
        .after(after(&plan.id.text))
        .with("Enabled", true)
        .with("StageKeys", vec![stages]);
    let joined = Resource::new(id("UsagePlanKey"), "AWS::ApiGateway::UsagePlanKey", source.passed())
        .after(after(&key.id.text))
        .with("KeyId", key.reference())
        .with("KeyType", "API_KEY")
        .with("UsagePlanId", plan.reference());
    Ok(vec![plan, key, joined])
}
