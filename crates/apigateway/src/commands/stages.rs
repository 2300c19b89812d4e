//! Stages.

use ropeway_wire::Error;

use super::Moment;
use crate::errors::{bad, conflict, limit, missing, no_deployment, no_stage, unimplemented};
use crate::model::{Api, Logging, MethodSettings, Stage, Texts};
use crate::patch::Patch;

/// Stages of an API: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MOST: usize = 10;
/// What a stage can be patched at, in AWS's own words.
const PATHS: &str = "Must be one of: [/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, \
    /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, \
    /{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, \
    /{resourcePath}/{httpMethod}/logging/loglevel, /{resourcePath}/{httpMethod}/throttling/burstLimit\
    /{resourcePath}/{httpMethod}/throttling/rateLimit/{resourcePath}/{httpMethod}/caching/ttlInSeconds, \
    /{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, \
    /{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, \
    /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, \
    /*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit \
    /*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, \
    /*/*/caching/requireAuthorizationForCacheControl, \
    /*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, /tracingEnabled]";

/// Checks a stage's name.
pub fn check_name(name: &str) -> Result<(), Error> {
    let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if name.is_empty() || name.len() > 128 || !sound {
        return Err(bad("Stage name only allows a-zA-Z0-9_-"));
    }
    Ok(())
}

pub fn check_variables(variables: &Texts) -> Result<(), Error> {
    for (name, value) in variables {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(bad("Stage variable names can only contain alphanumeric characters and underscores"));
        }
        let sound = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
        if value.is_empty() || !sound {
            return Err(bad(
                "Stage variable values must match the regular expression [A-Za-z0-9-._~:/?#&=,]+",
            ));
        }
    }
    Ok(())
}

pub fn create(api: &mut Api, name: &str, stage: Stage, moment: &Moment<'_>) -> Result<(), Error> {
    check_name(name)?;
    if api.stages.contains_key(name) {
        return Err(conflict("Stage already exists"));
    }
    if !api.deployments.contains_key(&stage.deployment) {
        return Err(missing("Deployment id does not exist"));
    }
    if api.stages.len() >= MOST {
        return Err(limit("Maximum number of stages for this API has been reached"));
    }
    check_variables(&stage.variables)?;
    let stage = Stage { created: moment.now, updated: moment.now, ..stage };
    api.stages.insert(name.to_owned(), stage);
    Ok(())
}

fn at<'a>(api: &'a mut Api, name: &str) -> Result<&'a mut Stage, Error> {
    api.stages.get_mut(name).ok_or_else(no_stage)
}

/// What follows any change of a stage.
pub fn touch(api: &mut Api, name: &str, moment: &Moment<'_>) -> Result<(), Error> {
    let stage = at(api, name)?;
    stage.updated = moment.now;
    check_variables(&stage.variables)
}

