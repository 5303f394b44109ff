//! What the glock needs of the world: one trait, three implementations.
//!
//! The same source runs under std (for use), under loom (which tries every
//! interleaving and every value the C11 memory model allows a load to return) and
//! under shuttle (which tries many random schedules of larger programs). There is no
//! `--cfg` and no second build: the runtime is a type parameter.
//!
//! [`Runtime`] asks for little: a mutex, one small atomic, a place where one thread
//! sleeps until another wakes it, and threads. Locking is by closure, so that a
//! critical section is as long as it looks and no guard outlives it.

use std::sync::atomic::Ordering;

/// A world the glock can run in.
///
/// ```
/// use glock_primitives::{Lock, Runtime, Std};
///
/// fn counted<R: Runtime>() -> u32 {
///     let counter = <R::Mutex<u32> as Lock<u32>>::new(1);
///     counter.with(|n| { *n += 1; *n })
/// }
/// assert_eq!(counted::<Std>(), 2);
/// ```
pub trait Runtime: Sized + Send + Sync + 'static {
    /// Mutual exclusion: the spinlock of a glock.
    type Mutex<T: Send + 'static>: Lock<T>;
    /// The wake flag of a ticket.
    type Flag: Flag;
    /// Where the thread that makes it sleeps.
    type Parker: Parker;
    /// A thread that was started.
    type Thread: Join;

    /// Starts a thread.
    fn spawn(body: impl FnOnce() + Send + 'static) -> Self::Thread;

    /// Lets others run.
    fn yield_now();
}

/// A mutex that is locked for the length of a closure.
///
/// A panic in the closure releases it and does not poison it: what the glock keeps
/// under its mutexes is changed only by code of this crate, which does not panic half
/// way. Poisoning of the *glock*, by a panic of its holder, is
/// [`Ticket`](crate::Ticket)'s business.
pub trait Lock<T>: Send + Sync + 'static {
    /// An unlocked mutex.
    fn new(value: T) -> Self;
    /// Runs `f` with the mutex locked.
    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U;
}

/// A byte that one thread sets and another one looks at.
pub trait Flag: Send + Sync + 'static {
    /// The flag, with this value.
    fn new(value: u8) -> Self;
    /// Reads it.
    fn load(&self, order: Ordering) -> u8;
    /// Sets it.
    fn store(&self, value: u8, order: Ordering);
}

/// A place to sleep for the thread that makes it; any other may wake it.
///
/// Being woken before going to sleep counts: the next [`park`](Parker::park) returns
/// at once. It may also return without reason, so the sleeper looks again.
pub trait Parker: Send + Sync + 'static {
    /// A place for the thread that calls.
    fn new() -> Self;
    /// Sleeps until woken. Only for the thread that made it.
    fn park(&self);
    /// Wakes the sleeper, now or when it next goes to sleep.
    fn unpark(&self);
}

/// A thread that can be waited for.
pub trait Join {
    /// Waits for its end.
    ///
    /// # Panics
    /// If it panicked.
    fn join(self);
}

/// The operating system's threads, std's mutex and atomics.
#[derive(Clone, Copy, Debug)]
pub struct Std;

impl Runtime for Std {
    type Mutex<T: Send + 'static> = std::sync::Mutex<T>;
    type Flag = std::sync::atomic::AtomicU8;
    type Parker = std::thread::Thread;
    type Thread = std::thread::JoinHandle<()>;

    fn spawn(body: impl FnOnce() + Send + 'static) -> Self::Thread {
        std::thread::spawn(body)
    }

    fn yield_now() {
        std::thread::yield_now();
    }
}

impl<T: Send + 'static> Lock<T> for std::sync::Mutex<T> {
    #[inline]
    fn new(value: T) -> Self {
        std::sync::Mutex::new(value)
    }
    #[inline]
    fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
        let mut guard = self
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        f(&mut guard)
    }
}

impl Flag for std::sync::atomic::AtomicU8 {
    #[inline]
    fn new(value: u8) -> Self {
        std::sync::atomic::AtomicU8::new(value)
    }
    #[inline]
    fn load(&self, order: Ordering) -> u8 {
        std::sync::atomic::AtomicU8::load(self, order)
    }
    #[inline]
    fn store(&self, value: u8, order: Ordering) {
        std::sync::atomic::AtomicU8::store(self, value, order);
    }
}

/// A thread's own token: one for all its tickets, so that a late wake-up for one
/// ticket may end the sleep for the next.
impl Parker for std::thread::Thread {
    fn new() -> Self {
        std::thread::current()
    }
    fn park(&self) {
        std::thread::park();
    }
    fn unpark(&self) {
        std::thread::Thread::unpark(self);
    }
}

