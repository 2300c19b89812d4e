//! What the runner asks back: packages, credentials, and where log lines go.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ropeway_api::sts::AssumeRoleInput;
use ropeway_core::functions::{FunctionHost, FunctionSpec, Package, RoleKeys};
use ropeway_core::log_lines::{LogLines, LogSink};
use ropeway_core::seal::MasterKey;
use ropeway_core::{BoxFuture, Clock, Ids, Trace};
use ropeway_store::blobs::BlobStore;
use ropeway_wire::{Cx, Gate, Principal, Services};

use crate::PRINCIPAL;
use crate::engine::session_name;
use crate::vault::Vault;

/// The function service, as the runner sees it.
pub struct LambdaHost {
    vault: Vault,
    services: Arc<Services>,
    gate: Arc<dyn Gate>,
    clock: Clock,
    ids: Ids,
    logs: OnceLock<LogSink>,
}

impl LambdaHost {
    /// A host whose credentials come from STS, which is one of `services`.
    pub fn new(
        blobs: Arc<BlobStore>,
        master: &MasterKey,
        services: Arc<Services>,
        gate: Arc<dyn Gate>,
        (clock, ids): (Clock, Ids),
    ) -> Self {
        let vault = Vault::new(blobs, master);
        LambdaHost { vault, services, gate, clock, ids, logs: OnceLock::new() }
    }

    /// Says where log lines go; lines that come before are dropped, and so are all where nobody says it.
    pub fn log_to(&self, sink: LogSink) {
        // A second sink would be a fault of the wiring; the first one stays.
        let _ = self.logs.set(sink);
    }

    async fn keys(&self, function: Arc<FunctionSpec>) -> Result<RoleKeys, String> {
        let trace = Trace::from(format!("lambda-{}", self.ids.uuid()));
        let principal = Principal::service(PRINCIPAL, &function.account);
        let gate = Arc::clone(&self.gate);
        let cx = Cx::from_within(gate, principal, &function.region, &trace, self.clock.now());
        let input = AssumeRoleInput {
            role_arn: function.role.clone(),
            role_session_name: session_name(&function.name),
            ..AssumeRoleInput::default()
        };
        let assumed = self.services.call(cx, input).await.map_err(|error| {
            tracing::info!(function = function.arn, role = function.role, %error, "a role was not assumed");
            "The role defined for the function cannot be assumed by Lambda.".to_owned()
        })?;
        let given = assumed.credentials.ok_or("STS gave no credentials")?;
        Ok(RoleKeys {
            access_key_id: given.access_key_id,
            secret: given.secret_access_key,
            token: given.session_token,
            expires: given.expiration,
        })
    }
}

impl FunctionHost for LambdaHost {
    fn package(&self, _account: String, package: Package) -> BoxFuture<'_, std::io::Result<Bytes>> {
        Box::pin(async move {
            let found = self.vault.get(&package.sha256, package.size).await;
            found.map_err(|fault| std::io::Error::other(fault.to_string()))
        })
    }

    fn credentials(&self, function: Arc<FunctionSpec>) -> BoxFuture<'_, Result<RoleKeys, String>> {
        Box::pin(self.keys(function))
    }

    fn log(&self, lines: LogLines) {
        if let Some(sink) = self.logs.get() {
            sink(lines);
        }
    }
}
