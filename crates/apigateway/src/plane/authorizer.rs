//! Lambda authorisers:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html>.

use bytes::Bytes;
use regex::Regex;
use ropeway_core::Time;
use serde_json::{Map, Value as Json, json};

use super::hit::Hit;
use super::integrate::request_value;
use super::lambda::Order;
use super::refusal::Refusal;
use super::{Plane, event};
use crate::model::{Authorizer, Method};

/// Answers of authorisers that a stage keeps; beyond, all are asked for again.
pub const MOST_KEPT: usize = 10_000;

/// What an authoriser answered, and until when it holds.
#[derive(Debug, Clone)]
pub struct Verdict {
    principal: String,
    statements: Vec<Statement>,
    context: Map<String, Json>,
    usage_key: Option<String>,
    until: Time,
}

#[derive(Debug, Clone)]
pub struct Statement {
    allows: bool,
    resources: Vec<String>,
}

fn unauthorized() -> Refusal {
    Refusal::new("UNAUTHORIZED", "UnauthorizedException", "Unauthorized")
}

/// The authoriser's answer cannot be used: AWS tells its caller nothing more.
pub fn broken(hit: &Hit<'_>, why: &str) -> Refusal {
    tracing::info!(api = hit.served.name.id, why, "an authorizer's answer cannot be used");
    let kind = "AUTHORIZER_CONFIGURATION_ERROR";
    Refusal { message: None, ..Refusal::new(kind, "AuthorizerConfigurationException", "") }
}

/// Whether a text fits a pattern of `*` and `?`.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                (star, mark) = (Some(p), t);
                p += 1;
            }
            Some(one) if *one == b'?' || Some(one) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some(at) = star else { return false };
                mark += 1;
                (p, t) = (at + 1, mark);
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// A text or a list of texts.
fn texts(json: Option<&Json>) -> Vec<String> {
    match json {
        Some(Json::String(text)) => vec![text.clone()],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The statements that say something of `execute-api:Invoke`.
pub fn statements(policy: &Json) -> Result<Vec<Statement>, &'static str> {
    let said = policy.get("Statement").ok_or("there is no policy with statements")?;
    let all = match said {
        Json::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let mut out = Vec::new();
    for one in all {
        for unknown in ["Condition", "NotAction", "NotResource"] {
            if one.get(unknown).is_some() {
                return Err("conditions, NotAction and NotResource are not implemented");
            }
        }
        let allows = match one.get("Effect").and_then(Json::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("a statement's effect is neither Allow nor Deny"),
        };
        let of_calls = |action: &String| fits(action.to_ascii_lowercase().as_bytes(), b"execute-api:invoke");
        if texts(one.get("Action")).iter().any(of_calls) {
            out.push(Statement { allows, resources: texts(one.get("Resource")) });
        }
    }
    Ok(out)
}

/// What statements say of a method; `None`: nothing.
pub fn allowed(statements: &[Statement], arn: &str) -> Option<bool> {
    let about = |one: &&Statement| one.resources.iter().any(|r| fits(r.as_bytes(), arn.as_bytes()));
    let mut about = statements.iter().filter(about).peekable();
    about.peek()?;
    Some(about.all(|one| one.allows))
}

impl Verdict {
    /// Whether a method may be called.
    fn decides(&self, arn: &str) -> Result<(), Refusal> {
        let refuse = |message| Err(Refusal::new("ACCESS_DENIED", "AccessDeniedException", message));
        match allowed(&self.statements, arn) {
            Some(true) => Ok(()),
            None => refuse("User is not authorized to access this resource"),
            Some(false) => refuse("User is not authorized to access this resource with an explicit deny"),
        }
    }
}

/// The values that an authoriser goes by; a missing one is a refusal.
pub fn identity(hit: &Hit<'_>, authorizer: &Authorizer) -> Result<Vec<String>, Refusal> {
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    let mut out = Vec::new();
    for source in sources.split(',').map(str::trim).filter(|source| !source.is_empty()) {
        let found = request_value(hit, source).and_then(|values| values.into_iter().next_back());
        out.push(found.filter(|value| !value.is_empty()).ok_or_else(unauthorized)?);
    }
    if let (Some(pattern), Some(token)) = (authorizer.validation.as_deref(), out.first()) {
        let fits = Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(token));
        if authorizer.kind == "TOKEN" && !fits {
            return Err(unauthorized());
        }
    }
    Ok(out)
}

/// What the authoriser's function gets.
fn asked(hit: &Hit<'_>, authorizer: &Authorizer, identity: &[String]) -> Json {
    let arn = hit.method_arn();
    if authorizer.kind == "TOKEN" {
        return json!({ "type": "TOKEN", "methodArn": arn, "authorizationToken": identity.first() });
    }
    let Json::Object(whole) = event::event(hit, &hit.headers, &hit.query) else { return Json::Null };
    let mut out = Map::new();
    out.insert("type".to_owned(), "REQUEST".into());
    out.insert("methodArn".to_owned(), arn.into());
    out.extend(whole.into_iter().filter(|(name, _)| name != "body" && name != "isBase64Encoded"));
    Json::Object(out)
}

/// Reads what the function answered.
pub fn verdict(said: &Json, until: Time) -> Result<Verdict, &'static str> {
    let principal = said.get("principalId").and_then(Json::as_str).ok_or("there is no principalId")?;
    let policy = said.get("policyDocument").ok_or("there is no policyDocument")?;
    let mut context = Map::new();
    for (name, value) in said.get("context").and_then(Json::as_object).into_iter().flatten() {
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Number(_) | Json::Bool(_) => value.to_string(),
            Json::Null => continue,
            _ => return Err("a value of the context is neither text, number nor boolean"),
        };
        context.insert(name.clone(), text.into());
    }
    Ok(Verdict {
        principal: principal.to_owned(),
        statements: statements(policy)?,
        context,
        usage_key: said.get("usageIdentifierKey").and_then(Json::as_str).map(str::to_owned),
        until,
    })
}

