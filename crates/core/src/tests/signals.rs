//! Wake-ups.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::Signals;

fn is_ready(future: std::pin::Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

#[test]
fn waiters_are_woken_in_the_order_they_came() {
    let signals = Signals::default();
    let name = signals.named("queue");
    let mut waiting = [pin!(name.notified()), pin!(name.notified()), pin!(name.notified())];
    for waiter in &mut waiting {
        assert!(!waiter.as_mut().enable());
    }
    signals.wake("else", 3);
    signals.wake("queue", 2);
    let woken = waiting.each_mut().map(|waiter| is_ready(waiter.as_mut()));
    assert_eq!(woken, [true, true, false]);
}

#[test]
fn a_wake_up_between_the_look_and_the_wait_is_not_lost() {
    let signals = Signals::default();
    let name = signals.named("queue");
    let mut waiting = pin!(name.notified());
    waiting.as_mut().enable();
    signals.wake("queue", 1);
    assert!(is_ready(waiting));
}

#[test]
fn one_that_was_woken_and_goes_away_passes_it_on() {
    let signals = Signals::default();
    let name = signals.named("queue");
    let mut first = Box::pin(name.notified());
    let mut second = Box::pin(name.notified());
    first.as_mut().enable();
    second.as_mut().enable();
    signals.wake("queue", 1);
    drop(first);
    assert!(is_ready(second.as_mut()));
}

#[test]
fn one_that_goes_away_before_takes_nobodys_wake_up() {
    let signals = Signals::default();
    let name = signals.named("queue");
    let mut first = Box::pin(name.notified());
    let mut second = Box::pin(name.notified());
    first.as_mut().enable();
    second.as_mut().enable();
    drop(first);
    signals.wake("queue", 1);
    assert!(is_ready(second.as_mut()));
}

#[test]
fn closing_wakes_everybody() {
    let signals = Signals::default();
    let (one, other) = (signals.named("a"), signals.named("b"));
    let mut waiting = [pin!(one.notified()), pin!(one.notified()), pin!(other.notified())];
    signals.close();
    assert!(signals.is_closed());
    assert!(waiting.iter_mut().all(|waiter| is_ready(waiter.as_mut())));
}

#[test]
fn names_that_nobody_waits_for_are_forgotten() {
    let signals = Signals::default();
    let kept = signals.named("kept");
    for number in 0..10_000 {
        signals.named(&number.to_string());
    }
    let debug = format!("{signals:?}");
    assert!(debug.matches("(Weak)").count() <= 128, "{debug}");
    let mut waiting = pin!(kept.notified());
    waiting.as_mut().enable();
    signals.wake("kept", 1);
    assert!(is_ready(waiting));
}
