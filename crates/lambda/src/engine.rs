//! Invocations: which version runs, whether it may now, and with what.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::functions::{FunctionSpec, Invocation, Invoked, Logging, NotRun, Package};
use ropeway_core::{Fault, Trace};
use ropeway_wire::{Cx, Error, Keys, Principal};

use crate::commands::{Command, Found, LambdaMachine, Output, check_active};
use crate::errors;
use crate::keys::{FunctionName, LayerName};
use crate::model::{Code, Version};
use crate::vault::Vault;
use crate::{PRINCIPAL, Parts};

/// Invokes functions, for whoever asks: requests, events, queues, URLs.
#[derive(Clone)]
pub struct Engine {
    /// What the service is made of.
    pub parts: Parts,
    /// Keeps packages.
    pub vault: Vault,
}

/// An invocation to be made.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The function.
    pub name: &'a FunctionName,
    /// The version or alias that was named.
    pub qualifier: Option<&'a str>,
    /// The request's id.
    pub request_id: String,
    /// The event.
    pub payload: Bytes,
    /// The client's context.
    pub client_context: Option<String>,
    /// The X-Ray header.
    pub trace_header: Option<String>,
    /// The trace.
    pub trace: Trace,
}

/// An invocation that reached the function.
pub struct Ran {
    /// How it ended.
    pub invoked: Invoked,
    /// The version that ran.
    pub version: String,
}

impl Engine {
    /// An engine.
    pub fn new(parts: Parts) -> Self {
        let vault = Vault::new(Arc::clone(&parts.blobs), &parts.master);
        Engine { parts, vault }
    }

    /// Applies a command in the shard of a function.
    pub async fn submit(
        &self,
        trace: &Trace,
        function: &FunctionName,
        command: Command,
    ) -> Result<Output, Error> {
        let shard = self.parts.core.shard_of(&function.arn());
        self.parts.core.submit::<LambdaMachine>(shard, trace, command).await
    }

    /// Applies a command in the shard of a layer.
    pub async fn submit_layer(
        &self,
        trace: &Trace,
        layer: &LayerName,
        command: Command,
    ) -> Result<Output, Error> {
        let shard = self.parts.core.shard_of(&layer.arn());
        self.parts.core.submit::<LambdaMachine>(shard, trace, command).await
    }

    /// Reads a function, and the version that a qualifier names.
    pub async fn read(
        &self,
        trace: &Trace,
        name: &FunctionName,
        qualifier: Option<&str>,
    ) -> Result<Found, Error> {
        let command = Command::Read { function: name.clone(), qualifier: qualifier.map(str::to_owned) };
        match self.submit(trace, name, command).await? {
            Output::Found(found) => Ok(*found),
            _ => Err(unexpected()),
        }
    }

    /// The version that an invocation goes to: an alias deals it out by weight.
    pub async fn choose(&self, call: &Call<'_>) -> Result<(Found, Version), Error> {
        let found = self.read(&call.trace, call.name, call.qualifier).await?;
        check_active(found.preparation.as_ref())?;
        if let Some((other, weight)) = found.alias.as_ref().and_then(|alias| alias.weight.clone()) {
            // 53 bits: as many as a float between 0 and 1 tells apart.
            let dice = (self.parts.core.ids().number() >> 11) as f64 / (1_u64 << 53) as f64;
            if dice < weight {
                let other = self.read(&call.trace, call.name, Some(&other)).await?;
                check_active(other.preparation.as_ref())?;
                return Ok((found, other.version));
            }
        }
        let version = found.version.clone();
        Ok((found, version))
    }

    /// Runs an invocation.
    ///
    /// # Errors
    /// What Invoke answers if the function's code was not reached.
    pub async fn run(&self, call: Call<'_>) -> Result<Ran, Error> {
        let (_, version) = self.choose(&call).await?;
        self.run_version(call, &version).await
    }

