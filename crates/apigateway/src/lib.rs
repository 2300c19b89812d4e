//! Amazon API Gateway: REST APIs (v1) and HTTP APIs ([`v2`]), their deployments and stages, and the data plane that
//! serves them.
//!
//! What the service promises:
//! - A change that was answered is on disk. A deployment is what the API was at its moment: later changes of
//!   the API do not show in it.
//! - A stage serves the deployment that it names as soon as the change was answered.
//!
//! What holds at any time:
//! - One shard owns an API with its deployments and stages; one owns what belongs to an account in a region:
//!   API keys and usage plans.
//! - What the data plane keeps in memory ([`Live`]) is forgotten by every change of the API, once that is
//!   durable.
//! - Functions are called through the generated API, as the service principal or the integration's role; their
//!   policies decide.
//! - Nothing here opens a socket: [`ropeway_wire::Outgoing`] calls HTTP endpoints.

#![allow(unexpected_cfgs, reason = "cargo-fuzz sets `fuzzing`")]

mod commands;
mod documentation;
mod errors;
mod keys;
mod live;
mod mapping;
mod model;
mod openapi;
mod ops;
mod patch;
mod plane;
mod render;
mod rows;
mod schema;
mod schema_forms;
#[cfg(test)]
mod tests;
mod v2;

use std::sync::Arc;

use ropeway_core::{Core, ShardId};
use ropeway_wire::Dispatch;

pub use commands::GatewayMachine;
pub use live::Live;
pub use ops::{ApiGateway, Limits};
pub use plane::{Parts, Plane};

/// The principal of trust policies and functions' policies.
pub const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// The machines' factory, for `ropeway_core::Builder::machine`. What changes is forgotten by `live`.
pub fn machine(live: Live) -> impl Fn(ShardId) -> GatewayMachine + Send + Sync + 'static {
    move |_| GatewayMachine::new(live.clone())
}

/// The service, over a running core.
pub fn service(core: Core, live: Live, limits: Limits) -> ApiGateway {
    ApiGateway::new(core, live, limits)
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<ApiGateway>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::apigateway::ApigatewayDispatch(service))
}

/// As [`dispatch`].
pub fn dispatch_http(service: Arc<ApiGateway>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::apigatewayv2::Apigatewayv2Dispatch(service))
}

#[cfg(fuzzing)]
pub use v2::fuzz_import as fuzz_import_http;

/// Imports a document, and exports what came of it in every form: any bytes are taken or refused. For the fuzzer,
/// which looks for panics, and for tests.
#[cfg(any(fuzzing, test))]
pub fn fuzz_import(document: &[u8]) {
    let (mut definition, mut settings) = (model::Definition::default(), model::Settings::default());
    let ids = ropeway_core::Ids::seeded(1);
    let moment = commands::Moment { now: ropeway_core::Time(0), ids: &ids };
    let base = openapi::BasePath::Prepend;
    if let Err(error) = openapi::read(document, &mut definition, &mut settings, base, &moment) {
        assert!((400..500).contains(&error.status), "{error:?}");
        return;
    }
    assert!(commands::check_definition(&definition).is_ok(), "what is imported is sound");
    for third in [true, false] {
        let from = openapi::Exported {
            settings: &settings,
            definition: &definition,
            version: String::new(),
            scheme: "https",
            host: String::new(),
            stage: "dev",
        };
        let form = openapi::Form {
            third,
            integrations: true,
            authorizers: true,
            others: true,
            documentation: false,
        };
        if let Ok(document) = openapi::export(&from, form) {
            match openapi::yaml::read(&openapi::yaml::write(&document)) {
                Ok(again) => assert_eq!(again, document, "what is written is read"),
                // OpenAPI 3 has models one level deeper.
                Err(why) => assert!(why.contains("nesting too deep"), "{why}"),
            }
        }
    }
}
