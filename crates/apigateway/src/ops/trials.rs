//! TestInvokeMethod, TestInvokeAuthorizer.

use std::collections::BTreeMap;
use std::sync::Arc;

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::ApiGateway;
use crate::errors::{bad, no_authorizer, no_method, no_resource};
use crate::plane::Plane;
use crate::plane::trial::{Trial, body_of};

/// Headers of both forms; a name in both has those of the second.
fn headers(
    single: Option<BTreeMap<String, String>>,
    multi: Option<BTreeMap<String, Vec<String>>>,
) -> Vec<(String, String)> {
    let multi = multi.unwrap_or_default();
    let alone = single.unwrap_or_default().into_iter().filter(|(name, _)| !multi.contains_key(name));
    let mut out: Vec<_> = alone.collect();
    for (name, values) in multi {
        out.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

fn plane(gateway: &ApiGateway) -> Result<Arc<Plane>, Error> {
    let plane = gateway.plane.get().and_then(std::sync::Weak::upgrade);
    plane.ok_or_else(|| Error::internal("the data plane is not running"))
}

pub async fn test_invoke_method(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::TestInvokeMethodInput,
) -> Result<api::TestInvokeMethodOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let resource = api.definition.resources.get(&input.resource_id).ok_or_else(no_resource)?;
    if !resource.methods.contains_key(&input.http_method) && !resource.methods.contains_key("ANY") {
        return Err(no_method());
    }
    let place = api.definition.path(&input.resource_id);
    let trial = Trial {
        path: input.path_with_query_string.filter(|path| !path.is_empty()).unwrap_or(place),
        verb: input.http_method,
        body: input.body.unwrap_or_default(),
        headers: headers(input.headers, input.multi_value_headers),
        variables: input.stage_variables.unwrap_or_default(),
    };
    if !trial.path.starts_with('/') {
        return Err(bad("Invalid path with query string: it must begin with a slash"));
    }
    let tried = plane(gateway)?.try_method(cx, api, &input.resource_id, trial).await;
    let answer = tried.found;
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in answer.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(crate::plane::hit::title(name.as_str())).or_default().push(value);
    }
    let single = all.iter().filter_map(|(name, values)| Some((name.clone(), values.last()?.clone())));
    Ok(api::TestInvokeMethodOutput {
        status: Some(i64::from(answer.status().as_u16())),
        body: Some(body_of(&answer)),
        headers: Some(single.collect()),
        multi_value_headers: Some(all),
        log: Some(tried.log),
        latency: Some(tried.latency),
    })
}

pub async fn test_invoke_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::TestInvokeAuthorizerInput,
) -> Result<api::TestInvokeAuthorizerOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let authorizer =
        api.definition.authorizers.get(&input.authorizer_id).cloned().ok_or_else(no_authorizer)?;
    let trial = Trial {
        path: input.path_with_query_string.filter(|path| !path.is_empty()).unwrap_or("/".to_owned()),
        verb: "GET".to_owned(),
        body: input.body.unwrap_or_default(),
        headers: headers(input.headers, input.multi_value_headers),
        variables: input.stage_variables.unwrap_or_default(),
    };
    let tried = plane(gateway)?.try_authorizer(cx, api, (&input.authorizer_id, &authorizer), trial).await;
    Ok(api::TestInvokeAuthorizerOutput {
        client_status: Some(i64::from(tried.found.status)),
        log: Some(tried.log),
        latency: Some(tried.latency),
        principal_id: tried.found.principal,
        policy: tried.found.policy,
        ..api::TestInvokeAuthorizerOutput::default()
    })
}
