//! Which properties of a template name code by a local path.

use serde_json::{Value, json};

use super::text;

/// Types of resources whose code may be local: the property, and the form that names an upload.
const LOCAL: &[(&str, &str, Form)] = &[
    ("AWS::Serverless::Function", "CodeUri", Form::Uri),
    ("AWS::Serverless::LayerVersion", "ContentUri", Form::Uri),
    ("AWS::Lambda::Function", "Code", Form::Members),
    ("AWS::Lambda::LayerVersion", "Content", Form::Members),
];

/// The types that are stacks of templates, and their property for the template's place.
const STACKS: [(&str, &str); 2] =
    [("AWS::CloudFormation::Stack", "TemplateURL"), ("AWS::Serverless::Application", "Location")];

/// How a property names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `s3://bucket/key`
    Uri,
    /// `S3Bucket` and `S3Key`
    Members,
}

/// A resource's local code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Artifact {
    /// The resource's logical id.
    pub resource: String,
    /// The path, from the template's folder.
    pub path: String,
    /// The function's runtime; empty for a layer.
    pub runtime: String,
    /// SAM's `BuildMethod`.
    pub method: Option<String>,
    /// The program that a Rust package has more than one of: SAM's `BuildProperties`, `Binary`.
    pub binary: Option<String>,
    /// A version is published with each change: SAM's `AutoPublishAlias`.
    pub published: bool,
    property: &'static str,
    form: Form,
}

/// Every local path of a template, in the order of the resources' names.
pub(super) fn find(template: &Value) -> Vec<Artifact> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let found = resources.into_iter().flatten().filter_map(|(id, resource)| of(template, id, resource));
    found.collect()
}

fn of(template: &Value, id: &str, resource: &Value) -> Option<Artifact> {
    let kind = text(resource, &["Type"])?;
    let (_, property, form) = LOCAL.iter().find(|(local, ..)| *local == kind)?;
    // SAM's globals stand in for what a function does not say itself.
    let given = |name: &str| {
        let own = text(resource, &["Properties", name]);
        let global = || text(template, &["Globals", "Function", name]);
        own.or_else(|| global().filter(|_| kind == "AWS::Serverless::Function")).map(str::to_owned)
    };
    let path = given(property).filter(|path| !path.contains("://"))?;
    let metadata = |path: &[&str]| text(resource.get("Metadata")?, path).map(str::to_owned);
    Some(Artifact {
        resource: id.to_owned(),
        path,
        runtime: given("Runtime").unwrap_or_default(),
        method: metadata(&["BuildMethod"]),
        binary: metadata(&["BuildProperties", "Binary"]),
        published: given("AutoPublishAlias").is_some(),
        property,
        form: *form,
    })
}

/// The property of a resource that names a template; none: the resource is no stack.
fn template_property(resource: &Value) -> Option<&'static str> {
    let of = text(resource, &["Type"])?;
    STACKS.iter().find(|(stack, _)| *stack == of).map(|(_, property)| *property)
}

/// The resources that are stacks of local templates, and the paths from the template's folder.
pub(super) fn nested(template: &Value) -> Vec<(String, String)> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let found = resources.into_iter().flatten().filter_map(|(id, resource)| {
        let path = text(resource, &["Properties", template_property(resource)?])?;
        (!path.contains("://")).then(|| (id.clone(), path.to_owned()))
    });
    found.collect()
}

/// Puts a template's URL in the place of its path.
pub(super) fn name_template(template: &mut Value, resource: &str, url: &str) {
    let resource = template.get_mut("Resources").and_then(|resources| resources.get_mut(resource));
    let Some(resource) = resource else { return };
    let property = template_property(resource);
    let properties = resource.get_mut("Properties").and_then(Value::as_object_mut);
    if let (Some(property), Some(properties)) = (property, properties) {
        properties.insert(property.to_owned(), url.into());
    }
}

impl Artifact {
    /// It is a function's, not a layer's.
    pub(super) fn is_function(&self) -> bool {
        matches!(self.property, "CodeUri" | "Code")
    }

