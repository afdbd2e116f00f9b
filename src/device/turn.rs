//! The turns of threads at a GPU.
//!
//! With Burn 0.21 each thread has a stream of its own, where its operations wait to be fused. A tensor that two streams know is read,
//! freed or used again in whichever order these run, which was seen to give wrong values. Here all threads share one stream, and
//! take turns: the operations of a step stay together, and kernels fused once fit the next step.

use crate::error::contain_panics;
use crate::kernels::Operations;
use burn::tensor::StreamId;
use burn::tensor::backend::{Backend as BurnBackend, BackendTypes, DeviceOps};
use parking_lot::{Mutex, MutexGuard};
use scopeguard::ScopeGuard;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// The stream of all threads. Burn counts those of threads from 0.
const STREAM: StreamId = StreamId { value: u64::MAX };

/// The kind of a device and its numbers.
type Key = (TypeId, u16, u16);

/// Every GPU that was used.
static GPUS: Mutex<BTreeMap<Key, &'static Gpu>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The turns that this thread has.
    static HELD: RefCell<Vec<Turn>> = const { RefCell::new(Vec::new()) };
}

struct Gpu {
    key: Key,
    turn: Mutex<()>,
    /// What threads without a turn have dropped: the next one with a turn frees it.
    discarded: Mutex<Vec<Box<dyn Any + Send>>>,
}

struct Turn {
    gpu: &'static Gpu,
    guard: MutexGuard<'static, ()>,
}

impl Gpu {
    fn new(key: Key) -> Self {
        Self {
            key,
            turn: Mutex::new(()),
            discarded: Mutex::new(Vec::new()),
        }
    }

    fn of<B: BurnBackend>(device: &B::Device) -> &'static Self {
        let id = device.id();
        let key = (TypeId::of::<B::Device>(), id.type_id, id.index_id);
        let mut gpus = GPUS.lock();
        gpus.entry(key)
            .or_insert_with(|| Box::leak(Box::new(Self::new(key))))
    }

    /// Whether this thread has the turn.
    fn is_held(&self) -> bool {
        HELD.with_borrow(|held| held.iter().any(|turn| turn.gpu.key == self.key))
    }

    /// Frees a value in a turn, for which this thread does not wait: it may hold Python's GIL.
    fn discard<T: Send + 'static>(&'static self, value: T) {
        if self.is_held() {
            return free(value);
        }
        self.discarded.lock().push(Box::new(value));
        // If another thread has the turn, it frees the value at its end; if it has ended meanwhile, this one can.
        while !self.discarded.lock().is_empty()
            && let Some(guard) = self.turn.try_lock()
        {
            HELD.with_borrow_mut(|held| held.push(Turn { gpu: self, guard }));
            release(1);
        }
    }

    /// Frees what was discarded, in the turn of this thread.
    fn free_discarded(&self) {
        loop {
            let discarded = std::mem::take(&mut *self.discarded.lock());
            if discarded.is_empty() {
                return;
            }
            on_stream(|| discarded.into_iter().for_each(free));
        }
    }
}

/// Does `work` in the turn of this thread at a device; on the CPU there are none.
pub(crate) fn in_turn<B: Operations, T>(device: &B::Device, work: impl FnOnce() -> T) -> T {
    in_turns::<B, T>(std::slice::from_ref(device), work)
}

/// The same for several devices: who has turns already asks for no further ones.
pub(crate) fn in_turns<B: Operations, T>(devices: &[B::Device], work: impl FnOnce() -> T) -> T {
    if B::ON_HOST {
        return work();
    }
    at(devices.iter().map(Gpu::of::<B>).collect(), work)
}

/// Does `work` in the turns of this thread, which all threads take in one order.
fn at<T>(mut gpus: Vec<&'static Gpu>, work: impl FnOnce() -> T) -> T {
    gpus.retain(|gpu| !gpu.is_held());
    gpus.sort_by_key(|gpu| gpu.key);
    gpus.dedup_by_key(|gpu| gpu.key);
    let _ended = scopeguard::guard(take(&gpus), release);
    on_stream(work)
}

/// Does `work` on the stream of all threads, in the turn of a thread that waits for it.
pub(crate) fn on_stream<T>(work: impl FnOnce() -> T) -> T {
    STREAM.executes(work)
}

/// Does `work`, which may wait for other threads, without the turns of this one, and takes them again.
pub(crate) fn without_turns<T>(work: impl FnOnce() -> T) -> T {
    let gpus = HELD.with_borrow(|held| held.iter().map(|turn| turn.gpu).collect::<Vec<_>>());
    if gpus.is_empty() {
        return work();
    }
    release(gpus.len());
    let _again = scopeguard::guard(gpus, |gpus| {
        take(&gpus);
    });
    work()
}

/// Lets threads that wait have their turns first.
pub(crate) fn pass() {
    HELD.with_borrow_mut(|held| {
        for turn in held {
            MutexGuard::bump(&mut turn.guard);
        }
    });
}

