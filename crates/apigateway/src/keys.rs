//! The part of the key catalogue that is API Gateway's. The kinds never change.

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Scope, Space};
use serde::{Deserialize, Serialize};

/// A REST API with all but its snapshots: scope, id, number of the part.
const API: u8 = 1;
/// What a deployment froze: scope, the API's id, the deployment's id, number of the part.
const SNAPSHOT: u8 = 2;
/// What is set for an account in a region: scope.
const ACCOUNT: u8 = 3;
/// An API key: scope, id.
const KEY: u8 = 4;
/// The API key of a value: scope, the value.
const KEY_VALUE: u8 = 5;
/// A usage plan: scope, id.
const PLAN: u8 = 6;
/// The plans of an API key: scope, the key's id, the plan's id.
const PLAN_KEY: u8 = 7;
/// What a key used of its plan's quota: scope, the plan's id, the key's id.
const USAGE: u8 = 8;
/// A custom domain name with its mappings, of no account and region: the name, number of the part.
const DOMAIN: u8 = 20;
/// An HTTP API with all but its snapshots: scope, id, number of the part.
const HTTP_API: u8 = 9;
/// What a deployment of an HTTP API froze: scope, the API's id, the deployment's id, number of the part.
const HTTP_SNAPSHOT: u8 = 10;

/// The documentation of a REST API: scope, the API's id, `current` and the number of the part, or `version`, the
/// version's name and the number of the part.
const DOCUMENTATION: u8 = 11;

/// What names a REST API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApiName {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The id: 10 letters and digits.
    pub id: String,
}

impl ApiName {
    /// The API of an id in an account and a region.
    pub fn new(account: &str, region: &str, id: &str) -> Self {
        ApiName { scope: Scope::new(account, region), id: id.to_owned() }
    }

    /// The name that its shard is chosen by.
    pub fn place(&self) -> String {
        format!("{}/restapis/{}", account_place(&self.scope), self.id)
    }

    /// What the keys of its parts begin with.
    pub fn key(&self) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, API, &self.scope).text(&self.id).build()
    }

    /// What the keys of all its snapshots begin with.
    pub fn snapshots(&self) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, SNAPSHOT, &self.scope).text(&self.id).build()
    }

    /// What the keys of a snapshot's parts begin with.
    pub fn snapshot(&self, deployment: &str) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, SNAPSHOT, &self.scope).text(&self.id).text(deployment).build()
    }

    /// What the keys of all documentation begin with.
    pub fn all_documentation(&self) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, DOCUMENTATION, &self.scope).text(&self.id).build()
    }

    /// What the keys of the documentation begin with, as it is edited.
    pub fn documentation(&self) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, DOCUMENTATION, &self.scope).text(&self.id).text("current").build()
    }

    /// What the keys of a version of the documentation begin with.
    pub fn documentation_version(&self, version: &str) -> Bytes {
        let key = KeyBuilder::new(Space::ApiGateway, DOCUMENTATION, &self.scope);
        key.text(&self.id).text("version").text(version).build()
    }

    /// What the keys of an HTTP API's parts begin with.
    pub fn http_key(&self) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, HTTP_API, &self.scope).text(&self.id).build()
    }

    /// What the keys of all snapshots of an HTTP API begin with.
    pub fn http_snapshots(&self) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, HTTP_SNAPSHOT, &self.scope).text(&self.id).build()
    }

    /// What the keys of the parts of an HTTP API's snapshot begin with.
    pub fn http_snapshot(&self, deployment: &str) -> Bytes {
        KeyBuilder::new(Space::ApiGateway, HTTP_SNAPSHOT, &self.scope).text(&self.id).text(deployment).build()
    }

    /// The ARN that calls of the API are allowed by: `arn:aws:execute-api:…:<id>`, to which
    /// `/<stage>/<method>/<path>` is added.
    pub fn execute_arn(&self) -> String {
        format!("arn:aws:execute-api:{}:{}:{}", self.scope.region, self.scope.account, self.id)
    }
}

/// The name that the shard of an account's settings, keys and plans is chosen by.
pub fn account_place(scope: &Scope) -> String {
    format!("apigateway/{}/{}", scope.account, scope.region)
}

/// Key of an account's settings.
pub fn account(scope: &Scope) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, ACCOUNT, scope).build()
}

/// What the keys of an account's API keys begin with.
pub fn api_keys(scope: &Scope) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, KEY, scope).build()
}

/// Key of an API key.
pub fn api_key(scope: &Scope, id: &str) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, KEY, scope).text(id).build()
}

/// Key of the row that finds an API key by its value.
pub fn key_value(scope: &Scope, value: &str) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, KEY_VALUE, scope).text(value).build()
}

/// What the keys of an account's usage plans begin with.
pub fn plans(scope: &Scope) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, PLAN, scope).build()
}

/// Key of a usage plan.
pub fn plan(scope: &Scope, id: &str) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, PLAN, scope).text(id).build()
}

/// What the keys of the rows that name a key's plans begin with.
pub fn plans_of_key(scope: &Scope, key: &str) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, PLAN_KEY, scope).text(key).build()
}

/// Key of the row that says that a key belongs to a plan.
pub fn plan_key(scope: &Scope, key: &str, plan: &str) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, PLAN_KEY, scope).text(key).text(plan).build()
}

/// Key of what a key used of its plan's quota.
pub fn usage(scope: &Scope, plan: &str, key: &str) -> Bytes {
    KeyBuilder::new(Space::ApiGateway, USAGE, scope).text(plan).text(key).build()
}

/// The name that the shard of a custom domain name is chosen by. Names are everybody's: one shard owns a name.
pub fn domain_place(name: &str) -> String {
    format!("apigateway/domainnames/{name}")
}

/// What the keys of all custom domain names begin with.
pub fn domains() -> Bytes {
    KeyBuilder::unscoped(Space::ApiGateway, DOMAIN).build()
}

/// What the keys of a custom domain name's parts begin with.
pub fn domain(name: &str) -> Bytes {
    KeyBuilder::unscoped(Space::ApiGateway, DOMAIN).text(name).build()
}

/// Name of the directory's list of an account's custom domain names in a region.
pub fn domain_list(account: &str, region: &str) -> String {
    format!("apigateway/{account}/{region}/domainnames")
}

/// Key of a part.
pub fn part(prefix: &Bytes, number: u32) -> Bytes {
    [prefix.as_ref(), &number.to_be_bytes()].concat().into()
}

/// Name of the directory's list of an account's REST APIs in a region.
pub fn list(account: &str, region: &str) -> String {
    format!("apigateway/{account}/{region}/restapis")
}

/// Name of the directory's list of an account's HTTP APIs in a region.
pub fn http_list(account: &str, region: &str) -> String {
    format!("apigateway/{account}/{region}/apis")
}

/// Name of the directory's list that tells whose an HTTP API is: one for each two first characters.
pub fn http_id_list(id: &str) -> String {
    let start: String = id.chars().take(2).collect();
    format!("apigateway/http-ids/{start}")
}

/// Name of the directory's list that tells whose a REST API is: one for each two first characters.
pub fn id_list(id: &str) -> String {
    let start: String = id.chars().take(2).collect();
    format!("apigateway/ids/{start}")
}