    /// Puts the upload's name in the place of the path.
    pub(super) fn name_upload(&self, template: &mut Value, bucket: &str, key: &str) {
        let properties = template
            .get_mut("Resources")
            .and_then(|resources| resources.get_mut(&self.resource))
            .and_then(|resource| resource.get_mut("Properties"))
            .and_then(Value::as_object_mut);
        let upload = match self.form {
            Form::Uri => json!(format!("s3://{bucket}/{key}")),
            Form::Members => json!({ "S3Bucket": bucket, "S3Key": key }),
        };
        properties.map(|properties| properties.insert(self.property.to_owned(), upload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        json!({
            "Globals": { "Function": { "Runtime": "nodejs20.x", "CodeUri": "app" } },
            "Resources": {
                "Global": { "Type": "AWS::Serverless::Function", "Properties": {} },
                "Layer": { "Type": "AWS::Serverless::LayerVersion", "Properties": { "ContentUri": "s3://a/b" } },
                "Plain": { "Type": "AWS::Lambda::Function", "Properties": { "Code": "f.zip", "Runtime": "java21" } },
                "Rust": {
                    "Type": "AWS::Serverless::Function",
                    "Metadata": { "BuildMethod": "rust-cargolambda", "BuildProperties": { "Binary": "presign" } },
                    "Properties": { "CodeUri": "function/", "Runtime": "provided.al2023" }
                },
                "There": { "Type": "AWS::Lambda::Function", "Properties": { "Code": { "ZipFile": "x" } } }
            }
        })
    }

    #[test]
    fn nested_templates_are_found_and_replaced() {
        let stack = |url: Value| json!({ "Type": "AWS::CloudFormation::Stack", "Properties": { "TemplateURL": url } });
        let mut template = json!({ "Resources": {
            "Far": stack(json!("https://s3.amazonaws.com/b/k")),
            "Near": stack(json!("./near.yaml")),
            "Own": { "Type": "AWS::Serverless::Application", "Properties": { "Location": "own.yaml" } },
            "Public": { "Type": "AWS::Serverless::Application", "Properties": {
                "Location": { "ApplicationId": "arn:a", "SemanticVersion": "1.0.0" } } },
            "Some": stack(json!({ "Ref": "Url" })),
        } });
        let expected = [("Near", "./near.yaml"), ("Own", "own.yaml")];
        assert_eq!(nested(&template), expected.map(|(id, path)| (id.to_owned(), path.to_owned())));
        name_template(&mut template, "Near", "http://x/y");
        name_template(&mut template, "Own", "http://x/z");
        assert_eq!(template["Resources"]["Near"]["Properties"]["TemplateURL"], json!("http://x/y"));
        assert_eq!(template["Resources"]["Own"]["Properties"]["Location"], json!("http://x/z"));
        assert!(nested(&template).is_empty());
    }

    #[test]
    fn local_paths_are_found_and_replaced() {
        let mut template = template();
        let found = find(&template);
        let brief = |a: &Artifact| (a.resource.clone(), a.path.clone(), a.runtime.clone(), a.binary.clone());
        let row = |id: &str, path: &str, runtime: &str, binary: Option<&str>| {
            (id.to_owned(), path.to_owned(), runtime.to_owned(), binary.map(str::to_owned))
        };
        assert_eq!(
            found.iter().map(brief).collect::<Vec<_>>(),
            [
                row("Global", "app", "nodejs20.x", None),
                row("Plain", "f.zip", "java21", None),
                row("Rust", "function/", "provided.al2023", Some("presign")),
            ]
        );
        found.iter().for_each(|artifact| artifact.name_upload(&mut template, "bucket", "key"));
        let code = |id: &str, property: &str| template["Resources"][id]["Properties"][property].clone();
        assert_eq!(code("Global", "CodeUri"), "s3://bucket/key");
        assert_eq!(code("Plain", "Code"), json!({ "S3Bucket": "bucket", "S3Key": "key" }));
        assert!(find(&json!({ "Resources": { "There": template["Resources"]["There"] } })).is_empty());
    }
}
