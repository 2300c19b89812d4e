//! Quotas, as of November 2026: "IAM and AWS STS quotas" (IAM User Guide), the default values.
//!
//! Sizes of policies count characters without white space.

/// Users in an account.
pub const USERS: u32 = 5000;
/// Groups in an account.
pub const GROUPS: u32 = 300;
/// Roles in an account.
pub const ROLES: u32 = 1000;
/// Customer-managed policies in an account.
pub const POLICIES: u32 = 1500;
/// Versions of a managed policy.
pub const POLICY_VERSIONS: usize = 5;
/// Managed policies attached to a user, group or role.
pub const ATTACHED: usize = 10;
/// Groups that a user is in.
pub const GROUPS_PER_USER: usize = 10;
/// Access keys of a user.
pub const ACCESS_KEYS: usize = 2;
/// Tags of a user, role or policy.
pub const TAGS: usize = 50;
/// A managed policy.
pub const MANAGED_POLICY: usize = 6144;
/// All inline policies of a user together.
pub const USER_INLINE: usize = 2048;
/// All inline policies of a group together.
pub const GROUP_INLINE: usize = 5120;
/// All inline policies of a role together.
pub const ROLE_INLINE: usize = 10_240;
/// A role's trust policy.
pub const TRUST_POLICY: usize = 2048;
/// The inline session policy of `AssumeRole`, white space included.
pub const SESSION_POLICY: usize = 2048;
/// Managed session policies of `AssumeRole`.
pub const SESSION_POLICY_ARNS: usize = 10;
/// A policy document with its white space, in bytes: Ropeway's own, so that it fits a row. AWS takes 131,072
/// characters, of which all beyond the quotas above must be white space.
pub const DOCUMENT_BYTES: usize = 60_000;
/// Items of a page, unless asked otherwise.
pub const PAGE: u32 = 100;
