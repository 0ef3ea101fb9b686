//! Work done by many threads, received in order, never far ahead of the receiver.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Results that are done, waiting for those before them.
struct Board<T> {
    next_to_start: usize,
    next_to_receive: usize,
    done: BTreeMap<usize, T>,
    closed: bool,
}

struct Shared<T> {
    board: Mutex<Board<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn board(&self) -> MutexGuard<'_, Board<T>> {
        // A panic in `work` closes the board from its guard; the board itself is always consistent.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the work of all threads when it goes out of scope, whichever way.
struct CloseOnDrop<'a, T>(&'a Shared<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.board().closed = true;
        self.0.changed.notify_all();
    }
}

/// Runs `work(0..count)` on `threads` threads and hands the results to `receive` in order, on the
/// calling thread. At most `threads + 2` results are in flight, so memory stays bounded however
/// long one of them takes.
///
/// Stops at the first error of `receive`, and early where `stop` says so: what was started by then
/// is still received.
///
/// # Errors
/// The error of `receive`.
///
/// # Panics
/// Where `work` panics.
pub(crate) fn for_each_in_order<T, E>(
    count: usize,
    threads: usize,
    stop: impl Fn() -> bool + Sync,
    work: impl Fn(usize) -> T + Sync,
    mut receive: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
{
    let threads = threads.clamp(1, count.max(1));
    let window = threads + 2;
    let shared = Shared {
        board: Mutex::new(Board {
            next_to_start: 0,
            next_to_receive: 0,
            done: BTreeMap::new(),
            closed: false,
        }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| run_worker(&shared, count, window, &stop, &work)))
            .collect();
        let result = receive_all(&shared, count, &mut receive);
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        result
    })
}

fn run_worker<T>(
    shared: &Shared<T>,
    count: usize,
    window: usize,
    stop: &(impl Fn() -> bool + Sync),
    work: &(impl Fn(usize) -> T + Sync),
) {
    loop {
        let index = {
            let mut board = shared.board();
            while !board.closed
                && board.next_to_start < count
                && board.next_to_start >= board.next_to_receive + window
            {
                board = shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
            }
            if board.closed || board.next_to_start >= count {
                return;
            }
            if stop() {
                // Nothing further is started; the receiver gets what is under way.
                let started = board.next_to_start;
                drop(board);
                finish_after(shared, started);
                return;
            }
            board.next_to_start += 1;
            board.next_to_start - 1
        };
        let guard = CloseOnDrop(shared);
        let result = work(index);
        std::mem::forget(guard);
        shared.board().done.insert(index, result);
        shared.changed.notify_all();
    }
}

/// Waits until all that was started has been received, then closes the board.
fn finish_after<T>(shared: &Shared<T>, started: usize) {
    let mut board = shared.board();
    while !board.closed && board.next_to_receive < started.max(board.next_to_start) {
        board = shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
    }
    board.closed = true;
    shared.changed.notify_all();
}

fn receive_all<T, E>(
    shared: &Shared<T>,
    count: usize,
    receive: &mut impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let _close = CloseOnDrop(shared);
    for index in 0..count {
        let mut board = shared.board();
        let result = loop {
            if let Some(result) = board.done.remove(&index) {
                break result;
            }
            if board.closed {
                return Ok(());
            }
            board = shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        };
        drop(board);
        let received = receive(index, result);
        shared.board().next_to_receive = index + 1;
        shared.changed.notify_all();
        received?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::for_each_in_order;

    fn uneven(index: usize) -> usize {
        std::thread::sleep(Duration::from_micros((index * 7919 % 13 * 100) as u64));
        index * index
    }

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for threads in [1, 2, 7] {
            let mut received = Vec::new();
            for_each_in_order(
                50,
                threads,
                || false,
                uneven,
                |index, square| {
                    received.push((index, square));
                    Ok::<(), ()>(())
                },
            )
            .unwrap();
            let expected: Vec<_> = (0..50).map(|index| (index, index * index)).collect();
            assert_eq!(received, expected);
        }
    }

    #[test]
    fn one_slow_item_holds_the_others_back_to_the_window() {
        let started = AtomicUsize::new(0);
        let work = |index: usize| {
            started.fetch_add(1, Ordering::SeqCst);
            if index == 0 {
                std::thread::sleep(Duration::from_millis(50));
                return started.load(Ordering::SeqCst);
            }
            0
        };
        let mut while_slow = 0;
        for_each_in_order(
            1000,
            2,
            || false,
            work,
            |index, seen| {
                if index == 0 {
                    while_slow = seen;
                }
                Ok::<(), ()>(())
            },
        )
        .unwrap();
        assert!(while_slow <= 4, "{while_slow} were started behind the first");
        assert_eq!(started.load(Ordering::SeqCst), 1000);
    }

    #[test]
    fn an_error_of_the_receiver_ends_it() {
        let result = for_each_in_order(
            1000,
            3,
            || false,
            uneven,
            |index, _| {
                if index == 5 { Err(index) } else { Ok(()) }
            },
        );
        assert_eq!(result, Err(5));
    }

    #[test]
    fn after_a_stop_all_that_was_started_is_received() {
        let started = AtomicUsize::new(0);
        let work = |index: usize| {
            started.fetch_add(1, Ordering::SeqCst);
            uneven(index)
        };
        let mut received = 0;
        let stop = || started.load(Ordering::SeqCst) >= 20;
        for_each_in_order(1000, 3, stop, work, |_, _| {
            received += 1;
            Ok::<(), ()>(())
        })
        .unwrap();
        assert!((20..=24).contains(&received), "{received}");
        assert_eq!(received, started.load(Ordering::SeqCst));
    }

    #[test]
    #[should_panic(expected = "the work panicked")]
    fn a_panic_reaches_the_caller_and_hangs_nobody() {
        let work = |index: usize| {
            assert!(index != 7, "the work panicked");
            index
        };
        let _ = for_each_in_order(100, 2, || false, work, |_, _| Ok::<(), ()>(()));
    }

    #[test]
    fn nothing_to_do_is_done() {
        for_each_in_order(0, 4, || false, uneven, |_, _| Err(())).unwrap();
    }
}
