//! One-line changes for the worse, to see what breaks.
//!
//! Every ordering, wake, rescan and check that something depends on has a twin without
//! it. A part whose twin passes every test does no work and can go; that no twin does
//! is what the table of weakened parts shows. Never set outside tests.

macro_rules! weakened {
    ($($(#[doc = $doc:literal])+ $rule:literal $name:ident,)+) => {
        /// A part that is left out or made weaker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Weakened {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Weakened {
            /// All of them.
            pub const ALL: &'static [Weakened] = &[$(Weakened::$name),+];

            /// The rule of the semantics that asks for the part.
            pub const fn rule(self) -> &'static str {
                match self { $(Weakened::$name => $rule),+ }
            }

            /// What is different, in one line.
            pub fn about(self) -> &'static str {
                match self { $(Weakened::$name => concat!($($doc),+).trim()),+ }
            }
        }
    };
}

weakened! {
    /// The wake flag is set to "granted" with Relaxed, not Release.
    "9.6" GrantRelaxed,
    /// The sleeper reads its wake flag with Relaxed, not Acquire.
    "9.6" WaitRelaxed,
    /// A grant sets the wake flag and does not wake the sleeper.
    "Q8" GrantUnwoken,
    /// A failed TRY request sets the wake flag and does not wake the sleeper.
    "Q13" TryUnwoken,
    /// The sleeper takes being woken for being granted, and does not look again.
    "Q3" SleptOnce,
    /// A dequeue leaves the waiters without scheduling the worker.
    "Q17" DequeueSilent,
    /// A callback records the demand without scheduling the worker.
    "R1" CallbackSilent,
    /// The end of a hold time is recorded without scheduling the worker.
    "R3" ExpirySilent,
    /// The queue is not scanned again after the end of a change of mode.
    "Q2" NoRescan,
    /// A withdrawn request leaves those behind it without scheduling the worker.
    "Q17" WithdrawSilent,
    /// Work is queued without waking the worker.
    "R3" WorkerUnwoken,
    /// A glock's work counts as queued until it is done, not until it begins.
    "R3" PendingTooLong,
    /// GLF_LOCK is not set while a mode changes.
    "Q2" XmoteUnlocked,
    /// A demotion does not wait for the holders.
    "Q7" DemotedUnderHolders,
    /// A waiter behind one that must wait is granted.
    "Q8" GrantedPastWaiter,
    /// Waiting TRY requests are not failed when the queue gets stuck before them.
    "Q13c" StuckTry,
    /// TRY requests are not failed by the blocked head of the queue.
    "Q13d" TryBehindHead,
    /// Invalidation drops pages that are locked.
    "R6" InvalidatedUnderLock,
    /// Unlocking a page does not wake those who wait for it.
    "R6" PageUnlockSilent,
    /// Invalidation leaves the mappings of a page in place.
    "R6" StillMapped,
    /// A demotion does not write dirty pages back.
    "R5" NotWrittenBack,
    /// page_mkwrite does not look whether the page is still there.
    "R9b" MkwriteBlind,
    /// mmap_lock's last reader does not wake a writer.
    "M8" MmapReaderSilent,
    /// mmap_lock's writer wakes nobody as it leaves.
    "M8" MmapWriterSilent,
    /// Readers pass a writer that waits for mmap_lock.
    "M8" ReadersPassWriter,
    /// A callback is handled before the answer that came before it.
    "D7" OutOfOrder,
}
