//! The environment of a function's processes ("Working with Lambda environment variables: defined runtime
//! environment variables").

use std::collections::BTreeMap;

use ropeway_core::functions::{FunctionSpec, RoleKeys};

use crate::network::Trust;
use crate::runtimes::Launch;

/// Why a process is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For an invocation.
    OnDemand,
    /// To be there before one comes.
    Provisioned,
}

impl Kind {
    /// As `AWS_LAMBDA_INITIALIZATION_TYPE` has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OnDemand => "on-demand",
            Kind::Provisioned => "provisioned-concurrency",
        }
    }
}

/// What a process's environment is made from.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The function.
    pub spec: &'a FunctionSpec,
    /// How its runtime is started.
    pub launch: &'a Launch,
    /// Its role's credentials.
    pub keys: &'a RoleKeys,
    /// The log stream's name.
    pub stream: &'a str,
    /// Where the Runtime API listens inside.
    pub runtime_api: String,
    /// Where AWS's SDKs find the server.
    pub endpoint: &'a str,
    /// Why it is started.
    pub kind: Kind,
    /// Whether AWS's names lead to the server, under an authority that the process is to trust.
    pub trusts: bool,
}

impl Parts<'_> {
    /// The runtime's environment.
    pub fn runtime(&self) -> Vec<(String, String)> {
        let spec = self.spec;
        let mut env = self.common();
        env.insert("_HANDLER".to_owned(), spec.handler.clone().unwrap_or_default());
        env.insert("LAMBDA_RUNTIME_DIR".to_owned(), "/var/runtime".to_owned());
        env.insert("LAMBDA_TASK_ROOT".to_owned(), "/var/task".to_owned());
        env.insert("AWS_LAMBDA_LOG_GROUP_NAME".to_owned(), spec.logging.group.clone());
        env.insert("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), self.stream.to_owned());
        let format = if spec.logging.json { "JSON" } else { "Text" };
        env.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), format.to_owned());
        if let Some(level) = spec.logging.application_level.as_ref().filter(|_| spec.logging.json) {
            env.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), level.clone());
        }
        if !spec.runtime.starts_with("provided") {
            env.insert("AWS_EXECUTION_ENV".to_owned(), format!("AWS_Lambda_{}", spec.runtime));
        }
        let mut env = self.with_own(env);
        env.extend(self.launch.env.iter().cloned());
        env.into_iter().collect()
    }

    /// An extension's environment.
    pub fn extension(&self) -> Vec<(String, String)> {
        self.with_own(self.common()).into_iter().collect()
    }

    fn common(&self) -> BTreeMap<String, String> {
        let spec = self.spec;
        let libraries = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";
        let pairs = [
            ("AWS_REGION", spec.region.as_str()),
            ("AWS_DEFAULT_REGION", &spec.region),
            ("AWS_ACCESS_KEY_ID", &self.keys.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.keys.secret),
            ("AWS_SESSION_TOKEN", &self.keys.token),
            ("AWS_ENDPOINT_URL", self.endpoint),
            ("AWS_LAMBDA_FUNCTION_NAME", &spec.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", &spec.version),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", self.kind.name()),
            ("AWS_LAMBDA_RUNTIME_API", &self.runtime_api),
            ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
            ("LANG", "en_US.UTF-8"),
            ("LD_LIBRARY_PATH", libraries),
            ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
            ("TZ", ":UTC"),
        ];
        let mut env: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if self.trusts {
            env.extend(Trust::environment().map(|(name, value)| (name.to_owned(), value)));
        }
        env.insert("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), spec.memory_mib.to_string());
        env
    }

    /// The function's own variables: those that Lambda keeps for itself were refused by the service, and
    /// the others (`LANG`, `PATH`, `TZ`, `LD_LIBRARY_PATH`, `AWS_ENDPOINT_URL` …) may be replaced.
    fn with_own(&self, mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
        env.extend(self.spec.environment.clone());
        env
    }
}
