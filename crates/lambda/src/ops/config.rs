//! A function's configuration: from the wire, and onto it.

use std::collections::BTreeMap;

use ropeway_api::lambda as api;
use ropeway_core::functions::NotRun;
use ropeway_wire::{Cx, Error};

use super::{Lambda, moment};
use crate::commands::{Command, Found, Output};
use crate::engine::{Engine, unexpected};
use crate::errors::{self, constraint, invalid};
use crate::keys::{FunctionName, LayerName};
use crate::model::{Config, ConfigChange, Function, LayerUse, LogSettings, Version};
use crate::{PRINCIPAL, limits};

/// Variables that the runtime sets itself, and a function may not:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
const RESERVED: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
];

/// What CreateFunction and UpdateFunctionConfiguration have in common.
#[derive(Default)]
pub struct Given {
    pub role: Option<String>,
    pub runtime: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout: Option<i64>,
    pub memory_size: Option<i64>,
    pub vpc_config: Option<api::VpcConfig>,
    pub environment: Option<api::Environment>,
    pub dead_letter_config: Option<api::DeadLetterConfig>,
    pub tracing_config: Option<api::TracingConfig>,
    pub layers: Option<Vec<String>>,
    pub ephemeral_storage: Option<api::EphemeralStorage>,
    pub snap_start: Option<api::SnapStart>,
    pub logging_config: Option<api::LoggingConfig>,
}

fn at_most(value: Option<i64>, member: &str, least: i64, most: i64) -> Result<Option<u32>, Error> {
    match value {
        Some(value) if value > most => Err(constraint(
            &value.to_string(),
            member,
            &format!("Member must have value less than or equal to {most}"),
        )),
        Some(value) if value < least => Err(constraint(
            &value.to_string(),
            member,
            &format!("Member must have value greater than or equal to {least}"),
        )),
        Some(value) => Ok(u32::try_from(value).ok()),
        None => Ok(None),
    }
}

/// Refuses what is not implemented, unless what is said is how it is anyway.
fn refuse_settings(given: &Given) -> Result<(), Error> {
    if let Some(vpc) = &given.vpc_config {
        let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if some(&vpc.subnet_ids)
            || some(&vpc.security_group_ids)
            || vpc.ipv6_allowed_for_dual_stack == Some(true)
        {
            return Err(invalid("VpcConfig is not implemented: functions in a VPC are not there"));
        }
    }
    if given.snap_start.as_ref().is_some_and(|snap| snap.apply_on.as_deref() == Some("PublishedVersions")) {
        return Err(invalid("SnapStart is not implemented: processes are always started anew"));
    }
    Ok(())
}

impl Lambda {
    /// What is said of a configuration, checked and as rows keep it.
    pub(super) async fn change(
        &self,
        cx: &Cx,
        name: &FunctionName,
        given: Given,
    ) -> Result<ConfigChange, Error> {
        refuse_settings(&given)?;
        let timeout = at_most(given.timeout, "timeout", 1, limits::TIMEOUT)?;
        let memory = at_most(given.memory_size, "memorySize", 128, limits::MEMORY)?;
        let tmp = given.ephemeral_storage.map(|storage| storage.size);
        let tmp = at_most(tmp, "ephemeralStorage.size", 512, limits::TMP)?;
        if let Some(role) = &given.role {
            self.check_role(cx, name, role)?;
        }
        let environment = match given.environment {
            None => None,
            Some(api::Environment { variables }) => {
                let variables = variables.unwrap_or_default();
                check_variables(&variables)?;
                Some((!variables.is_empty()).then_some(self.engine.seal_variables(name, &variables)?))
            }
        };
        let layers = match given.layers {
            None => None,
            Some(arns) => Some(self.layers(cx, arns).await?),
        };
        let dead_letters = given.dead_letter_config.map(|config| {
            config.target_arn.filter(|arn| !arn.is_empty()).map(check_dead_letters).transpose()
        });
        Ok(ConfigChange {
            description: given.description,
            runtime: given.runtime,
            handler: given.handler,
            role: given.role,
            timeout,
            memory,
            tmp,
            environment,
            layers,
            dead_letters: dead_letters.transpose()?,
            traced: given.tracing_config.map(|tracing| tracing.mode.as_deref() == Some("Active")),
            logging: given.logging_config.map(logging).transpose()?,
        })
    }

