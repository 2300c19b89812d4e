//! A request as a proxy integration's function gets it:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>.

use serde_json::{Map, Value as Json, json};

use super::hit::{Hit, Pairs};
use crate::model::Texts;

/// The last value of each name; null if there is none.
pub fn single(pairs: &Pairs) -> Json {
    let map: Map<String, Json> = pairs.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
    if map.is_empty() { Json::Null } else { Json::Object(map) }
}

/// All values of each name; null if there is none.
pub fn multi(pairs: &Pairs) -> Json {
    let mut map = Map::new();
    for (name, value) in pairs {
        let values = map.entry(name.clone()).or_insert_with(|| Json::Array(Vec::new()));
        if let Json::Array(values) = values {
            values.push(value.clone().into());
        }
    }
    if map.is_empty() { Json::Null } else { Json::Object(map) }
}

fn texts(map: &Texts) -> Json {
    if map.is_empty() { Json::Null } else { json!(map) }
}

/// The event; headers and query with what the integration's mappings add.
pub fn event(hit: &Hit<'_>, headers: &Pairs, query: &Pairs) -> Json {
    let (body, base64) = hit.body();
    json!({
        "resource": hit.resource.as_ref().map(|(_, path)| path.clone()),
        "path": hit.event_path(),
        "httpMethod": hit.request.method.as_str(),
        "headers": single(headers),
        "multiValueHeaders": multi(headers),
        "queryStringParameters": single(query),
        "multiValueQueryStringParameters": multi(query),
        "pathParameters": texts(&hit.path_params),
        "stageVariables": texts(&hit.served.stage.variables),
        "requestContext": Json::Object(hit.context()),
        "body": body,
        "isBase64Encoded": base64,
    })
}
