//! Faults of the model that can be switched on, one at a time, to see who notices.
//!
//! Each is a small slip against one rule of the semantics, of the kind one makes while writing such
//! a model. A collection of known answers that all come out right with a fault switched on says
//! nothing about that rule. Only with the feature `mutants`; without it no fault can be switched on
//! and nothing of this is left in the program.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $rule:literal $name:ident,)+) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            /// All of them, by the rules they break.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name),+];

            /// The rule of the semantics it breaks.
            pub const fn rule(self) -> &'static str {
                match self { $(Mutant::$name => $rule),+ }
            }

            /// What is wrong with it on, in one line.
            pub fn about(self) -> &'static str {
                match self { $(Mutant::$name => concat!($($doc),+).trim()),+ }
            }
        }
    };
}

mutants! {
    /// A holder of EX shares the glock with another of EX.
    "G4" SharedExclusive,
    /// Nodes may own SH and DF of one file at a time.
    "G2" SharedBesideDeferred,
    /// A second request of the same task passes for granted.
    "Q4" NoRecursionTrap,
    /// A TRY request is queued whatever the others do.
    "Q6" TryQueues,
    /// A demotion does not wait for local holders.
    "Q7" DemotedUnderHolders,
    /// Waiters are granted although an earlier one is not.
    "Q8" GrantedPastWaiter,
    /// A conversion to DF does not throw the cached pages away.
    "Q10" CachedUnderDeferred,
    /// A waiting TRY request is not failed when the queue gets stuck before it.
    "Q13" StuckTry,
    /// A conversion overtakes those that wait.
    "D2" Overtaken,
    /// Owners in the way are not told when a request is queued.
    "D3" SilentQueue,
    /// An owner who was told once is not told again after the next grant.
    "D4" ToldOnce,
    /// A node asked to make room for EX keeps SH.
    "D5" DemotedTooLittle,
    /// Two conversions that wait for each other go on waiting.
    "D6" ConversionDeadlock,
    /// A refused request tells the owners in the way, TRY or not.
    "D3" TryTells,
    /// A request that must not be queued is queued.
    "Q11" QueuedTry,
    /// Of two different demands the first stands.
    "R1" SecondDemandLost,
    /// A glock just won is given up at once.
    "R2" NoHoldTime,
    /// Where the hold time counts from the change of mode it may be over at once.
    "R2" HoldTimeTooShort,
    /// After a release nobody looks at the queue.
    "R3" LostWakeup,
    /// A demotion does not wait for direct I/O in flight.
    "R5" DioNotSynced,
    /// Whoever is granted SH or EX does not wait for direct I/O in flight.
    "Q8" DioNotAwaited,
    /// Dirty pages are not written back before a demotion.
    "R5" DirtyUnderShared,
    /// Invalidation does not wait for locked pages.
    "R6" InvalidatedUnderLock,
    /// A page made writable is not marked dirty.
    "R9" CleanMkwrite,
    /// Direct I/O finds dirty pages in the cache and does not write them back.
    "I1" NotFlushed,
    /// A node that has lost the glock and got it back goes on with the size the file had.
    "I2" SizeNotRefreshed,
    /// Data that an append writes over data of somebody else is not missed.
    "P7" OverwriteUnnoticed,
    /// A buffered write goes on under a mapping it was given for a glock since dropped.
    "I4" MappingKept,
    /// A direct transfer that resumes returns what it moved itself, without what was done before.
    "I13" DoneForgotten,
    /// Fault-in says that all is there.
    "I20" FaultInBoasts,
    /// get_user_pages faults although it was told not to.
    "I21" NofaultIgnored,
    /// An error after progress in a direct transfer takes the iterator back.
    "X1" IteratorRewound,
    /// A copy faults although page faults are disabled.
    "M5" FaultsNotDisabled,
    /// A failed access in another system call passes for served.
    "M4" ErrorSwallowed,
    /// A fault that another task serves is served at once.
    "M1" ServedAtOnce,
    /// mmap_lock: readers pass a writer that waits.
    "M8" ReadersPassWriter,
    /// A page thrown out of the cache stays mapped.
    "M9" StillMapped,
    /// A pinned page that left the cache passes for the file's page.
    "M10" OrphanUnnoticed,
}

#[cfg(feature = "mutants")]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    impl Mutant {
        /// Whether it is switched on in this thread.
        #[inline]
        pub(crate) fn is_on(self) -> bool {
            ON.get() == Some(self)
        }

        /// Runs something with the fault switched on in this thread. Other threads, those of a
        /// parallel search included, do not notice.
        pub fn within<R>(self, run: impl FnOnce() -> R) -> R {
            struct Off;
            impl Drop for Off {
                fn drop(&mut self) {
                    ON.set(None);
                }
            }
            assert_eq!(ON.replace(Some(self)), None, "one at a time");
            let _off = Off;
            run()
        }
    }
}

#[cfg(not(feature = "mutants"))]
impl Mutant {
    #[inline(always)]
    pub(crate) const fn is_on(self) -> bool {
        false
    }
}
