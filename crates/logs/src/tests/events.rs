//! Events: put, read in pages, filtered; against a plain list.

use proptest::prelude::*;
use ropeway_api::logs::{FilterLogEventsInput, GetLogEventsInput, Logs as _, RejectedLogEventsInfo};

use super::{DAY, START, World, get};

/// An event of the model: time, number of its put, place in the put; stream.
type Known = (i64, usize, usize, usize);

fn run<T>(of: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(of)
}

async fn read(world: &World, mut input: GetLogEventsInput) -> (Vec<String>, usize) {
    let (mut out, mut pages) = (Vec::new(), 0);
    let forward = input.start_from_head.unwrap_or(false);
    loop {
        let page = world.logs.get_log_events(&world.cx(), input.clone()).await.unwrap();
        let events: Vec<String> = page.events.unwrap().into_iter().map(|e| e.message.unwrap()).collect();
        pages += 1;
        let next = if forward { page.next_forward_token } else { page.next_backward_token };
        if forward {
            out.extend(events)
        } else {
            out.splice(0..0, events);
        }
        if next == input.next_token {
            return (out, pages);
        }
        input.next_token = next;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is put in whatever order, reads give it in the order of times, in both directions, in pages
    /// of any size, by any range of time, of one stream or of all.
    #[test]
    fn reads_are_what_sorting_gives(
        puts in prop::collection::vec((0usize..3, prop::collection::vec(-2_000_000i64..1_000_000, 1..6)), 1..12),
        limit in 1i64..7, from in -2_100_000i64..1_000_000, length in 0i64..2_500_000,
    ) {
        run(async {
            let world = World::new().await;
            world.create(&["s0", "s1", "s2"]).await;
            let mut known: Vec<Known> = Vec::new();
            for (number, (stream, mut times)) in puts.into_iter().enumerate() {
                times.sort_unstable();
                let messages: Vec<String> = (0..times.len()).map(|at| format!("{number}.{at}")).collect();
                let events: Vec<(i64, &str)> = times.iter().copied().zip(messages.iter().map(String::as_str)).collect();
                world.put(&format!("s{stream}"), &events).await.unwrap();
                known.extend(times.iter().enumerate().map(|(at, time)| (*time, number, at, stream)));
            }
            known.sort_unstable();
            let (start, end) = (START + from, START + from + length);
            let in_range = |time: i64| START + time >= start && START + time < end;
            let text = |(_, number, at, _): &Known| format!("{number}.{at}");
            for stream in 0..3 {
                let of = known.iter().filter(|event| event.3 == stream);
                let expected: Vec<String> = of.clone().map(text).collect();
                let within: Vec<String> = of.filter(|event| in_range(event.0)).map(text).collect();
                for forward in [true, false] {
                    let input = GetLogEventsInput { limit: Some(limit), start_from_head: Some(forward), ..get(&format!("s{stream}")) };
                    prop_assert_eq!(&read(&world, input.clone()).await.0, &expected);
                    let input = GetLogEventsInput { start_time: Some(start), end_time: Some(end), ..input };
                    prop_assert_eq!(&read(&world, input).await.0, &within);
                }
            }
            prop_assert_eq!(world.filter("").await, known.iter().map(text).collect::<Vec<_>>());
            for descending in [false, true] {
                let mut input = FilterLogEventsInput {
                    log_group_name: Some("g".to_owned()), limit: Some(limit),
                    log_stream_names: Some(vec!["s0".to_owned(), "s2".to_owned()]),
                    start_time: Some(start), end_time: Some(end), start_from_head: Some(!descending),
                    ..Default::default()
                };
                let mut got = Vec::new();
                loop {
                    let page = world.logs.filter_log_events(&world.cx(), input.clone()).await.unwrap();
                    got.extend(page.events.unwrap().into_iter().map(|event| event.message.unwrap()));
                    input.next_token = page.next_token;
                    if input.next_token.is_none() { break; }
                }
                let mut expected: Vec<String> =
                    known.iter().filter(|event| event.3 != 1 && in_range(event.0)).map(text).collect();
                if descending { expected.reverse(); }
                prop_assert_eq!(got, expected);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn tokens_stand_at_the_end_until_more_comes() {
    let world = World::new().await;
    world.create(&["s"]).await;
    let input = GetLogEventsInput { start_from_head: Some(true), ..get("s") };
    let empty = world.logs.get_log_events(&world.cx(), input.clone()).await.unwrap();
    assert_eq!(empty.events.unwrap().len(), 0);
    world.put("s", &[(-5, "a"), (-4, "b")]).await.unwrap();
    let mut next = GetLogEventsInput { next_token: empty.next_forward_token, ..input };
    let page = world.logs.get_log_events(&world.cx(), next.clone()).await.unwrap();
    assert_eq!(page.events.unwrap().len(), 2);
    next.next_token = page.next_forward_token;
    let end = world.logs.get_log_events(&world.cx(), next.clone()).await.unwrap();
    assert_eq!((end.events.unwrap().len(), &end.next_forward_token), (0, &next.next_token));
    world.put("s", &[(-4, "of the same time, put later")]).await.unwrap();
    let more = world.logs.get_log_events(&world.cx(), next.clone()).await.unwrap();
    assert_eq!(more.events.unwrap()[0].message.as_deref(), Some("of the same time, put later"));
    next.next_token = more.next_backward_token;
    let back = world.logs.get_log_events(&world.cx(), next.clone()).await.unwrap();
    assert_eq!(back.events.unwrap().len(), 2);
    for token in ["", "x", "f/1/s", "f/", "b/9999999999999999999999999999999999999999999999999999999/s"] {
        next.next_token = Some(token.to_owned());
        let error = world.logs.get_log_events(&world.cx(), next.clone()).await.unwrap_err();
        assert_eq!(
            (&*error.code, error.message.as_str()),
            ("InvalidParameterException", "The specified nextToken is invalid.")
        );
    }
}

#[tokio::test]
async fn what_is_too_old_or_too_new_is_rejected_and_the_rest_taken() {
    let world = World::new().await;
    world.create(&["s"]).await;
    let hour = 60 * 60 * 1000;
    let events = [
        (-15 * DAY, "old"),
        (-14 * DAY - 1, "old"),
        (-hour, "in"),
        (0, "in"),
        (2 * hour, "in"),
        (2 * hour + 1, "new"),
    ];
    let rejected = world.put("s", &events).await.unwrap().rejected_log_events_info.unwrap();
    let RejectedLogEventsInfo {
        too_new_log_event_start_index,
        too_old_log_event_end_index,
        expired_log_event_end_index,
    } = rejected;
    assert_eq!(
        (too_old_log_event_end_index, expired_log_event_end_index, too_new_log_event_start_index),
        (Some(2), None, Some(5))
    );
    assert_eq!(world.filter("").await, ["in"; 3]);
    let rejected = world.put("s", &[(-20 * DAY, "x")]).await.unwrap().rejected_log_events_info.unwrap();
    assert_eq!(rejected.too_old_log_event_end_index, Some(1));
}

#[tokio::test]
async fn batches_beyond_the_limits_are_refused() {
    let world = World::new().await;
    world.create(&["s"]).await;
    let refused = async |events: &[(i64, &str)], why: &str| {
        let error = world.put("s", events).await.unwrap_err();
        assert_eq!((&*error.code, error.message.as_str()), ("InvalidParameterException", why));
    };
    refused(
        &[(1, "a"), (0, "b")],
        "Log events in a single PutLogEvents request must be in chronological order.",
    )
    .await;
    let why = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
    refused(&[(-DAY - 1, "a"), (0, "b")], why).await;
    let large = "x".repeat(1024 * 1024 - 26);
    world.put("s", &[(0, &large)]).await.unwrap();
    refused(&[(0, &large), (1, "y")], "Upload too large: 1048603 bytes exceeds limit of 1048576").await;
    let larger = format!("{large}x");
    refused(&[(0, &larger)], "Log event too large: 1048577 bytes exceeds limit of 1048576").await;
    // A day's span is many chunks; all of them are one put.
    let events: Vec<(i64, &str)> = (0..10_000).map(|n| (n * 8_640 - DAY, "e")).collect();
    world.put("s", &events).await.unwrap();
    assert_eq!(world.filter("e").await.len(), 10_000);
    let (_, stats) = world.read().await;
    assert_eq!(stats.bytes, (10_000 * 27 + 1024 * 1024) as u64);
}

#[tokio::test]
async fn a_search_that_finds_nothing_ends() {
    let world = World::new().await;
    world.create(&["s"]).await;
    let line = "nothing to see ".repeat(4000);
    for n in 0..300 {
        // Overlapping in time, and more than one request looks through.
        world.put("s", &[(-1000 + n, &line), (n, "end")]).await.unwrap();
    }
    assert_eq!(world.filter("needle").await, Vec::<String>::new());
    world.put("s", &[(5, "a needle")]).await.unwrap();
    assert_eq!(world.filter("needle").await, ["a needle"]);
    let (all, pages) = read(&world, GetLogEventsInput { start_from_head: Some(true), ..get("s") }).await;
    assert_eq!(all.len(), 601);
    assert!(pages > 10);
}