impl Plane {
    /// Asks the method's authoriser, or remembers; gives the API key that it names.
    pub async fn authorized(&self, hit: &mut Hit<'_>, method: &Method) -> Result<Option<String>, Refusal> {
        let id = method.authorizer_id.as_deref().unwrap_or_default();
        let served = hit.served;
        let authorizer = served.definition.authorizers.get(id).ok_or_else(Refusal::configuration)?;
        let request_id = &hit.request.cx.request_id;
        hit.note(|| format!("Starting authorizer: {id} for request: {request_id}"));
        let identity = identity(hit, authorizer)
            .inspect_err(|_| hit.note_failure(|| format!("Unauthorized request: {request_id}")))?;
        let now = hit.request.cx.now;
        let key = (id.to_owned(), identity.clone());
        let known = (authorizer.ttl_secs > 0).then(|| served.verdicts().get(&key).cloned()).flatten();
        let verdict = match known.filter(|verdict| verdict.until > now) {
            Some(verdict) => verdict,
            None => {
                let until = now.plus_secs(i64::from(authorizer.ttl_secs));
                let said = self.ask(hit, id, authorizer, &identity).await?;
                let verdict = verdict(&said, until).map_err(|why| broken(hit, why))?;
                if authorizer.ttl_secs > 0 {
                    let mut verdicts = served.verdicts();
                    if verdicts.len() >= MOST_KEPT {
                        verdicts.clear();
                    }
                    verdicts.insert(key, verdict.clone());
                }
                verdict
            }
        };
        verdict.decides(&hit.method_arn())?;
        hit.note(|| "Successfully completed authorizer execution".to_owned());
        hit.authorizer = Some((verdict.principal, verdict.context));
        Ok(verdict.usage_key)
    }

    /// What an authoriser's function answers.
    pub async fn ask(
        &self,
        hit: &Hit<'_>,
        id: &str,
        authorizer: &Authorizer,
        identity: &[String],
    ) -> Result<Json, Refusal> {
        let order = Order {
            uri: &authorizer.uri,
            role: authorizer.credentials.as_deref(),
            source_arn: format!("{}/authorizers/{id}", hit.served.name.execute_arn()),
            payload: Bytes::from(asked(hit, authorizer, identity).to_string()),
            event: false,
        };
        let output = self.invoke(hit, order).await.map_err(|_| broken(hit, "it could not be invoked"))?;
        let said: Json = serde_json::from_slice(&output.payload.unwrap_or_default())
            .map_err(|_| broken(hit, "it is no JSON"))?;
        if output.function_error.is_some() {
            // "The Lambda function must … throw 'Unauthorized'" for a 401.
            return match said.get("errorMessage").and_then(Json::as_str) {
                Some("Unauthorized") => Err(unauthorized()),
                _ => {
                    let failure = Refusal::new("AUTHORIZER_FAILURE", "AuthorizerFailureException", "");
                    Err(Refusal { message: None, ..failure })
                }
            };
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, fit) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("arn:*/dev/GET/*", "arn:x/dev/GET/pets/1", true),
            ("**a", "ba", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn a_deny_goes_before_an_allow() {
        let of = |policy: Json| {
            let verdict = verdict(&json!({ "principalId": "p", "policyDocument": policy }), Time(0)).unwrap();
            verdict.decides("arn:aws:execute-api:r:a:x/dev/GET/pets").is_ok()
        };
        let allow =
            json!({ "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*" });
        let deny = json!({ "Effect": "Deny", "Action": "*", "Resource": ["*/GET/pets"] });
        assert!(of(json!({ "Statement": allow })));
        assert!(!of(json!({ "Statement": [allow, deny] })));
        assert!(!of(json!({ "Statement": [] })));
        let other = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
        assert!(!of(json!({ "Statement": [other] })));
        assert!(verdict(&json!({ "principalId": "p" }), Time(0)).is_err());
    }
}
