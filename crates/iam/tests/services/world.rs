//! IAM over a store in memory, with a clock that stands still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ropeway_api::iam::{self as api, Iam};
use ropeway_api::sts::{self, Sts};
use ropeway_core::seal::MasterKey;
use ropeway_core::{Builder, Clock, Core, Ids, Time};
use ropeway_iam::{Access, IamService, StsService};
use ropeway_store::memory::MemoryStore;
use ropeway_wire::{AccessRequest, Credentials, Cx, Error, Gate, KeyError, Keys, Listed, Principal};

pub const ACCOUNT: &str = "111122223333";
pub const OTHER: &str = "444455556666";
pub const START: Time = Time::from_secs(1_790_000_000);

pub struct World {
    pub store: MemoryStore,
    pub clock: Clock,
    pub core: Core,
    pub access: Arc<Access>,
    pub iam: IamService,
    pub sts: StsService,
}

impl World {
    pub async fn new() -> Self {
        World::open(MemoryStore::new(8), 1, Clock::frozen(START)).await
    }

    pub async fn open(store: MemoryStore, seed: u64, clock: Clock) -> Self {
        let master = MasterKey::from_bytes([7; 32]);
        let access = Arc::new(Access::new(&master, clock.clone()).with_development_keys(ACCOUNT));
        let builder = Builder::new(Arc::new(store.clone()), clock.clone(), Ids::seeded(seed));
        let builder = builder.machine(access.machines());
        let core = builder.start(vec![tokio::runtime::Handle::current()]).await.unwrap();
        core.start_actors(BTreeMap::new());
        let iam = IamService::new(core.clone(), Arc::clone(&access));
        let sts = StsService::new(core.clone(), Arc::clone(&access));
        World { store, clock, core, access, iam, sts }
    }

    /// Stops, and starts again over what the store holds.
    pub async fn reopen(self) -> Self {
        self.core.stop().await.unwrap();
        self.store.crash(usize::MAX);
        World::open(self.store, 2, self.clock).await
    }

    pub fn cx(&self, principal: Principal) -> Cx {
        let gate: Arc<dyn Gate> = Arc::clone(&self.access) as Arc<dyn Gate>;
        let trace = Arc::from("trace");
        let mut cx = Cx::from_within(gate, principal, "us-east-1", &trace, self.clock.now());
        cx.source_ip = Some("10.1.2.3".parse().unwrap());
        cx
    }

    pub fn root(&self) -> Cx {
        self.cx(Principal::root(ACCOUNT))
    }

    pub fn find(&self, key: &str, token: Option<&str>) -> Result<(String, Cx), KeyError> {
        let found = self.access.find(key, token, self.clock.now())?;
        let principal = found.principal.as_ref().clone();
        Ok((found.secret.to_string(), self.cx(principal)))
    }

    /// A new user with an access key, as a caller.
    pub async fn user(&self, name: &str) -> Cx {
        let input = api::CreateUserInput { user_name: name.into(), ..Default::default() };
        self.iam.create_user(&self.root(), input).await.unwrap();
        let input = api::CreateAccessKeyInput { user_name: Some(name.into()) };
        let key = self.iam.create_access_key(&self.root(), input).await.unwrap().access_key;
        let (secret, cx) = self.find(&key.access_key_id, None).unwrap();
        assert_eq!(secret, key.secret_access_key);
        cx
    }

    pub async fn put_user_policy(&self, user: &str, policy: &str, document: &str) {
        let input = api::PutUserPolicyInput {
            user_name: user.into(),
            policy_name: policy.into(),
            policy_document: document.into(),
        };
        self.iam.put_user_policy(&self.root(), input).await.unwrap();
    }

    pub async fn policy(&self, name: &str, document: &str) -> String {
        let input = api::CreatePolicyInput {
            policy_name: name.into(),
            policy_document: document.into(),
            ..Default::default()
        };
        let policy = self.iam.create_policy(&self.root(), input).await.unwrap().policy.unwrap();
        policy.arn.unwrap()
    }

    pub async fn role(&self, name: &str, trust: &str) -> api::Role {
        let input = api::CreateRoleInput {
            role_name: name.into(),
            assume_role_policy_document: trust.into(),
            ..Default::default()
        };
        self.iam.create_role(&self.root(), input).await.unwrap().role
    }

    pub async fn put_role_policy(&self, role: &str, document: &str) {
        let input = api::PutRolePolicyInput {
            role_name: role.into(),
            policy_name: "inline".into(),
            policy_document: document.into(),
        };
        self.iam.put_role_policy(&self.root(), input).await.unwrap();
    }

    /// Assumes a role through the same authorisation as a request's.
    pub async fn assume(&self, cx: &Cx, input: sts::AssumeRoleInput) -> Result<sts::AssumeRoleOutput, Error> {
        use ropeway_wire::Input;
        let mut keys = Keys::default();
        input.keys(&mut keys);
        for resource in input.resources(cx) {
            cx.authorize(&sts::SERVICE, "sts:AssumeRole", &resource, &keys)?;
        }
        self.sts.assume_role(cx, input).await
    }

    /// The caller that an answer of `AssumeRole` gives credentials to.
    pub fn session(&self, output: &sts::AssumeRoleOutput) -> Result<Cx, KeyError> {
        let given = output.credentials.as_ref().unwrap();
        let (secret, cx) = self.find(&given.access_key_id, Some(&given.session_token))?;
        assert_eq!(secret, given.secret_access_key);
        Ok(cx)
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// What the gate says.
pub fn ask(cx: &Cx, action: &str, resource: &str) -> Result<(), String> {
    ask_with(cx, action, resource, &Keys::default())
}

pub fn ask_with(cx: &Cx, action: &str, resource: &str, keys: &Keys) -> Result<(), String> {
    cx.gate.authorize(&AccessRequest { cx, action, resource, keys, listed: Listed::default() })
}

/// A policy of one statement.
pub fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, resource)
}

pub fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}]}}"#
    )
}

/// A trust policy for one principal (`"AWS":"arn…"`).
pub fn trust(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{{principal}}},"Action":"sts:AssumeRole"}}]}}"#
    )
}
