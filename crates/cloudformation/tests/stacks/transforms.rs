//! Stacks of serverless templates.

use ropeway_api::cloudformation::*;

use crate::world::*;

/// A queue of its own, and a notification that a function of SAM's would need a type for.
const PLAIN: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters: {Name: {Type: String, Default: plain}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}
Outputs: {Url: {Value: !Ref Queue}}
"#;

const WRONG: &str = r#"
Transform: [AWS::Serverless-2016-10-31]
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {Handler: h, Runtime: python3.12, CodeUri: ./src}}
  Two: {Type: AWS::Serverless::SimpleTable}
  Three: {Type: AWS::Nothing::AtAll}
"#;

fn creation(template: &str, capabilities: &[&str]) -> CreateStackInput {
    CreateStackInput {
        stack_name: "shop".to_owned(),
        template_body: Some(template.to_owned()),
        capabilities: Some(capabilities.iter().map(|c| (*c).to_owned()).collect()),
        ..CreateStackInput::default()
    }
}

async fn template(
    world: &World,
    set: Option<&str>,
    stage: Option<&str>,
) -> Result<GetTemplateOutput, String> {
    let input = GetTemplateInput {
        stack_name: Some("shop".to_owned()),
        change_set_name: set.map(str::to_owned),
        template_stage: stage.map(str::to_owned),
    };
    world.cfn.get_template(&world.cx, input).await.map_err(|error| error.message)
}

async fn change(world: &World, kind: &str, name: &str, template: Option<&str>) -> DescribeChangeSetOutput {
    let input = CreateChangeSetInput {
        stack_name: "shop".to_owned(),
        change_set_name: name.to_owned(),
        change_set_type: Some(kind.to_owned()),
        template_body: template.map(str::to_owned),
        use_previous_template: Some(template.is_none()),
        ..CreateChangeSetInput::default()
    };
    let set = world.cfn.create_change_set(&world.cx, input).await.unwrap().id.unwrap();
    let input = DescribeChangeSetInput { change_set_name: set, ..DescribeChangeSetInput::default() };
    world.cfn.describe_change_set(&world.cx, input).await.unwrap()
}

#[tokio::test]
async fn a_stack_must_acknowledge_transforms() {
    let world = World::new().await;
    let refused = world.cfn.create_stack(&world.cx, creation(PLAIN, &["CAPABILITY_IAM"])).await.unwrap_err();
    assert_eq!(refused.code, "InsufficientCapabilitiesException");
    assert_eq!(refused.message, "Requires capabilities : [CAPABILITY_AUTO_EXPAND]");
    let made = world.cfn.create_stack(&world.cx, creation(PLAIN, &["CAPABILITY_AUTO_EXPAND"])).await.unwrap();
    let done = world.settled(&made.stack_id.unwrap()).await;
    assert_eq!(done.stack_status, "CREATE_COMPLETE");

    let original = template(&world, None, Some("Original")).await.unwrap();
    assert_eq!(original.template_body.as_deref(), Some(PLAIN));
    assert_eq!(original.stages_available, Some(vec!["Original".to_owned(), "Processed".to_owned()]));
    let processed = template(&world, None, None).await.unwrap().template_body.unwrap();
    let processed: serde_json::Value = serde_json::from_str(&processed).unwrap();
    assert_eq!(processed["Resources"]["Queue"]["Type"], "AWS::SQS::Queue");
    assert_eq!(processed.get("Transform"), None);

    let update = UpdateStackInput {
        stack_name: "shop".to_owned(),
        use_previous_template: Some(true),
        ..UpdateStackInput::default()
    };
    let refused = world.cfn.update_stack(&world.cx, update.clone()).await.unwrap_err();
    assert_eq!(refused.message, "Requires capabilities : [CAPABILITY_AUTO_EXPAND]");
    let update = UpdateStackInput { capabilities: Some(vec!["CAPABILITY_AUTO_EXPAND".to_owned()]), ..update };
    let refused = world.cfn.update_stack(&world.cx, update).await.unwrap_err();
    assert_eq!(refused.message, "No updates are to be performed.");
}

