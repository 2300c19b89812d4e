//! Overlays: what Ropeway adds to a model, in `crates/api/services/<id>.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One service's overlay: the list of its operations, and what the models do not say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Folder in botocore's data (`sqs/2012-11-05`).
    pub model: String,
    /// A model of the time when the service spoke the Query protocol, for the names used there:
    /// the botocore version that had it.
    #[serde(default)]
    pub query_names_from: Option<String>,
    /// Protocols spoken, the model's own first.
    pub protocols: Vec<String>,
    /// XML namespace of its answers, where the model does not tell it (botocore's S3 does not).
    #[serde(default)]
    pub xml_namespace: Option<String>,
    /// Code and HTTP status for parameters that are refused.
    pub refusal: (String, u16),
    /// Code and HTTP status of a denied request.
    pub denial: (String, u16),
    /// Code and HTTP status for violated constraints.
    pub validation: (String, u16),
    /// The model's enumerations are constraints: false for services that check values themselves
    /// with other messages.
    #[serde(default = "yes")]
    pub check_enums: bool,
    /// As `check_enums`, for lengths, ranges and patterns.
    #[serde(default = "yes")]
    pub check_limits: bool,
    /// `Shape.Member` = header: request headers that the service documents and the model leaves out.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `Shape.Member` = reason: refused by name when present.
    #[serde(default)]
    pub refuse: BTreeMap<String, String>,
    /// `Shape.Member` = reason: the model calls it required, but the service takes it as absent.
    #[serde(default)]
    pub optional: BTreeMap<String, String>,
    /// `Shape.Member` = reason: taken, and rightly without effect here; nothing reads it.
    #[serde(default)]
    pub without_effect: BTreeMap<String, String>,
    /// The operations that are implemented.
    pub operations: BTreeMap<String, Operation>,
}

fn yes() -> bool {
    true
}

/// What an operation needs of its caller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// IAM action; empty: anyone may call it.
    pub action: String,
    /// Input members in whose presence the IAM action is another one.
    #[serde(default)]
    pub action_with: BTreeMap<String, String>,
    /// Resource ARNs, as templates over `{region}`, `{account}`, `{Member}` and `{Member|function}`;
    /// a function is one of `ropeway_wire::resource`.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Condition keys and the input members that give their values; `=value` is the value itself.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// The operation asks the gate itself.
    #[serde(default)]
    pub asks_itself: bool,
    /// Element around a REST-XML answer, where the model does not tell it (botocore's S3 does not);
    /// empty: the members have none around them.
    #[serde(default)]
    pub output_element: Option<String>,
}
