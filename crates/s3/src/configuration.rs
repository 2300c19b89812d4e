//! Configurations that act outside of the operations, on requests before and on answers after them. They are
//! kept in memory: no request waits for a row to learn that there is nothing to do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::lifecycle::Rule;
use crate::model::Bucket;

/// Which configuration. The number stands in its row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// Cross-origin resource sharing.
    Cors = 0,
    /// Hosting of a website.
    Website = 1,
    /// Server access logging.
    Logging = 2,
    /// Who pays for requests.
    Payment = 3,
}

/// A bucket's configuration of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Configuration {
    /// Of [`Kind::Cors`].
    Cors(Vec<CorsRule>),
    /// Of [`Kind::Website`].
    Website(Website),
    /// Of [`Kind::Logging`].
    Logging(Logging),
    /// Of [`Kind::Payment`]: whoever asks pays. The owner does where there is none.
    RequesterPays,
}

impl Configuration {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Configuration::Cors(_) => Kind::Cors,
            Configuration::Website(_) => Kind::Website,
            Configuration::Logging(_) => Kind::Logging,
            Configuration::RequesterPays => Kind::Payment,
        }
    }
}

/// A rule of cross-origin resource sharing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// Its name.
    pub id: Option<String>,
    /// Headers that a request may have, each with at most one asterisk.
    pub headers: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Origins, each with at most one asterisk.
    pub origins: Vec<String>,
    /// Headers of answers that scripts may read.
    pub expose: Vec<String>,
    /// How long a browser may remember it, in seconds.
    pub max_age: Option<i64>,
}

/// How a bucket is a website: all requests go elsewhere, or it has an index document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Website {
    /// Where all requests go: a host, and a protocol.
    pub elsewhere: Option<(String, Option<String>)>,
    /// What stands for a folder.
    pub index: Option<String>,
    /// The object that is shown for errors of clients.
    pub error: Option<String>,
    /// The first that fits a request counts.
    pub rules: Vec<RoutingRule>,
}

/// Sends some requests elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// Requests of keys that begin so; `None` of both: all.
    pub prefix: Option<String>,
    /// Requests that would be answered so.
    pub status: Option<u16>,
    /// Where they go.
    pub to: Redirect,
}

/// Where a routing rule sends requests. What it does not say stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The host.
    pub host: Option<String>,
    /// `http` or `https`
    pub protocol: Option<String>,
    /// The status of the answer; 301 by default.
    pub status: Option<u16>,
    /// The key.
    pub key: Option<String>,
    /// What takes the place of the rule's prefix.
    pub prefix: Option<String>,
}

/// Where a bucket's access log goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The bucket.
    pub target: String,
    /// What the keys begin with.
    pub prefix: String,
    /// The rest of the keys.
    pub format: KeyFormat,
}

/// How the keys of a log's objects are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyFormat {
    /// Nothing is said of it: as `Simple`.
    Unsaid,
    /// Of the time of delivery.
    Simple,
    /// By account, region, bucket and day.
    Partitioned(DateSource),
}

/// Whose day it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateSource {
    /// Nothing is said of it: as `Delivery`.
    Unsaid,
    /// The requests'.
    Event,
    /// The delivery's.
    Delivery,
}

/// A bucket and what is configured for it; at least one thing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configured {
    /// The bucket's account.
    pub account: String,
    /// The bucket's region.
    pub region: String,
    all: BTreeMap<Kind, Configuration>,
    lifecycle: Vec<Rule>,
}

impl Configured {
    /// The rules of cross-origin resource sharing.
    pub fn cors(&self) -> Option<&[CorsRule]> {
        match self.all.get(&Kind::Cors) {
            Some(Configuration::Cors(rules)) => Some(rules),
            _ => None,
        }
    }

    /// Whether who asks pays, and not the owner.
    pub fn requester_pays(&self) -> bool {
        self.all.contains_key(&Kind::Payment)
    }

    /// The lifecycle rules.
    pub fn lifecycle(&self) -> &[Rule] {
        &self.lifecycle
    }

    /// The website.
    pub fn website(&self) -> Option<&Website> {
        match self.all.get(&Kind::Website) {
            Some(Configuration::Website(website)) => Some(website),
            _ => None,
        }
    }

    /// Where the access log goes.
    pub fn logging(&self) -> Option<&Logging> {
        match self.all.get(&Kind::Logging) {
            Some(Configuration::Logging(logging)) => Some(logging),
            _ => None,
        }
    }
}

/// What is configured for all buckets, as it is on disk. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    buckets: RwLock<BTreeMap<String, Arc<Configured>>>,
    /// How many there are: most servers have none, and take no lock to see it.
    count: AtomicUsize,
    /// How many of them have an access log.
    logged: AtomicUsize,
}

impl Live {
    /// What is configured for a bucket; `None`: nothing.
    pub fn get(&self, bucket: &str) -> Option<Arc<Configured>> {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.0.buckets.read().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }

    /// Whether any bucket has an access log.
    pub fn any_logged(&self) -> bool {
        self.0.logged.load(Ordering::Acquire) > 0
    }

    /// Knows a configuration as it is now; `None`: it is no more.
    pub fn set(&self, name: &str, bucket: &Bucket, kind: Kind, configuration: Option<Configuration>) {
        self.change_one(name, bucket, |now| match configuration {
            Some(configuration) => drop(now.all.insert(kind, configuration)),
            None => drop(now.all.remove(&kind)),
        });
    }

    /// Knows all of a bucket's lifecycle rules.
    pub fn set_lifecycle(&self, name: &str, bucket: &Bucket, rules: Vec<Rule>) {
        self.change_one(name, bucket, |now| now.lifecycle = rules);
    }

    fn change_one(&self, name: &str, bucket: &Bucket, change: impl FnOnce(&mut Configured)) {
        self.change(|buckets| {
            let mut now = buckets.remove(name).map(|found| (*found).clone()).unwrap_or_default();
            (now.account, now.region) = (bucket.account.clone(), bucket.region.clone());
            change(&mut now);
            if !now.all.is_empty() || !now.lifecycle.is_empty() {
                buckets.insert(name.to_owned(), Arc::new(now));
            }
        });
    }

    /// Forgets a bucket.
    pub fn forget(&self, name: &str) {
        self.change(|buckets| drop(buckets.remove(name)));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<Configured>>)) {
        let mut buckets = self.0.buckets.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut buckets);
        let logged = buckets.values().filter(|bucket| bucket.logging().is_some()).count();
        self.0.logged.store(logged, Ordering::Release);
        self.0.count.store(buckets.len(), Ordering::Release);
    }
}
