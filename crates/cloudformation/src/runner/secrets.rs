//! What `NoEcho` keeps out of events.
//!
//! Source: the template reference, `NoEcho` of parameters; the user guide, "Custom resource response objects".

use serde_json::Value as Json;

use crate::commands::{Change, Snapshot};
use crate::model::Event;
use crate::providers::NO_ECHO;

/// What is shown instead.
const MASK: &str = "****";

/// The values that are not shown: of parameters, and of the answers of custom resources.
pub fn secrets(snapshot: &Snapshot) -> Vec<String> {
    let parameters = [&snapshot.planned, &snapshot.deployed].into_iter().flat_map(|d| &d.parameters);
    let parameters = parameters.filter(|p| p.no_echo).map(|p| p.value.clone());
    let hidden = snapshot.resources.values().map(|resource| &resource.state.attributes);
    let hidden = hidden.filter(|attributes| attributes.contains_key(NO_ECHO));
    let values = hidden.flat_map(|attributes| attributes.iter().filter(|(name, _)| *name != NO_ECHO));
    let values = values.map(|(_, value)| match serde_json::from_str(value) {
        Ok(Json::String(text)) => text,
        _ => value.clone(),
    });
    parameters.chain(values).filter(|value| !value.is_empty()).collect()
}

/// The change without these values in what it shows of properties.
pub fn concealed(change: Change, secrets: &[String]) -> Change {
    match change {
        Change::Event(event) if !secrets.is_empty() => {
            let properties = event.properties.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let properties = properties.map(|json: Json| masked(json, secrets).to_string());
            Change::Event(Box::new(Event { properties, ..*event }))
        }
        other => other,
    }
}

fn masked(value: Json, secrets: &[String]) -> Json {
    match value {
        Json::Object(map) => map.into_iter().map(|(key, value)| (key, masked(value, secrets))).collect(),
        Json::Array(items) => items.into_iter().map(|item| masked(item, secrets)).collect(),
        Json::String(text) => {
            Json::String(secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), MASK)))
        }
        Json::Number(number) if secrets.contains(&number.to_string()) => MASK.into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let given = json!({ "a": ["x-hunter2-y", 42, true], "b": { "hunter2": "fine" } });
        let secrets = ["hunter2".to_owned(), "42".to_owned()];
        assert_eq!(
            masked(given, &secrets),
            json!({ "a": ["x-****-y", "****", true], "b": { "hunter2": "fine" } })
        );
    }
}
