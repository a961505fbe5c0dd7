//! Requests to several threads: each sees each of them, once.

use super::*;

/// A store's requests and this many threads of its guest.
fn threads<const N: usize>() -> (Arc<Control>, [Registered; N]) {
    let control = Arc::new(Control::default());
    let threads = std::array::from_fn(|_| Registered::new(&control));
    (control, threads)
}

/// Enters on another thread of the host.
fn elsewhere(thread: &GuestThread) {
    std::thread::scope(|scope| drop(scope.spawn(|| thread.enter())));
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn all_who_are_inside_see_a_request_and_each_once() {
    let (control, [a, b, outside]) = threads();
    a.thread().enter();
    b.thread().enter();
    control.request_checkpoint();
    assert_eq!(control.poll(a.thread()), PollAction::Checkpoint);
    assert_eq!(control.poll(a.thread()), PollAction::Continue);
    assert!(control.is_armed(), "one has not come");
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint);
    assert!(!control.is_armed());
    outside.thread().enter();
    control.checkpoint_at(10);
    assert_eq!(control.poll(outside.thread()), PollAction::Continue, "it was settled before");
}

#[test]
fn who_comes_in_while_a_request_is_open_sees_it() {
    let (control, [a, b]) = threads();
    a.thread().enter();
    control.request_checkpoint();
    b.thread().enter();
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint);
    assert!(control.is_armed());
    assert_eq!(control.poll(a.thread()), PollAction::Checkpoint);
    assert!(!control.is_armed());
}

#[test]
fn nobody_waits_for_who_has_left_and_what_nobody_has_seen_stays() {
    let (control, [a, b, c]) = threads();
    a.thread().enter();
    b.thread().enter();
    control.request_checkpoint();
    a.thread().leave();
    assert!(control.is_armed(), "nobody has seen it");
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint);
    assert!(!control.is_armed());
    a.thread().enter();
    control.request_checkpoint();
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint);
    assert!(control.is_armed());
    drop(a);
    assert!(!control.is_armed(), "a thread that is gone was waited for");
    control.request_checkpoint();
    b.thread().leave();
    c.thread().enter();
    assert_eq!(control.poll(c.thread()), PollAction::Checkpoint);
}

/// Otherwise each poll of the next call would take the slow path.
#[test]
fn who_leaves_last_need_not_have_seen_what_another_has() {
    let (control, [a, b, c]) = threads();
    a.thread().enter();
    elsewhere(b.thread());
    elsewhere(c.thread());
    control.request_checkpoint();
    assert_eq!(control.poll(a.thread()), PollAction::Checkpoint);
    a.thread().leave();
    drop(a);
    b.thread().leave();
    assert!(control.is_armed(), "one is inside who has not seen it");
    c.thread().leave();
    assert!(!control.is_armed());
}

#[test]
fn who_asks_the_others_need_not_come_and_says_when_it_is_over() {
    let (control, [a, b]) = threads();
    a.thread().enter();
    elsewhere(b.thread());
    let epoch = control.stop_others();
    assert_eq!(control.poll(a.thread()), PollAction::Continue);
    assert!(b.thread().pending() && !a.thread().pending());
    control.settle(epoch);
    assert!(!b.thread().pending() && !control.is_armed());
    let (first, second) = (control.stop(false), control.stop(false));
    control.settle(first);
    assert!(control.is_armed(), "the second is another");
    control.settle(second);
    assert!(!control.is_armed());
}

#[test]
fn each_has_a_descriptor_and_a_count_of_its_own() {
    let (control, [a, b]) = threads();
    a.thread().enter();
    b.thread().enter();
    assert_ne!(a.thread().wake_fd(), b.thread().wake_fd());
    control.request_checkpoint();
    assert_eq!(wait(a.thread(), 0), Some(true));
    assert_eq!(control.poll(a.thread()), PollAction::Checkpoint);
    assert_eq!(wait(a.thread(), 0), None);
    assert_eq!(wait(b.thread(), 0), Some(true), "it was woken for itself");
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint);

    b.thread().checkpoint_at(2);
    for _ in 0..5 {
        assert_eq!(control.poll(a.thread()), PollAction::Continue);
    }
    assert_eq!(control.poll(b.thread()), PollAction::Continue);
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint);
    assert!(control.take_counted() && !control.is_armed());
    control.checkpoint_at(2);
    assert_eq!(control.poll(a.thread()), PollAction::Continue);
    assert_eq!(control.poll(b.thread()), PollAction::Checkpoint, "this one is of all together");
    b.thread().checkpoint_at(1);
    b.thread().checkpoint_at(0);
    assert!(!control.is_armed());
}