    /// The caller may hand the role to Lambda, and the role trusts Lambda.
    fn check_role(&self, cx: &Cx, name: &FunctionName, role: &str) -> Result<(), Error> {
        cx.pass_role(&api::SERVICE, role, PRINCIPAL)?;
        self.engine.assume(name, role).map(drop).map_err(|why| {
            tracing::debug!(role, why, "a role cannot be assumed");
            invalid("The role defined for the function cannot be assumed by Lambda.")
        })
    }

    /// The layers of these ARNs, which the caller may read.
    async fn layers(&self, cx: &Cx, arns: Vec<String>) -> Result<Vec<LayerUse>, Error> {
        if arns.len() > limits::LAYERS {
            return Err(invalid(format!("Cannot reference more than {} layers.", limits::LAYERS)));
        }
        let mut out: Vec<LayerUse> = Vec::new();
        for arn in arns {
            let missing = || invalid(format!("Layer version {arn} does not exist."));
            let (layer, number) = LayerName::parse(&arn).ok_or_else(missing)?;
            let number = number.ok_or_else(missing)?;
            if out.iter().any(|other| LayerName::parse(&other.arn).is_some_and(|(l, _)| l == layer)) {
                return Err(invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. {} is referenced more than once.",
                    layer.arn()
                )));
            }
            let none = ropeway_wire::Keys::default();
            cx.authorize(&api::SERVICE, "lambda:GetLayerVersion", &arn, &none)?;
            let command = Command::ReadLayer { layer: layer.clone(), number };
            let found = self.engine.submit_layer(&cx.trace, &layer, command).await;
            match found {
                Ok(Output::Layer(version)) => out.push(LayerUse { arn, code: version.code }),
                Ok(_) => return Err(unexpected()),
                Err(error) if error.status == 404 => return Err(missing()),
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// Whether functions of this runtime run here.
    pub(super) fn check_runtime(&self, runtime: &str, architecture: &str) -> Result<(), Error> {
        self.engine.parts.functions.check(runtime, architecture).map_err(|why| match why {
            NotRun::NoRuntime(why) | NotRun::BadPackage(why) | NotRun::NoRoom(why) => invalid(why),
            other => errors::service(format!("{other:?}")),
        })
    }
}

/// Variables have names that are free, and are not too much together.
fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    let prefix = "Lambda was unable to configure your environment variables because the environment variables you have provided";
    let taken: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !taken.is_empty() {
        return Err(invalid(format!(
            "{prefix} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            taken.join(", ")
        )));
    }
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::ENVIRONMENT {
        let json = serde_json::to_string(variables).unwrap_or_default();
        return Err(invalid(format!("{prefix} exceeded the 4KB limit. String measured: {json}")));
    }
    Ok(())
}

fn check_dead_letters(arn: String) -> Result<String, Error> {
    let service = arn.split(':').nth(2).unwrap_or_default();
    let fifo = arn.ends_with(".fifo");
    match service {
        "sqs" | "sns" if !fifo => Ok(arn),
        _ => Err(invalid(format!(
            "The provided target ARN {arn} is not supported: a dead-letter target is a standard SQS queue or SNS topic."
        ))),
    }
}

fn logging(given: api::LoggingConfig) -> Result<LogSettings, Error> {
    let json = given.log_format.as_deref() == Some("JSON");
    if !json && (given.application_log_level.is_some() || given.system_log_level.is_some()) {
        return Err(invalid(
            "Log level configuration is only supported when log format is JSON. Set LogFormat to JSON to use ApplicationLogLevel and SystemLogLevel.",
        ));
    }
    let level = |level: Option<String>| level.or(json.then(|| "INFO".to_owned()));
    Ok(LogSettings {
        json,
        application: level(given.application_log_level),
        system: level(given.system_log_level),
        group: given.log_group,
    })
}