pub fn patch(api: &mut Api, name: &str, patch: &Patch, _moment: &Moment<'_>) -> Result<(), Error> {
    let deployments = api.deployments.clone();
    let stage = at(api, name)?;
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let removes = patch.op == "remove";
    match parts.as_slice() {
        ["variables", variable] => {
            patch.only(&["add", "replace", "remove"])?;
            match removes {
                true => stage.variables.remove(*variable),
                false => stage.variables.insert((*variable).to_owned(), patch.text()),
            };
        }
        ["deploymentId"] => {
            patch.only(&["replace", "copy"])?;
            if !deployments.contains_key(&patch.text()) {
                return Err(no_deployment());
            }
            stage.deployment = patch.text();
        }
        ["documentationVersion"] => {
            patch.only(&["replace", "add", "remove"])?;
            stage.documentation_version = patch.optional().filter(|_| !removes);
        }
        ["description"] => {
            patch.only(&["replace", "add", "remove"])?;
            stage.description = patch.optional().filter(|_| !removes);
        }
        ["accessLogSettings"] if removes => (stage.log_destination, stage.log_format) = (None, None),
        ["accessLogSettings", "destinationArn"] => {
            stage.log_destination = patch.optional().filter(|_| !removes);
            stage.log_destination.as_deref().map(check_destination).transpose()?;
        }
        ["accessLogSettings", "format"] => stage.log_format = patch.optional().filter(|_| !removes),
        ["cacheClusterEnabled"] if !patch.flag() => patch.only(&["replace"])?,
        ["tracingEnabled"] if !patch.flag() => patch.only(&["replace"])?,
        ["cacheClusterEnabled" | "cacheClusterSize"] => {
            return Err(unimplemented("The caching of responses"));
        }
        ["tracingEnabled"] => return Err(unimplemented("The tracing of stages")),
        ["clientCertificateId"] => return Err(unimplemented("A client certificate")),
        ["canarySettings", ..] => return Err(unimplemented("A canary release")),
        // The path of the resource is one part, `/` in it written `~1`; of the root it is `~1` or empty.
        [path, verb, group, setting] => method_setting(stage, patch, (path, verb), (group, setting))?,
        [path, verb] if removes => {
            stage.method_settings.remove(&setting_key(path, verb));
        }
        _ => {
            let path = &patch.path;
            return Err(bad(format!("Invalid method setting path: {path}. {PATHS}")));
        }
    }
    Ok(())
}

/// An access log goes to a log group.
fn check_destination(arn: &str) -> Result<(), Error> {
    if arn.starts_with("arn:aws:firehose:") {
        return Err(unimplemented("An access log to a delivery stream"));
    }
    match arn.starts_with("arn:aws:logs:") && arn.contains(":log-group:") {
        true => Ok(()),
        false => {
            Err(bad(format!("Invalid ARN specified in the request. ARNs must be of a log group: {arn}")))
        }
    }
}

/// The key of a method's settings: `pets/{id}/GET`, `/GET` for the root, `*/*` for all; the path's `/` as `~1`.
pub fn setting_key(path: &str, verb: &str) -> String {
    format!("{}/{verb}", path.trim_start_matches('/').replace('/', "~1"))
}

fn method_setting(
    stage: &mut Stage,
    patch: &Patch,
    (path, verb): (&str, &str),
    (group, setting): (&str, &str),
) -> Result<(), Error> {
    patch.only(&["replace", "add", "remove"])?;
    let number = || patch.value.clone().filter(|_| patch.op != "remove");
    let invalid = || bad(format!("Invalid value for {}: {}", patch.path, patch.text()));
    let mut settings = stage.method_settings.get(&setting_key(path, verb)).cloned().unwrap_or_default();
    match (group, setting) {
        ("throttling", "burstLimit") => {
            let limit = number().map(|text| text.parse::<u32>().map_err(|_| invalid()));
            settings.burst = limit.transpose()?;
        }
        ("throttling", "rateLimit") => {
            let limit = number().map(|text| text.parse::<f64>().map_err(|_| invalid()));
            settings.rate = limit.transpose()?.filter(|rate| rate.is_finite() && *rate >= 0.0);
        }
        ("metrics", "enabled") if !patch.flag() => {}
        ("logging", "dataTrace") => settings.data_trace = patch.flag() && patch.op != "remove",
        ("logging", "loglevel") => {
            settings.logging = match number().as_deref() {
                None | Some("OFF") => Logging::Off,
                Some("ERROR") => Logging::Error,
                Some("INFO") => Logging::Info,
                Some(_) => return Err(bad("Invalid logging level, must be one of: [OFF, ERROR, INFO]")),
            }
        }
        ("caching", "enabled") if !patch.flag() => {}
        ("metrics", "enabled") => return Err(unimplemented("The metrics of methods")),
        ("caching", _) => return Err(unimplemented("The caching of responses")),
        _ => {
            let path = &patch.path;
            return Err(bad(format!("Invalid method setting path: {path}. {PATHS}")));
        }
    }
    let key = setting_key(path, verb);
    if settings == MethodSettings::default() {
        stage.method_settings.remove(&key);
    } else {
        stage.method_settings.insert(key, settings);
    }
    Ok(())
}