impl Join for std::thread::JoinHandle<()> {
    fn join(self) {
        if let Err(panic) = std::thread::JoinHandle::join(self) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Every interleaving, every outcome of a relaxed load: `loom::model`.
#[cfg(feature = "loom")]
mod exhaustive {
    use super::{Flag, Join, Lock, Ordering, Parker, Runtime};

    /// Inside `loom::model`: all interleavings, under the C11 memory model.
    ///
    /// At most five threads with the main one. A limit on permutations or time looks
    /// like success, so set none where a run is to prove something.
    #[derive(Clone, Copy, Debug)]
    pub struct Loom;

    impl Runtime for Loom {
        type Mutex<T: Send + 'static> = loom::sync::Mutex<T>;
        type Flag = loom::sync::atomic::AtomicU8;
        type Parker = LoomParker;
        type Thread = loom::thread::JoinHandle<()>;

        fn spawn(body: impl FnOnce() + Send + 'static) -> Self::Thread {
            loom::thread::spawn(body)
        }

        fn yield_now() {
            loom::thread::yield_now();
        }
    }

    impl<T: Send + 'static> Lock<T> for loom::sync::Mutex<T> {
        fn new(value: T) -> Self {
            loom::sync::Mutex::new(value)
        }
        fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
            let mut guard = self
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            f(&mut guard)
        }
    }

    impl Flag for loom::sync::atomic::AtomicU8 {
        fn new(value: u8) -> Self {
            loom::sync::atomic::AtomicU8::new(value)
        }
        fn load(&self, order: Ordering) -> u8 {
            loom::sync::atomic::AtomicU8::load(self, order)
        }
        fn store(&self, value: u8, order: Ordering) {
            loom::sync::atomic::AtomicU8::store(self, value, order);
        }
    }

    /// A token of its own under loom. Not `loom::thread::park`: loom 0.7 makes a
    /// thread runnable that is unparked while it waits for a mutex.
    #[derive(Debug)]
    pub struct LoomParker {
        token: loom::sync::Mutex<bool>,
        set: loom::sync::Condvar,
    }

    impl Parker for LoomParker {
        fn new() -> Self {
            LoomParker {
                token: loom::sync::Mutex::new(false),
                set: loom::sync::Condvar::new(),
            }
        }
        fn park(&self) {
            let mut token = self.token.lock().expect("loom's mutex is not poisoned");
            while !*token {
                token = self.set.wait(token).expect("loom's mutex is not poisoned");
            }
            *token = false;
        }
        fn unpark(&self) {
            *self.token.lock().expect("loom's mutex is not poisoned") = true;
            self.set.notify_one();
        }
    }

    impl Join for loom::thread::JoinHandle<()> {
        fn join(self) {
            if let Err(panic) = loom::thread::JoinHandle::join(self) {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[cfg(feature = "loom")]
pub use exhaustive::{Loom, LoomParker};

/// Random schedules of larger programs: `shuttle::check_random` and its kin.
#[cfg(feature = "shuttle")]
mod random {
    use super::{Flag, Join, Lock, Ordering, Parker, Runtime};

    /// Inside a shuttle test. Atomics are sequentially consistent whatever is asked
    /// for: a weak ordering is loom's to find.
    #[derive(Clone, Copy, Debug)]
    pub struct Shuttle;

    impl Runtime for Shuttle {
        type Mutex<T: Send + 'static> = shuttle::sync::Mutex<T>;
        type Flag = shuttle::sync::atomic::AtomicU8;
        type Parker = shuttle::thread::Thread;
        type Thread = shuttle::thread::JoinHandle<()>;

        fn spawn(body: impl FnOnce() + Send + 'static) -> Self::Thread {
            shuttle::thread::spawn(body)
        }

        fn yield_now() {
            shuttle::thread::yield_now();
        }
    }

    impl<T: Send + 'static> Lock<T> for shuttle::sync::Mutex<T> {
        fn new(value: T) -> Self {
            shuttle::sync::Mutex::new(value)
        }
        fn with<U>(&self, f: impl FnOnce(&mut T) -> U) -> U {
            let mut guard = self
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            f(&mut guard)
        }
    }

    impl Flag for shuttle::sync::atomic::AtomicU8 {
        fn new(value: u8) -> Self {
            shuttle::sync::atomic::AtomicU8::new(value)
        }
        fn load(&self, _: Ordering) -> u8 {
            shuttle::sync::atomic::AtomicU8::load(self, Ordering::SeqCst)
        }
        fn store(&self, value: u8, _: Ordering) {
            shuttle::sync::atomic::AtomicU8::store(self, value, Ordering::SeqCst);
        }
    }

    impl Parker for shuttle::thread::Thread {
        fn new() -> Self {
            shuttle::thread::current()
        }
        fn park(&self) {
            shuttle::thread::park();
        }
        fn unpark(&self) {
            shuttle::thread::Thread::unpark(self);
        }
    }

    impl Join for shuttle::thread::JoinHandle<()> {
        fn join(self) {
            if let Err(panic) = shuttle::thread::JoinHandle::join(self) {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[cfg(feature = "shuttle")]
pub use random::Shuttle;
