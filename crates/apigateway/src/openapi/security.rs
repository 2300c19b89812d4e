//! Security schemes: IAM, API keys, Lambda authorisers.

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::Value as Json;

use super::{member, members, text};
use crate::commands::Moment;
use crate::errors::{bad, unimplemented};
use crate::model::{Authorizer, Definition, Method};

/// What a scheme stands for.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// `x-api-key`
    Key,
    /// IAM
    Iam,
    /// The authoriser of an id.
    Custom(String),
    /// Nothing that API Gateway looks at.
    Other,
}

/// Schemes by name.
pub type Schemes = BTreeMap<String, Scheme>;

/// Reads the schemes, and adds their authorisers.
pub fn schemes(
    json: &Json,
    third: bool,
    definition: &mut Definition,
    moment: &Moment<'_>,
) -> Result<Schemes, Error> {
    let all = match third {
        true => member(member(json, "components"), "securitySchemes"),
        false => member(json, "securityDefinitions"),
    };
    let mut out = Schemes::new();
    for (name, said) in members(all) {
        out.insert(name.clone(), scheme(name, said, definition, moment)?);
    }
    Ok(out)
}

fn scheme(
    name: &str,
    said: &Json,
    definition: &mut Definition,
    moment: &Moment<'_>,
) -> Result<Scheme, Error> {
    let kind = text(member(said, "x-amazon-apigateway-authtype")).unwrap_or_default();
    let header = text(member(said, "name")).unwrap_or_default();
    let given = member(said, "x-amazon-apigateway-authorizer");
    if given.is_object() {
        let authorizer = authorizer(name, given, &kind, &header)?;
        let known = definition.authorizers.iter().find(|(_, one)| one.name == name);
        let id = known.map_or_else(|| moment.id(6), |(id, _)| id.clone());
        definition.authorizers.insert(id.clone(), authorizer);
        return Ok(Scheme::Custom(id));
    }
    if kind.eq_ignore_ascii_case("awsSigv4") {
        return Ok(Scheme::Iam);
    }
    Ok(if header.eq_ignore_ascii_case("x-api-key") { Scheme::Key } else { Scheme::Other })
}

fn authorizer(name: &str, given: &Json, kind: &str, header: &str) -> Result<Authorizer, Error> {
    let of = |member_name: &str| text(member(given, member_name));
    let form = of("type").unwrap_or_default().to_ascii_uppercase();
    if form == "COGNITO_USER_POOLS" {
        return Err(unimplemented("An authorizer of the type COGNITO_USER_POOLS"));
    }
    let ttl = of("authorizerResultTtlInSeconds").map_or(Some(300), |ttl| ttl.parse().ok());
    let by_header = || (form == "TOKEN").then(|| format!("method.request.header.{header}"));
    Ok(Authorizer {
        name: name.to_owned(),
        identity_source: of("identitySource").or_else(by_header),
        kind: form.clone(),
        auth_type: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        uri: of("authorizerUri").unwrap_or_default(),
        credentials: of("authorizerCredentials"),
        validation: of("identityValidationExpression"),
        ttl_secs: ttl.ok_or_else(|| bad("Authorizer result TTL must be between 0 and 3600"))?,
    })
}

/// Applies what an operation, or the document, asks for.
pub fn secure(schemes: &Schemes, security: &Json, method: &mut Method) {
    for wanted in security.as_array().into_iter().flatten() {
        for (name, scopes) in members(wanted) {
            match schemes.get(name) {
                Some(Scheme::Key) => method.api_key_required = true,
                Some(Scheme::Iam) => method.authorization_type = "AWS_IAM".to_owned(),
                Some(Scheme::Custom(id)) => {
                    method.authorization_type = "CUSTOM".to_owned();
                    method.authorizer_id = Some(id.clone());
                    method.authorization_scopes =
                        scopes.as_array().into_iter().flatten().filter_map(text).collect();
                }
                Some(Scheme::Other) | None => {}
            }
        }
    }
}
