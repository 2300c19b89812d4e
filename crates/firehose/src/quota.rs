//! What a stream takes in a second.
//!
//! Quotas: <https://docs.aws.amazon.com/firehose/latest/dev/limits.html>; AWS raises the three of a stream together, in
//! proportion.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ropeway_core::Time;

use crate::keys::StreamName;

/// Regions whose streams take more, in MiB, requests and records a second; and what streams take elsewhere.
const LARGE: &[&str] = &["us-east-1", "us-west-2", "eu-west-1"];
const IN_LARGE: [f64; 3] = [5.0, 2_000.0, 500_000.0];
const ELSEWHERE: [f64; 3] = [1.0, 1_000.0, 100_000.0];
/// Streams that are remembered; beyond, all have their whole second again.
const MOST_STREAMS: usize = 20_000;

/// What every stream takes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// what AWS's streams take in their region
    Aws,
    /// so many MiB, requests and records in proportion
    Mebibytes(u32),
    /// whatever comes
    Unlimited,
}

impl Quota {
    /// Bytes, requests and records a second in a region; `None`: there is no limit.
    fn rates(self, region: &str) -> Option<[f64; 3]> {
        let base = if LARGE.contains(&region) { IN_LARGE } else { ELSEWHERE };
        let [mebibytes, requests, records] = base;
        let raised = match self {
            Quota::Unlimited => return None,
            Quota::Aws => 1.0,
            Quota::Mebibytes(count) => f64::from(count) / mebibytes,
        };
        Some([mebibytes * 1024.0 * 1024.0, requests, records].map(|rate| rate * raised))
    }
}

/// What streams have left of their second: token buckets. They are in memory: a restart fills them.
pub struct Quotas {
    quota: Quota,
    left: Mutex<BTreeMap<StreamName, ([f64; 3], Time)>>,
}

impl Quotas {
    /// With all streams' seconds whole.
    pub fn new(quota: Quota) -> Self {
        Quotas { quota, left: Mutex::default() }
    }

    /// How many of a request's records a stream takes, the first ones: 0 if it takes none. A record is taken while
    /// there is anything left, and may use up what the next second has.
    pub fn take(&self, stream: &StreamName, records: &[usize], now: Time) -> usize {
        let Some(rates) = self.quota.rates(&stream.scope.region) else { return records.len() };
        let mut streams = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() >= MOST_STREAMS && !streams.contains_key(stream) {
            streams.clear();
        }
        let (mut left, since) = streams.get(stream).copied().unwrap_or((rates, now));
        let seconds = now.millis().saturating_sub(since.millis()).max(0) as f64 / 1000.0;
        for (left, rate) in left.iter_mut().zip(rates) {
            *left = (*left + rate * seconds).min(rate);
        }
        let [mut bytes, mut requests, mut count] = left;
        let mut taken = 0;
        for size in records {
            if bytes <= 0.0 || requests <= 0.0 || count <= 0.0 {
                break;
            }
            (bytes, count, taken) = (bytes - *size as f64, count - 1.0, taken + 1);
        }
        requests -= if taken > 0 { 1.0 } else { 0.0 };
        streams.insert(stream.clone(), ([bytes, requests, count], now));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn stream(region: &str) -> StreamName {
        StreamName::new("1", region, "s")
    }

    /// The table of "Amazon Data Firehose quota".
    #[test]
    fn streams_take_what_aws_says_of_their_region() {
        for (region, mebibytes, requests, records) in [
            ("us-east-1", 5, 2_000, 500_000),
            ("eu-west-1", 5, 2_000, 500_000),
            ("eu-central-1", 1, 1_000, 100_000),
        ] {
            let fresh = || Quotas::new(Quota::Aws);
            let (now, stream) = (Time(0), stream(region));
            assert_eq!(fresh().take(&stream, &[MIB; 20], now), mebibytes);
            assert_eq!(fresh().take(&stream, &vec![0; 1_000_000], now), records);
            let quotas = fresh();
            assert_eq!((0..3_000).filter(|_| quotas.take(&stream, &[0], now) == 1).count(), requests);
        }
    }

    #[test]
    fn what_was_used_comes_back_with_time_and_no_more() {
        let quotas = Quotas::new(Quota::Aws);
        let (one, other) = (stream("eu-central-1"), stream("us-east-1"));
        assert_eq!(
            quotas.take(&one, &[MIB / 2, MIB, 1], Time(0)),
            2,
            "the last may be larger than what is left"
        );
        assert_eq!(quotas.take(&one, &[1], Time(500)), 0);
        assert_eq!(quotas.take(&other, &[1], Time(500)), 1, "each stream has its own");
        assert_eq!(quotas.take(&one, &[1], Time(501)), 1);
        assert_eq!(quotas.take(&one, &[MIB, 1], Time(3_600_000)), 1);
    }

    #[test]
    fn quotas_are_raised_in_proportion_or_off() {
        let now = Time(0);
        let quotas = Quotas::new(Quota::Mebibytes(10));
        assert_eq!((0..9_000).filter(|_| quotas.take(&stream("us-west-2"), &[0], now) == 1).count(), 4_000);
        assert_eq!(quotas.take(&stream("eu-central-1"), &[MIB; 20], now), 10);
        assert_eq!(Quotas::new(Quota::Unlimited).take(&stream("r"), &[MIB; 500], now), 500);
    }
}