/// Waits for turns, and says how many.
fn take(gpus: &[&'static Gpu]) -> usize {
    for gpu in gpus {
        let guard = gpu.turn.lock();
        HELD.with_borrow_mut(|held| held.push(Turn { gpu, guard }));
    }
    gpus.len()
}

/// Ends the turns that were taken last.
fn release(count: usize) {
    for _ in 0..count {
        if let Some(gpu) = HELD.with_borrow(|held| held.last().map(|turn| turn.gpu)) {
            gpu.free_discarded();
        }
        if let Some(turn) = HELD.with_borrow_mut(Vec::pop) {
            MutexGuard::unlock_fair(turn.guard);
        }
    }
}

/// Tensors, which any thread may drop: they are freed in a turn.
pub(crate) struct Kept<B: BurnBackend, T>(Guarded<B, T>);

type Guarded<B, T> =
    ScopeGuard<(T, <B as BackendTypes>::Device), fn((T, <B as BackendTypes>::Device))>;

impl<B: Operations, T: Send + 'static> Kept<B, T> {
    pub fn new(value: T, device: B::Device) -> Self {
        Self(scopeguard::guard((value, device), |(value, device)| {
            if B::ON_HOST {
                drop(value);
            } else {
                Gpu::of::<B>(&device).discard(value);
            }
        }))
    }
}

impl<B: BurnBackend, T> Deref for Kept<B, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<B: BurnBackend, T> DerefMut for Kept<B, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.0
    }
}

/// Drops a value. A panic of Burn's in a destructor would end the process.
fn free<T>(value: T) {
    let _ = contain_panics(|| {
        drop(value);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Barrier};
    use std::thread;

    /// A GPU that no other test has.
    fn gpu(number: u16) -> &'static Gpu {
        Box::leak(Box::new(Gpu::new((TypeId::of::<()>(), u16::MAX, number))))
    }

    fn is_free(gpu: &'static Gpu) -> bool {
        thread::spawn(|| gpu.turn.try_lock().is_some())
            .join()
            .unwrap()
    }

    #[test]
    fn one_thread_at_a_time_has_its_turn_on_the_stream_of_all() {
        let gpu = gpu(0);
        let inside = AtomicUsize::new(0);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..200 {
                        at(vec![gpu], || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            assert_eq!(StreamId::current(), STREAM);
                            // In a turn there is no other to wait for.
                            at(vec![gpu, gpu], thread::yield_now);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                        assert_ne!(StreamId::current(), STREAM);
                    }
                });
            }
        });
        assert!(is_free(gpu));
    }

    #[test]
    fn turns_at_several_are_taken_in_one_order() {
        let gpus = [gpu(1), gpu(2)];
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for order in [[gpus[0], gpus[1]], [gpus[1], gpus[0]]] {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..2_000 {
                        at(order.to_vec(), || {
                            let held = HELD.with_borrow(|held| {
                                held.iter().map(|turn| turn.gpu.key).collect::<Vec<_>>()
                            });
                            assert_eq!(held, gpus.map(|gpu| gpu.key));
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn a_thread_that_passes_lets_one_that_waits_go_first() {
        let gpu = gpu(3);
        let (sender, done) = channel();
        let other = at(vec![gpu], || {
            let other = thread::spawn(move || at(vec![gpu], || sender.send(()).unwrap()));
            while done.try_recv().is_err() {
                pass();
            }
            assert!(gpu.is_held());
            other
        });
        other.join().unwrap();
    }

    #[test]
    fn others_have_their_turns_while_a_thread_waits() {
        let gpu = gpu(4);
        let caught = contain_panics(|| {
            at(vec![gpu], || {
                let other = thread::spawn(|| at(vec![gpu], || 7));
                without_turns(|| {
                    assert_eq!(other.join().unwrap(), 7);
                    assert!(!gpu.is_held());
                });
                assert!(gpu.is_held() && !is_free(gpu));
                without_turns(|| std::panic::resume_unwind(Box::new("an observer")));
            });
            Ok(())
        });
        assert!(caught.is_err());
        assert!(is_free(gpu) && !gpu.is_held());
    }

    /// Notes whether it is dropped in a turn.
    struct Tensor(&'static Gpu, Arc<AtomicBool>);

    impl Drop for Tensor {
        fn drop(&mut self) {
            assert_eq!(StreamId::current(), STREAM);
            self.1.store(self.0.is_held(), Ordering::SeqCst);
        }
    }

    #[test]
    fn what_a_thread_drops_is_freed_in_a_turn_without_waiting_for_it() {
        let gpu = gpu(5);
        let freed = Arc::new(AtomicBool::new(false));
        gpu.discard(Tensor(gpu, Arc::clone(&freed)));
        assert!(freed.swap(false, Ordering::SeqCst));
        at(vec![gpu], || {
            let tensor = Tensor(gpu, Arc::clone(&freed));
            thread::spawn(move || gpu.discard(tensor)).join().unwrap();
            assert!(!freed.load(Ordering::SeqCst), "this thread has the turn");
        });
        assert!(freed.swap(false, Ordering::SeqCst));
        at(vec![gpu], || {
            gpu.discard(Tensor(gpu, Arc::clone(&freed)));
            assert!(freed.load(Ordering::SeqCst));
        });
        assert!(is_free(gpu));
    }
}