#[tokio::test]
async fn a_change_set_shows_what_transforms_make() {
    let world = World::new().await;
    let set = change(&world, "CREATE", "one", Some(PLAIN)).await;
    assert_eq!(set.status.as_deref(), Some("CREATE_COMPLETE"));
    let execute = ExecuteChangeSetInput {
        change_set_name: set.change_set_id.unwrap(),
        ..ExecuteChangeSetInput::default()
    };
    world.cfn.execute_change_set(&world.cx, execute).await.unwrap();
    world.settled("shop").await;
    let same = change(&world, "UPDATE", "two", None).await;
    assert_eq!(same.status.as_deref(), Some("FAILED"));
    assert_eq!(same.status_reason.as_deref(), Some("No updates are to be performed."));
}

#[tokio::test]
async fn a_change_set_keeps_why_a_transform_failed() {
    let world = World::new().await;
    let set = change(&world, "CREATE", "one", Some(WRONG)).await;
    assert_eq!(set.status.as_deref(), Some("FAILED"));
    assert_eq!(set.execution_status.as_deref(), Some("UNAVAILABLE"));
    assert_eq!(
        set.status_reason.unwrap(),
        "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. Number of \
         errors found: 2. Resource with id [Two] is invalid. Resource type 'AWS::Serverless::SimpleTable' is not supported. \
         Resource with id [One] is invalid. 'CodeUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional \
         versionId query parameter.\nTemplate format error: Unrecognized resource types: [AWS::Nothing::AtAll]"
    );
    let name = set.change_set_id.as_deref();
    let original = template(&world, name, None).await.unwrap();
    assert_eq!(original.template_body.as_deref(), Some(WRONG));
    assert_eq!(original.stages_available, Some(vec!["Original".to_owned()]));
    let refused = template(&world, name, Some("Processed")).await.unwrap_err();
    assert_eq!(refused, "TemplateStage Processed does not exist");

    let refused = world.cfn.create_stack(&world.cx, creation(WRONG, &["CAPABILITY_AUTO_EXPAND"])).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, "ValidationError");
    assert!(
        refused.message.starts_with("Transform AWS::Serverless-2016-10-31 failed with: "),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn summaries_are_of_the_template_as_it_was_given() {
    let world = World::new().await;
    let input = GetTemplateSummaryInput {
        template_body: Some(WRONG.to_owned()),
        ..GetTemplateSummaryInput::default()
    };
    let summary = world.cfn.get_template_summary(&world.cx, input).await.unwrap();
    assert_eq!(summary.declared_transforms, Some(vec!["AWS::Serverless-2016-10-31".to_owned()]));
    let needed = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"].map(str::to_owned).to_vec();
    assert_eq!(summary.capabilities, Some(needed));
    let types = ["AWS::Nothing::AtAll", "AWS::Serverless::Function", "AWS::Serverless::SimpleTable"];
    assert_eq!(summary.resource_types, Some(types.map(str::to_owned).to_vec()));
    let input = ValidateTemplateInput { template_body: Some(PLAIN.to_owned()), template_url: None };
    let valid = world.cfn.validate_template(&world.cx, input).await.unwrap();
    assert_eq!(valid.capabilities, Some(vec!["CAPABILITY_AUTO_EXPAND".to_owned()]));

    let other = PLAIN.replace("AWS::Serverless-2016-10-31", "AWS::CodeDeployBlueGreen");
    let input = ValidateTemplateInput { template_body: Some(other), template_url: None };
    let refused = world.cfn.validate_template(&world.cx, input).await.unwrap_err();
    assert_eq!(
        refused.message,
        "Template format error: Transform [AWS::CodeDeployBlueGreen] is not supported"
    );
}
