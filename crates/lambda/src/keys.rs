//! The part of the key catalogue that is Lambda's. The kinds never change.
//!
//! What belongs to a function stands under its generation, a number that tells it from functions that
//! had its name before: what is left of those is removed in steps.

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_core::keys::{KeyBuilder, Scope, Space};
use serde::{Deserialize, Serialize};

/// A function with its `$LATEST`: scope, name.
const FUNCTION: u8 = 1;
/// A published version: scope, name, generation, number.
const VERSION: u8 = 2;
/// An alias: scope, name, generation, alias.
const ALIAS: u8 = 3;
/// A resource policy: scope, name, generation, qualifier (empty: none).
const POLICY: u8 = 4;
/// How events are treated: scope, name, generation, qualifier.
const INVOKE_CONFIG: u8 = 5;
/// A function URL: scope, name, generation, qualifier (empty: none).
const URL: u8 = 6;
/// Provisioned concurrency: scope, name, generation, qualifier.
const PROVISIONED: u8 = 7;
/// An event that waits: scope, name, generation, when it is due, its number.
const WAITING: u8 = 8;
/// An event that is being handled: scope, name, generation, slot.
const RUNNING: u8 = 9;
/// A piece of an event's payload: scope, name, generation, the event's number, number of the piece.
const PAYLOAD: u8 = 10;
/// An event source mapping: scope, name of the function, generation, id.
const MAPPING: u8 = 11;
/// A layer: scope, name.
const LAYER: u8 = 12;
/// A layer's version: scope, name, number.
const LAYER_VERSION: u8 = 13;
/// Who uses a package: SHA-256 of the archive, what uses it.
const CODE_USE: u8 = 14;

/// A version whose runtime is not at hand: scope, name, generation, version.
const PREPARATION: u8 = 15;

/// Kinds of rows under a function's generation, all of which go with it.
pub const OF_FUNCTION: [u8; 11] = [
    VERSION,
    ALIAS,
    POLICY,
    INVOKE_CONFIG,
    URL,
    PROVISIONED,
    WAITING,
    RUNNING,
    PAYLOAD,
    MAPPING,
    PREPARATION,
];

/// What names a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionName {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The name.
    pub name: String,
}

impl FunctionName {
    /// The function of a name in an account and a region.
    pub fn new(account: &str, region: &str, name: &str) -> Self {
        FunctionName { scope: Scope::new(account, region), name: name.to_owned() }
    }

    /// The function of an ARN, and the qualifier that it has.
    pub fn parse(arn: &str) -> Option<(FunctionName, Option<String>)> {
        let mut words = arn.strip_prefix("arn:aws:lambda:")?.split(':');
        let (region, account) = (words.next()?, words.next()?);
        if words.next()? != "function" {
            return None;
        }
        let name = words.next().filter(|name| is_name(name))?;
        let qualifier = words.next().map(str::to_owned);
        let sound = words.next().is_none() && !region.is_empty() && account.len() == 12;
        sound.then(|| (FunctionName::new(account, region, name), qualifier))
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", self.scope.region, self.scope.account, self.name)
    }

