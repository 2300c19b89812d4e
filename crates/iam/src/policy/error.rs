//! Why a policy document is refused.

use std::fmt;

use super::compile::MAX_POLICY_BYTES;

/// Why a policy document is refused. `Display` gives IAM's message for `MalformedPolicyDocument`;
/// [`PolicyError::detail`] says more, for the operator's log. Services with messages of their own match on
/// the variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyError {
    /// Longer than [`MAX_POLICY_BYTES`].
    TooLarge,
    /// A trust policy that is no JSON; the text says where.
    InvalidJson(String),
    /// Not a policy; the text says why.
    Syntax(String),
    /// A managed policy of another version than 2012-10-17.
    Version,
    /// Two statements with one `Sid`.
    DuplicateSid,
    /// A `Sid` of other characters than letters and digits.
    SidCharacters,
    /// A statement of an identity-based policy without `Action` and `NotAction`, or with an empty list.
    NoActions,
    /// A statement of an identity-based policy without `Resource` and `NotResource`, or with an empty list.
    NoResources,
    /// An identity-based policy with `Principal` or `NotPrincipal`.
    PrincipalInIdentityPolicy,
    /// An element that a resource-based or trust policy must have.
    MissingField(&'static str),
    /// An element that a trust policy must not have.
    ProhibitedField(&'static str),
    /// A principal that is none: its kind as IAM writes it, and its value.
    InvalidPrincipal {
        /// `AWS`, `SERVICE`, `FEDERATED` or `CANONICALUSER`.
        kind: &'static str,
        /// As written in the policy.
        value: String,
    },
    /// An action or condition key without a service's prefix.
    NoVendor,
    /// An action with more than one colon.
    TwoColons,
    /// An action whose prefix cannot be a service's.
    Vendor(String),
    /// A trust policy with an action that assumes no role.
    NotAnAssumeRoleAction,
    /// A resource that is neither an ARN nor `*`.
    ResourceNotArn(String),
    /// A resource of an unknown partition.
    ResourcePartition {
        /// The partition.
        partition: String,
        /// The parts after it.
        rest: String,
    },
    /// A resource without a service, or with a wildcard in its place.
    ResourceVendor,
}

impl PolicyError {
    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        PolicyError::Syntax(detail.into())
    }

    /// What the message does not tell, where there is more to tell.
    pub fn detail(&self) -> Option<&str> {
        match self {
            PolicyError::InvalidJson(detail) | PolicyError::Syntax(detail) => Some(detail),
            _ => None,
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyError::TooLarge => write!(f, "Policy document exceeds {MAX_POLICY_BYTES} bytes."),
            PolicyError::InvalidJson(_) => f.write_str("This policy contains invalid Json"),
            PolicyError::Syntax(_) => f.write_str("Syntax errors in policy."),
            PolicyError::Version => f.write_str("Policy document must be version 2012-10-17 or greater."),
            PolicyError::DuplicateSid => {
                f.write_str("Statement IDs (SID) in a single policy must be unique.")
            }
            PolicyError::SidCharacters => f.write_str(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
                 expression [0-9A-Za-z]*",
            ),
            PolicyError::NoActions => f.write_str("Policy statement must contain actions."),
            PolicyError::NoResources => f.write_str("Policy statement must contain resources."),
            PolicyError::PrincipalInIdentityPolicy => {
                f.write_str("Policy document should not specify a principal.")
            }
            PolicyError::MissingField(field) => write!(f, "Missing required field {field}"),
            PolicyError::ProhibitedField(field) => write!(f, "Has prohibited field {field}"),
            PolicyError::InvalidPrincipal { kind, value } => {
                write!(f, "Invalid principal in policy: \"{kind}\":\"{value}\"")
            }
            PolicyError::NoVendor => {
                f.write_str("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
            }
            PolicyError::TwoColons => f.write_str("Actions/Condition can contain only one colon."),
            PolicyError::Vendor(vendor) => write!(f, "Vendor {vendor} is not valid"),
            PolicyError::NotAnAssumeRoleAction => {
                f.write_str("AssumeRole policy may only specify STS AssumeRole actions.")
            }
            PolicyError::ResourceNotArn(text) => {
                write!(f, "Resource {text} must be in ARN format or \"*\".")
            }
            PolicyError::ResourcePartition { partition, rest } => {
                write!(f, "Partition \"{partition}\" is not valid for resource \"arn:{partition}:{rest}\".")
            }
            PolicyError::ResourceVendor => {
                f.write_str("Resource vendor must be fully qualified and cannot contain regexes.")
            }
        }
    }
}

impl std::error::Error for PolicyError {}
