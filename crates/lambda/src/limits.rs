//! Lambda's quotas: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.

/// Bytes of a synchronous request's payload, and of its answer.
pub const SYNC_PAYLOAD: usize = 6 * 1024 * 1024;
/// Bytes of an asynchronous event.
pub const ASYNC_PAYLOAD: usize = 1024 * 1024;
/// Bytes of all environment variables, keys and values.
pub const ENVIRONMENT: usize = 4 * 1024;
/// Seconds that an invocation may take.
pub const TIMEOUT: i64 = 900;
/// MiB of memory.
pub const MEMORY: i64 = 10_240;
/// MiB of `/tmp`.
pub const TMP: i64 = 10_240;
/// Layers of a function.
pub const LAYERS: usize = 5;
/// Bytes of a resource policy.
pub const POLICY: usize = 20 * 1024;
/// Bytes of an archive that comes with the request.
pub const UPLOAD: usize = 50 * 1024 * 1024;
/// Bytes of an archive, wherever it comes from.
pub const ARCHIVE: u64 = 250 * 1024 * 1024;
/// Invocations at once in an account and a region.
pub const CONCURRENCY: u32 = 1000;
/// Of those, how many no function may reserve for itself.
pub const UNRESERVED: u32 = 100;
/// Bytes of all archives of an account in a region.
pub const STORAGE: u64 = 75 * 1024 * 1024 * 1024;
/// Tags of a function.
pub const TAGS: usize = 50;
/// Seconds that an event waits at most.
pub const EVENT_AGE: u32 = 6 * 60 * 60;
/// Retries of an event whose function failed.
pub const RETRIES: u32 = 2;
/// Events of a function that wait at most; past them its senders are throttled. AWS names no number.
pub const WAITING: u64 = 100_000;
/// Events of a function that are handled at once.
pub const AT_ONCE: u32 = 100;
/// Aliases, versions and the like that a list gives at once, unless fewer are asked for.
pub const PAGE: usize = 50;
