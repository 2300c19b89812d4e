//! A page of events: the first or the last of a range, whatever the order in which chunks bring them.

use std::collections::BTreeMap;

use ropeway_core::Time;

use crate::chunk::Event;
use crate::model::Head;

/// Most events of a page:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html>.
pub const MAX_EVENTS: usize = 10_000;
/// Most bytes of a page's events, unless the first alone has more (same source).
const MAX_BYTES: usize = 1024 * 1024;
/// Digits of an event's id, as AWS's have.
const ID_DIGITS: usize = 56;

/// An event's place in its group: events are in the order of their times, then of their puts, then of
/// their places in the put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The event's time.
    pub time: i64,
    /// Number of its chunk.
    pub chunk: u64,
    /// Its place in the chunk.
    pub at: u32,
}

impl Place {
    /// The first place of a moment.
    pub fn of(time: i64) -> Place {
        Place { time, chunk: 0, at: 0 }
    }

    /// The place right behind this one.
    pub fn next(self) -> Place {
        Place { at: self.at.saturating_add(1), ..self }
    }

    /// The event's id.
    pub fn id(self) -> String {
        format!("{:020}{:020}{:016}", self.time.max(0), self.chunk, self.at)
    }

    /// The place that an id tells.
    pub fn parse(id: &str) -> Option<Place> {
        if id.len() != ID_DIGITS || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Place {
            time: id.get(..20)?.parse().ok()?,
            chunk: id.get(20..40)?.parse().ok()?,
            at: id.get(40..)?.parse().ok()?,
        })
    }
}

/// An event on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// Its stream's name.
    pub stream: String,
    /// When it was put.
    pub ingested: Time,
}

/// Collects the first events of a range, or the last ones: never more than a page of them.
pub struct Page {
    reverse: bool,
    from: Place,
    to: Place,
    limit: usize,
    bytes: usize,
    found: BTreeMap<Place, Found>,
    full: bool,
}

impl Page {
    /// A page of at most `limit` of the events in places from `from` on and before `to`: the first
    /// ones, or in `reverse` the last ones.
    pub fn new(from: Place, to: Place, reverse: bool, limit: usize) -> Page {
        let limit = limit.clamp(1, MAX_EVENTS);
        Page { reverse, from, to, limit, bytes: 0, found: BTreeMap::new(), full: false }
    }

    /// Nothing before this place is wanted.
    pub fn begin_at(&mut self, from: Place) {
        self.from = self.from.max(from);
    }

    /// Adds the wanted events of a chunk.
    pub fn add(&mut self, number: u64, head: &Head, events: Vec<Event>, wanted: impl Fn(&str) -> bool) {
        for (at, event) in (0..).zip(events) {
            let place = Place { time: event.time, chunk: number, at };
            if place < self.from || place >= self.to || !wanted(&event.message) {
                continue;
            }
            self.bytes += event.bytes();
            let found = Found { event, stream: head.stream.clone(), ingested: head.ingested };
            self.found.insert(place, found);
            self.trim();
        }
    }

    /// Drops what is beyond a page; from then on nothing is taken from there any more.
    fn trim(&mut self) {
        while self.found.len() > self.limit || (self.bytes > MAX_BYTES && self.found.len() > 1) {
            let gone = if self.reverse { self.found.pop_first() } else { self.found.pop_last() };
            let Some((place, found)) = gone else { return };
            self.bytes -= found.event.bytes();
            self.full = true;
            if self.reverse { self.from = place.next() } else { self.to = place }
        }
    }

    /// True if no chunk that begins at `first` or behind it (in reverse: before it) can have an event of
    /// the page; `longest` is the longest time between the first and the last event of a chunk.
    pub fn is_settled(&self, first: i64, longest: i64) -> bool {
        match self.reverse {
            false => first > self.to.time,
            true => first.saturating_add(longest) < self.from.time,
        }
    }

    /// The reader stops, having looked at every chunk up to one that begins at `first`: what further
    /// chunks may come before is dropped, and the next page begins there. False if that would be no step
    /// forward: the reader must go on.
    pub fn cut(&mut self, first: i64, longest: i64) -> bool {
        let frontier = match self.reverse {
            false => Place::of(first),
            true => Place::of(first.saturating_add(longest).saturating_add(1)),
        };
        if frontier <= self.from || frontier >= self.to {
            return false;
        }
        let beyond = self.found.split_off(&frontier);
        if self.reverse {
            (self.found, self.from) = (beyond, frontier);
        } else {
            self.to = frontier;
        }
        self.full = true;
        true
    }

    /// Where the next page of the direction begins (in reverse: ends); `None` if this one has all.
    pub fn next(&self) -> Option<Place> {
        self.full.then_some(if self.reverse { self.from } else { self.to })
    }

    /// The events, in order.
    pub fn into_events(self) -> Vec<(Place, Found)> {
        self.found.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_tell_places() {
        let place = Place { time: 1_700_000_000_123, chunk: 42, at: 7 };
        assert_eq!(place.id().len(), ID_DIGITS);
        assert_eq!(Place::parse(&place.id()), Some(place));
        assert_eq!(Place::parse("1"), None);
        assert_eq!(Place::parse(&"9".repeat(ID_DIGITS)), None);
    }

    fn head() -> Head {
        Head { stream: "s".to_owned(), stream_id: 1, last: 0, ingested: Time(0), bytes: 0, parts: 1 }
    }

    proptest! {
        /// Pages are what sorting everything gives, whatever the order of chunks; none is lost between them.
        #[test]
        fn pages_are_what_sorting_gives(
            mut chunks in prop::collection::vec(prop::collection::vec(0i64..60, 1..8), 0..20),
            (from, to) in (0i64..60, 0i64..60), reverse: bool, limit in 1usize..10, stop in 1usize..6,
        ) {
            chunks.iter_mut().for_each(|times| times.sort_unstable());
            let mut ordered: Vec<(u64, Vec<i64>)> = (0..).zip(chunks).collect();
            ordered.sort_by_key(|(number, times)| (times[0], *number));
            let longest = ordered.iter().map(|(_, t)| t.last().unwrap() - t[0]).max().unwrap_or(0);
            let mut all: Vec<Place> = ordered.iter().flat_map(|(number, times)| {
                (0..).zip(times).map(|(at, time)| Place { time: *time, chunk: *number, at })
            }).filter(|place| *place >= Place::of(from) && *place < Place::of(to)).collect();
            all.sort_unstable();
            if reverse { ordered.reverse(); all.reverse(); }
            let (mut got, mut bounds) = (Vec::new(), (Place::of(from), Place::of(to)));
            for _ in 0..400 {
                let mut page = Page::new(bounds.0, bounds.1, reverse, limit);
                for (n, (number, times)) in ordered.iter().enumerate() {
                    if page.is_settled(times[0], longest) || (n >= stop && page.cut(ordered[n - 1].1[0], longest)) {
                        break;
                    }
                    let events = times.iter().map(|time| Event { time: *time, message: "m".to_owned() });
                    page.add(*number, &head(), events.collect(), |_| true);
                }
                let next = page.next();
                let mut events: Vec<Place> = page.into_events().into_iter().map(|(place, _)| place).collect();
                prop_assert!(events.len() <= limit);
                if reverse { events.reverse(); }
                got.extend(events);
                match next {
                    Some(next) if reverse => bounds.1 = next,
                    Some(next) => bounds.0 = next,
                    None => break,
                }
            }
            prop_assert_eq!(got, all);
        }
    }
}