    /// The ARN with a qualifier, where there is one.
    pub fn qualified(&self, qualifier: Option<&str>) -> String {
        match qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn()),
            None => self.arn(),
        }
    }

    /// Key of the function's row.
    pub fn key(&self) -> Bytes {
        KeyBuilder::new(Space::Lambda, FUNCTION, &self.scope).text(&self.name).build()
    }

    fn at(&self, kind: u8, generation: u64) -> KeyBuilder {
        KeyBuilder::new(Space::Lambda, kind, &self.scope).text(&self.name).number(generation)
    }

    /// What the keys of one kind of a generation's rows begin with.
    pub fn all(&self, kind: u8, generation: u64) -> Bytes {
        self.at(kind, generation).build()
    }

    /// What the keys of versions begin with.
    pub fn versions(&self, generation: u64) -> Bytes {
        self.at(VERSION, generation).build()
    }

    /// Key of a published version.
    pub fn version(&self, generation: u64, number: u64) -> Bytes {
        self.at(VERSION, generation).number(number).build()
    }

    /// What the keys of aliases begin with.
    pub fn aliases(&self, generation: u64) -> Bytes {
        self.at(ALIAS, generation).build()
    }

    /// Key of an alias.
    pub fn alias(&self, generation: u64, alias: &str) -> Bytes {
        self.at(ALIAS, generation).text(alias).build()
    }

    /// What the keys of resource policies begin with.
    pub fn policies(&self, generation: u64) -> Bytes {
        self.at(POLICY, generation).build()
    }

    /// Key of a resource policy.
    pub fn policy(&self, generation: u64, qualifier: &str) -> Bytes {
        self.at(POLICY, generation).text(qualifier).build()
    }

    /// What the keys of event-invoke configurations begin with.
    pub fn invoke_configs(&self, generation: u64) -> Bytes {
        self.at(INVOKE_CONFIG, generation).build()
    }

    /// Key of an event-invoke configuration.
    pub fn invoke_config(&self, generation: u64, qualifier: &str) -> Bytes {
        self.at(INVOKE_CONFIG, generation).text(qualifier).build()
    }

    /// What the keys of URLs begin with.
    pub fn urls(&self, generation: u64) -> Bytes {
        self.at(URL, generation).build()
    }

    /// Key of a URL.
    pub fn url(&self, generation: u64, qualifier: &str) -> Bytes {
        self.at(URL, generation).text(qualifier).build()
    }

    /// What the keys of provisioned concurrency begin with.
    pub fn all_provisioned(&self, generation: u64) -> Bytes {
        self.at(PROVISIONED, generation).build()
    }

    /// Key of a qualifier's provisioned concurrency.
    pub fn provisioned(&self, generation: u64, qualifier: &str) -> Bytes {
        self.at(PROVISIONED, generation).text(qualifier).build()
    }

    /// What the keys of waiting events begin with.
    pub fn waiting_events(&self, generation: u64) -> Bytes {
        self.at(WAITING, generation).build()
    }

    /// Key of a waiting event.
    pub fn waiting(&self, generation: u64, due: Time, number: u64) -> Bytes {
        self.at(WAITING, generation).time(due).number(number).build()
    }

    /// Key of an event that is being handled.
    pub fn running(&self, generation: u64, slot: u32) -> Bytes {
        self.at(RUNNING, generation).number32(slot).build()
    }

    /// What the keys of an event's payload begin with.
    pub fn payload(&self, generation: u64, event: u64) -> Bytes {
        self.at(PAYLOAD, generation).number(event).build()
    }

    /// Key of a piece of an event's payload.
    pub fn piece(&self, generation: u64, event: u64, piece: u32) -> Bytes {
        self.at(PAYLOAD, generation).number(event).number32(piece).build()
    }

    /// What the keys of preparations begin with.
    pub fn preparations(&self, generation: u64) -> Bytes {
        self.at(PREPARATION, generation).build()
    }

    /// Key of a version's preparation.
    pub fn preparation(&self, generation: u64, version: &str) -> Bytes {
        self.at(PREPARATION, generation).text(version).build()
    }

    /// What the keys of mappings begin with.
    pub fn mappings(&self, generation: u64) -> Bytes {
        self.at(MAPPING, generation).build()
    }

    /// Key of a mapping.
    pub fn mapping(&self, generation: u64, id: &str) -> Bytes {
        self.at(MAPPING, generation).text(id).build()
    }
}

/// When a waiting event is due, by its key.
pub fn due_of(key: &[u8]) -> Option<Time> {
    let (rest, _) = key.split_last_chunk::<8>()?;
    let (_, due) = rest.split_last_chunk::<8>()?;
    i64::try_from(u64::from_be_bytes(*due)).ok().map(Time)
}

/// The text that a key ends with.
pub fn last_text(key: &[u8], prefix: &Bytes) -> Option<String> {
    ropeway_core::keys::read_text(key.get(prefix.len()..)?).map(|(text, _)| text)
}

/// Whether a text may be a function's name.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a qualifier is a version's number.
pub fn is_number(qualifier: &str) -> bool {
    !qualifier.is_empty() && qualifier.bytes().all(|b| b.is_ascii_digit())
}

/// What the keys of all functions begin with, whatever their scope.
pub fn all_functions() -> Bytes {
    KeyBuilder::unscoped(Space::Lambda, FUNCTION).build()
}

/// What the keys of an account's functions in a region begin with.
pub fn functions_of(account: &str, region: &str) -> Bytes {
    KeyBuilder::new(Space::Lambda, FUNCTION, &Scope::new(account, region)).build()
}