#[test]
fn all_who_were_inside_end_when_they_are_told_to_though_the_first_takes_it_back() {
    let (control, [a, b, c]) = threads();
    a.thread().enter();
    elsewhere(b.thread());
    control.request_terminate();
    assert_eq!(control.poll(a.thread()), PollAction::Terminate);
    c.thread().enter();
    assert_eq!(control.poll(c.thread()), PollAction::Terminate);
    control.clear_terminate();
    assert_eq!(control.poll(a.thread()), PollAction::Continue);
    assert_eq!(control.poll(c.thread()), PollAction::Continue);
    assert!(b.thread().pending());
    assert_eq!(control.poll(b.thread()), PollAction::Terminate);
    b.thread().leave();
    assert!(!control.is_armed());
    b.thread().enter();
    assert_eq!(control.poll(b.thread()), PollAction::Continue, "it was about another call");
}

#[test]
fn of_a_parents_threads_a_child_waits_for_the_one_that_forked() {
    crate::fork::notice();
    let (control, [a, b]) = threads();
    a.thread().enter();
    let (entered, done) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            b.thread().enter();
            entered.wait();
            done.wait();
        });
        entered.wait();
        control.request_checkpoint();
        assert!(child(|| {
            let inside = a.thread().is_inside() && !b.thread().is_inside();
            inside && control.poll(a.thread()) == PollAction::Checkpoint && !control.is_armed()
        }));
        assert!(b.thread().is_inside() && control.is_armed());
        done.wait();
    });
}

/// Threads come, poll, wait and go at random, while others ask. Whoever was inside from before a request until after it was
/// settled has seen it; no one sees one twice; and in the end nothing is armed. `WAYFARER_TEST_BURSTS` sets how many.
#[test]
fn in_a_storm_no_request_is_lost_and_none_is_doubled() {
    let rounds = std::env::var("WAYFARER_TEST_BURSTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let (control, threads) = threads::<4>();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (nth, registered) in threads.iter().enumerate() {
            let (control, done) = (&control, &done);
            scope.spawn(move || {
                let (thread, mut state) = (registered.thread(), nth as u64);
                while !done.load(Ordering::SeqCst) {
                    thread.enter();
                    for _ in 0..random(&mut state) % 20 {
                        let before = thread.seen.load(Ordering::SeqCst);
                        if random(&mut state).is_multiple_of(64) {
                            wait(thread, 1);
                        }
                        if control.word().load(Ordering::Relaxed) != 0 {
                            let polled = control.poll(thread);
                            let seen = thread.seen.load(Ordering::SeqCst);
                            assert_eq!(polled == PollAction::Checkpoint, seen > before);
                        }
                    }
                    thread.leave();
                }
            });
        }
        let mut state = 99;
        for _ in 0..rounds {
            let calls = threads.each_ref().map(|t| t.thread().call());
            let epoch = control.stop(false);
            let start = Instant::now();
            while control.settled() < epoch {
                assert!(start.elapsed() < Duration::from_secs(60), "it is never settled");
                std::thread::yield_now();
            }
            for (registered, before) in threads.iter().zip(calls) {
                let thread = registered.thread();
                // In this order: seen first.
                let seen = thread.seen.load(Ordering::SeqCst);
                if before % 2 == 1 && thread.call() == before {
                    assert!(seen >= epoch, "a thread that was inside all the time has not seen {epoch}");
                }
            }
            (0..random(&mut state) % 256).for_each(|_| std::hint::spin_loop());
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(!control.is_armed());
}