    /// Runs an invocation of a version.
    pub async fn run_version(&self, call: Call<'_>, version: &Version) -> Result<Ran, Error> {
        let permit = self.parts.concurrency.enter(call.name, &version.version)?;
        let spec = self.spec(call.name, version)?;
        let invocation = Invocation {
            request_id: call.request_id,
            invoked_arn: call.name.qualified(call.qualifier),
            payload: call.payload,
            client_context: call.client_context,
            trace_header: call.trace_header,
            place: Some(Arc::new(permit)),
        };
        let invoked = self.parts.functions.invoke(Arc::new(spec), invocation).await.map_err(not_run)?;
        Ok(Ran { invoked, version: version.version.clone() })
    }

    /// A version as the runner takes it.
    pub fn spec(&self, name: &FunctionName, version: &Version) -> Result<FunctionSpec, Error> {
        let config = &version.config;
        let package = |code: &Code| Package { sha256: code.sha256.clone(), size: code.size };
        Ok(FunctionSpec {
            account: name.scope.account.clone(),
            region: name.scope.region.clone(),
            name: name.name.clone(),
            version: version.version.clone(),
            arn: name.arn(),
            revision: version.revision.clone(),
            runtime: config.runtime.clone(),
            handler: config.handler.clone(),
            architecture: config.architecture.clone(),
            timeout_secs: config.timeout,
            memory_mib: config.memory,
            tmp_mib: config.tmp,
            environment: self.variables(name, version)?,
            code: package(&version.code),
            layers: config.layers.iter().map(|layer| package(&layer.code)).collect(),
            role: config.role.clone(),
            logging: Logging {
                group: config.logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", name.name)),
                json: config.logging.json,
                application_level: config.logging.application.clone(),
                system_level: config.logging.system.clone(),
            },
            traced: config.traced,
        })
    }

    /// A version's environment variables.
    pub fn variables(
        &self,
        name: &FunctionName,
        version: &Version,
    ) -> Result<BTreeMap<String, String>, Error> {
        let Some(sealed) = &version.config.environment else { return Ok(BTreeMap::new()) };
        let key = self.parts.master.derive("lambda/environment");
        let json = key.open(name.arn().as_bytes(), sealed).map_err(Error::from)?;
        serde_json::from_slice(&json).map_err(|e| Fault::Damaged(e.to_string()).into())
    }

    /// Seals environment variables, as a function's row keeps them.
    pub fn seal_variables(
        &self,
        name: &FunctionName,
        variables: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, Error> {
        let json = serde_json::to_vec(variables).map_err(|e| Fault::Damaged(e.to_string()))?;
        let key = self.parts.master.derive("lambda/environment");
        Ok(key.seal(self.parts.core.ids(), name.arn().as_bytes(), &json)?)
    }

    /// The role of a function, as a caller of other services.
    ///
    /// # Errors
    /// Why it cannot be assumed.
    pub fn assume(&self, name: &FunctionName, role: &str) -> Result<Principal, String> {
        let mut source = Keys::default();
        source.add("aws:SourceArn", &name.arn());
        source.add("aws:SourceAccount", &name.scope.account);
        self.parts.roles.assume_for_service(role, PRINCIPAL, &session_name(&name.name), &source)
    }

    /// A call of another service, in the function's region, as a principal.
    pub fn cx_of(&self, name: &FunctionName, principal: Principal, trace: &Trace) -> Cx {
        let now = self.parts.core.clock().now();
        Cx::from_within(Arc::clone(&self.parts.gate), principal, &name.scope.region, trace, now)
    }
}

/// A function's sessions go by its name; a session's name has two characters at least.
pub fn session_name(function: &str) -> String {
    format!("{function:_<2}")
}

/// A command's answer is not of the kind that it gives.
pub fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

/// What Invoke answers if the function's code was not reached.
fn not_run(why: NotRun) -> Error {
    use ropeway_api::lambda::error;
    match why {
        NotRun::NoRuntime(why) => error::invalid_runtime_exception(why),
        NotRun::BadPackage(why) => error::invalid_zip_file_exception(why),
        NotRun::NoRoom(why) => {
            tracing::warn!(why, "there is no room for a function's process");
            errors::throttled("ConcurrentInvocationLimitExceeded")
        }
        NotRun::NoCredentials(why) => Error::new(403, "AccessDeniedException", why),
        NotRun::Stopping => Fault::Stopping.into(),
    }
}