/// What names a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LayerName {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The name.
    pub name: String,
}

impl LayerName {
    /// The layer of a name in an account and a region.
    pub fn new(account: &str, region: &str, name: &str) -> Self {
        LayerName { scope: Scope::new(account, region), name: name.to_owned() }
    }

    /// The layer of an ARN, and the number of the version if it names one.
    pub fn parse(arn: &str) -> Option<(LayerName, Option<u64>)> {
        let mut words = arn.strip_prefix("arn:aws:lambda:")?.split(':');
        let (region, account) = (words.next()?, words.next()?);
        if words.next()? != "layer" {
            return None;
        }
        let name = words.next().filter(|name| !name.is_empty())?;
        let number = words.next().map(str::parse).transpose().ok()?;
        let sound = words.next().is_none() && !region.is_empty() && account.len() == 12;
        sound.then(|| (LayerName::new(account, region, name), number))
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:layer:{}", self.scope.region, self.scope.account, self.name)
    }

    /// The ARN of a version.
    pub fn version_arn(&self, number: u64) -> String {
        format!("{}:{number}", self.arn())
    }

    /// Key of the layer's row.
    pub fn key(&self) -> Bytes {
        KeyBuilder::new(Space::Lambda, LAYER, &self.scope).text(&self.name).build()
    }

    /// What the keys of its versions begin with.
    pub fn versions(&self) -> Bytes {
        KeyBuilder::new(Space::Lambda, LAYER_VERSION, &self.scope).text(&self.name).build()
    }

    /// Key of a version.
    pub fn version(&self, number: u64) -> Bytes {
        KeyBuilder::new(Space::Lambda, LAYER_VERSION, &self.scope).text(&self.name).number(number).build()
    }
}

/// What the keys of all layer versions begin with, whatever their scope.
pub fn all_layer_versions() -> Bytes {
    KeyBuilder::unscoped(Space::Lambda, LAYER_VERSION).build()
}

/// What the keys of a package's uses begin with, by the beginning of its archive's SHA-256.
pub fn code_uses(sha_prefix: &str) -> Bytes {
    KeyBuilder::unscoped(Space::Lambda, CODE_USE).raw(sha_prefix.as_bytes()).build()
}

/// Key of a package's use.
pub fn code_use(sha256: &str, by: &str) -> Bytes {
    KeyBuilder::unscoped(Space::Lambda, CODE_USE).text(sha256).text(by).build()
}

/// Name of the directory's list of an account's functions in a region.
pub fn functions_list(account: &str, region: &str) -> String {
    format!("lambda/{account}/{region}/functions")
}

/// Name of the directory's list of an account's layers in a region.
pub fn layers_list(account: &str, region: &str) -> String {
    format!("lambda/{account}/{region}/layers")
}

/// Name of the directory's list of an account's event source mappings in a region.
pub fn mappings_list(account: &str, region: &str) -> String {
    format!("lambda/{account}/{region}/mappings")
}

/// Name of the directory's list that holds a URL's function.
pub fn url_list(id: &str) -> String {
    format!("lambda/urls/{}", id.get(..2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arns_name_what_they_were_made_of(
            name in "[a-zA-Z0-9_-]{1,64}", account in "[0-9]{12}", qualifier in prop::option::of("[a-zA-Z0-9_-]{1,20}"),
        ) {
            let function = FunctionName::new(&account, "eu-west-1", &name);
            let arn = function.qualified(qualifier.as_deref());
            prop_assert_eq!(FunctionName::parse(&arn), Some((function, qualifier)));
            let layer = LayerName::new(&account, "eu-west-1", &name);
            prop_assert_eq!(LayerName::parse(&layer.version_arn(7)), Some((layer.clone(), Some(7))));
            prop_assert_eq!(LayerName::parse(&layer.arn()), Some((layer, None)));
        }

        #[test]
        fn any_text_is_an_arn_or_none(text in "(arn:aws:lambda:)?.{0,80}") {
            let _ = (FunctionName::parse(&text), LayerName::parse(&text));
        }

        #[test]
        fn waiting_events_stand_in_the_order_in_which_they_are_due(a in 0..i64::MAX, b in 0..i64::MAX) {
            let name = FunctionName::new("123456789012", "eu-west-1", "f");
            let key = |due| name.waiting(1, Time(due), 7);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(due_of(&key(a)), Some(Time(a)));
        }
    }
}