/// A new function's configuration: what is said, and what is taken otherwise.
pub fn complete(change: ConfigChange, architecture: String) -> Result<Config, Error> {
    let (Some(runtime), Some(handler)) = (change.runtime, change.handler) else {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    Ok(Config {
        description: change.description.unwrap_or_default(),
        runtime,
        handler: Some(handler),
        architecture,
        role: change.role.unwrap_or_default(),
        timeout: change.timeout.unwrap_or(3),
        memory: change.memory.unwrap_or(128),
        tmp: change.tmp.unwrap_or(512),
        environment: change.environment.flatten(),
        layers: change.layers.unwrap_or_default(),
        dead_letters: change.dead_letters.flatten(),
        traced: change.traced.unwrap_or(false),
        logging: change.logging.unwrap_or_default(),
    })
}

/// A version as answers describe it that are about it alone: with its state.
pub fn whole(
    engine: &Engine,
    found: &Found,
    qualifier: Option<&str>,
) -> Result<api::FunctionConfiguration, Error> {
    let mut out = described(engine, &found.function, &found.version, qualifier)?;
    let Some(now) = &found.preparation else {
        out.state = Some("Active".to_owned());
        out.last_update_status = Some("Successful".to_owned());
        return Ok(out);
    };
    let (reason, code) = now.reason();
    if !now.update {
        out.state_reason = Some(reason.clone());
        out.state_reason_code = Some(code.to_owned());
    }
    out.last_update_status_reason = Some(reason);
    out.last_update_status_reason_code = Some(code.to_owned());
    out.state = Some(now.state().to_owned());
    out.last_update_status = Some(now.last_update().to_owned());
    Ok(out)
}

/// A version as lists describe it, which have no states
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>).
pub fn described(
    engine: &Engine,
    of: &Function,
    version: &Version,
    qualifier: Option<&str>,
) -> Result<api::FunctionConfiguration, Error> {
    let (name, config) = (&of.name, &version.config);
    let variables = config.environment.as_ref().map(|_| engine.variables(name, version)).transpose()?;
    let layers: Vec<api::Layer> = config
        .layers
        .iter()
        .map(|layer| api::Layer {
            arn: Some(layer.arn.clone()),
            code_size: i64::try_from(layer.code.size).ok(),
            ..api::Layer::default()
        })
        .collect();
    let logging = &config.logging;
    Ok(api::FunctionConfiguration {
        function_name: Some(name.name.clone()),
        function_arn: Some(name.qualified(qualifier)),
        runtime: Some(config.runtime.clone()),
        role: Some(config.role.clone()),
        handler: config.handler.clone(),
        code_size: i64::try_from(version.code.size).ok(),
        description: Some(config.description.clone()),
        timeout: Some(i64::from(config.timeout)),
        memory_size: Some(i64::from(config.memory)),
        last_modified: Some(moment(version.modified)),
        code_sha256: Some(version.code.base64()),
        version: Some(version.version.clone()),
        dead_letter_config: config
            .dead_letters
            .clone()
            .map(|arn| api::DeadLetterConfig { target_arn: Some(arn) }),
        environment: variables
            .map(|variables| api::EnvironmentResponse { variables: Some(variables), error: None }),
        tracing_config: Some(api::TracingConfigResponse {
            mode: Some(if config.traced { "Active" } else { "PassThrough" }.to_owned()),
        }),
        revision_id: Some(version.revision.clone()),
        layers: (!layers.is_empty()).then_some(layers),
        package_type: Some("Zip".to_owned()),
        architectures: Some(vec![config.architecture.clone()]),
        ephemeral_storage: Some(api::EphemeralStorage { size: i64::from(config.tmp) }),
        snap_start: Some(api::SnapStartResponse {
            apply_on: Some("None".to_owned()),
            optimization_status: Some("Off".to_owned()),
        }),
        logging_config: Some(api::LoggingConfig {
            log_format: Some(if logging.json { "JSON" } else { "Text" }.to_owned()),
            application_log_level: logging.application.clone(),
            system_log_level: logging.system.clone(),
            log_group: Some(logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", name.name))),
        }),
        ..api::FunctionConfiguration::default()
    })
}
