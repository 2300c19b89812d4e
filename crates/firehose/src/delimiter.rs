//! `AppendDelimiterToRecord`: what stands behind each record in an object.

/// The only delimiter, as the parameter `Delimiter` names it: backslash, n.
pub const NAME: &str = "\\n";
/// The bytes that it stands for.
pub const BYTES: &[u8] = b"\n";
