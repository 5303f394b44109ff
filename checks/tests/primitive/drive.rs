//! The primitive, made to do what the model shows.
//!
//! Threads under shuttle, with a scheduler that has a history to bring about: it repeats
//! the choices that brought the execution so far, and then looks for choices after which
//! the next events are those that are wanted. It gives up at the first event that is
//! another one, and begins again.

use super::observer::{Observer, as_shown};
use super::{Case, execute};
use glock_primitives::Shuttle;
use glock_primitives::event::{Actor, Event, Op, Sink};
use shuttle::scheduler::{Schedule as Encoded, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// A real execution up to some event: the threads chosen.
pub type Way = Arc<[usize]>;

/// What an attempt came to.
#[derive(Default)]
struct Attempt {
    /// What is to happen.
    wanted: Arc<[Event]>,
    /// What happened.
    log: Vec<Event>,
    /// Something else happened.
    off: bool,
    /// The choices made.
    made: Vec<usize>,
    /// How many had been made when each event was there.
    at: Vec<usize>,
    /// All that is wanted is there.
    done: bool,
    /// Executions that were begun.
    begun: usize,
    /// The execution is over, or being torn down: nothing counts any more.
    over: bool,
}

#[derive(Default)]
struct Watch(Mutex<Attempt>);

impl Watch {
    fn with<U>(&self, f: impl FnOnce(&mut Attempt) -> U) -> U {
        f(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Sink for Watch {
    fn event(&self, event: Event) {
        // What is logged outside a critical section happens some time after the one
        // before; threads of shuttle's change only where they synchronise.
        let outside = matches!(
            event.op,
            Op::Return { .. } | Op::Wake { .. } | Op::NoFault { .. }
        );
        if outside && !self.with(|a| a.over) {
            shuttle::thread::yield_now();
        }
        self.with(|a| {
            if a.over {
                return;
            }
            let wanted = a.wanted.get(a.log.len());
            a.off |= wanted.is_some_and(|w| *w != as_shown(event));
            a.log.push(event);
            a.at.push(a.made.len());
            a.done |= !a.off && a.log.len() >= a.wanted.len();
        });
    }
}

/// Steps without an event after which an attempt is given up.
const IDLE: usize = 300;

/// A source of choices (Steele, Lea and Flood's SplitMix).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

struct Guided {
    case: &'static Case,
    watch: Arc<Watch>,
    /// Choices that are repeated.
    way: Way,
    random: Random,
    attempts: usize,
    /// The thread that is favoured besides the one whose event is next, and for how long.
    favoured: (usize, usize),
}

impl Guided {
    /// Can this thread bring an event of this actor about?
    fn is_of(&self, thread: usize, actor: Actor) -> bool {
        let workers = usize::from(self.case.workers);
        let here = usize::from(self.case.demands.is_empty());
        let tasks = 1 + workers..1 + workers + self.case.tasks.len() - here;
        match actor {
            Actor::Outside => thread == 0 || thread >= tasks.end,
            Actor::Work => (1..tasks.start).contains(&thread),
            Actor::Task(0) if here == 1 => thread == 0,
            Actor::Task(t) => thread == tasks.start + usize::from(t) - here,
        }
    }
}

impl Scheduler for Guided {
    fn new_execution(&mut self) -> Option<Encoded> {
        self.favoured = (0, 0);
        self.watch.with(|a| {
            if a.done || a.begun == self.attempts {
                return None;
            }
            a.begun += 1;
            a.log.clear();
            a.made.clear();
            a.at.clear();
            (a.off, a.over) = (false, false);
            Some(Encoded::new(0))
        })
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        _: bool,
    ) -> Option<TaskId> {
        let (step, idle, stop, actor, begun) = self.watch.with(|a| {
            let last = a.at.last().copied().unwrap_or(0).max(self.way.len());
            let idle = a.made.len().saturating_sub(last);
            let actor = a.wanted.get(a.log.len()).map(|e| e.actor);
            (a.made.len(), idle, a.off || a.done, actor, a.begun)
        });
        let can = |t: usize| runnable.iter().any(|r| r.id() == t.into());
        let any = |random: &mut Random| {
            let at = random.below(runnable.len());
            usize::from(runnable[at].id())
        };
        let next = if stop || idle > IDLE {
            None
        } else if let Some(&thread) = self.way.get(step) {
            can(thread).then_some(thread)
        } else {
            // The actor goes on as far as it can, unless somebody else is to go first for
            // a while: whoever's turn it is, or by chance.
            let threads: Vec<usize> = runnable.iter().map(|r| r.id().into()).collect();
            let is_of = |t: &&usize| actor.is_some_and(|actor| self.is_of(**t, actor));
            let wanted: Vec<usize> = threads.iter().filter(is_of).copied().collect();
            if begun > 1 && self.favoured.1 == 0 && self.random.below(4) == 0 {
                let bursts = [1, 2, 4, 8, 16, 32];
                let length = bursts[self.random.below(bursts.len())];
                self.favoured = (any(&mut self.random), length);
            }
            let favoured = self.favoured;
            self.favoured.1 = favoured.1.saturating_sub(1);
            let workers = 1..1 + usize::from(self.case.workers);
            if favoured.1 > 0 && can(favoured.0) {
                Some(favoured.0)
            } else if !wanted.is_empty() {
                Some(wanted[self.random.below(wanted.len())])
            } else if let Some(thread) = current.map(usize::from).filter(|t| can(*t))
                && self.random.below(2) == 0
            {
                Some(thread)
            } else if let Some(thread) = workers.clone().find(|t| can(*t))
                && begun % 2 == 1
            {
                Some(thread)
            } else {
                Some(any(&mut self.random))
            }
        };
        self.watch.with(|a| match next {
            Some(thread) => a.made.push(thread),
            None => a.over = true,
        });
        next.map(TaskId::from)
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("no case asks for random numbers")
    }
}

/// A real execution that begins with the wanted events: all it logged up to there, and
/// the choices after which each event was there.
pub struct Driven {
    pub log: Vec<Event>,
    pub made: Vec<usize>,
    pub at: Vec<usize>,
}

/// Looks for an execution that begins along this way and shows these events, within so
/// many attempts.
pub fn drive(
    case: &'static Case,
    way: &Way,
    wanted: &[Event],
    attempts: usize,
    seed: u64,
) -> Option<Driven> {
    let watch = Arc::new(Watch::default());
    watch.with(|a| a.wanted = wanted.into());
    for run in 0.. {
        let guided = Guided {
            case,
            watch: watch.clone(),
            way: way.clone(),
            random: Random(seed + run),
            attempts,
            favoured: (0, 0),
        };
        let mut config = Config::new();
        config.failure_persistence = FailurePersistence::None;
        config.max_steps = MaxSteps::FailAfter(super::shuttle_runs::STEPS);
        config.silence_warnings = true;
        let runner = Runner::new(guided, config);
        let sink = watch.clone();
        super::shuttle_runs::expect_panics(true);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            runner.run(move || execute::<Shuttle>(case, None, sink.clone(), Arc::new(|_, _| ())))
        }));
        super::shuttle_runs::expect_panics(false);
        // A deadlock that is the case's own ends the run, not the search.
        if ran.is_ok() || watch.with(|a| a.done || a.begun == attempts) {
            break;
        }
    }
    watch.with(|a| {
        a.done.then(|| Driven {
            log: std::mem::take(&mut a.log),
            made: std::mem::take(&mut a.made),
            at: std::mem::take(&mut a.at),
        })
    })
}

/// A real execution that begins with a history.
#[derive(Clone)]
struct Place {
    log: Vec<Event>,
    made: Way,
    at: Vec<usize>,
}

/// Looks for an execution that has the history of a place and then this event: along the
/// same way up to so many events before.
fn drive_from(
    case: &'static Case,
    place: &Place,
    event: Event,
    backs: &[usize],
    effort: usize,
    seed: u64,
) -> Option<Driven> {
    let all = place.log.len();
    let mut wanted: Vec<Event> = place.log.iter().map(|e| as_shown(*e)).collect();
    wanted.push(event);
    let mut keeps: Vec<usize> = backs.iter().map(|b| all.saturating_sub(*b)).collect();
    keeps.dedup();
    (0..).zip(keeps).find_map(|(i, keep)| {
        let end = if keep == 0 { 0 } else { place.at[keep - 1] };
        let way: Way = place.made[..end].into();
        drive(case, &way, &wanted, effort, seed + (i << 16))
    })
}

/// Ways that are kept to each set.
const WAYS: usize = 4;

/// Which edges of a case's automaton real executions took.
pub struct Cover<'a> {
    case: &'static Case,
    pub observer: Observer<'a>,
    /// By set.
    places: BTreeMap<u32, Vec<Place>>,
    /// Sets whose edges are still to be tried.
    queue: VecDeque<u32>,
    covered: HashMap<u32, Vec<Event>>,
    seed: u64,
}

impl<'a> Cover<'a> {
    pub fn new(case: &'static Case, cluster: &'a glock_model::cluster::Cluster) -> Self {
        let nothing = Place {
            log: Vec::new(),
            made: Arc::new([]),
            at: Vec::new(),
        };
        Cover {
            case,
            observer: Observer::new(case, cluster),
            places: BTreeMap::from([(0, vec![nothing])]),
            queue: VecDeque::from([0]),
            covered: HashMap::new(),
            seed: 1,
        }
    }

    /// How many edges real executions took.
    pub fn count(&self) -> usize {
        self.covered.values().map(Vec::len).sum()
    }

    /// Did a real execution take this edge?
    pub fn is_covered(&self, set: u32, event: &Event) -> bool {
        self.covered.get(&set).is_some_and(|c| c.contains(event))
    }

    /// A history that a real execution had on its way to a set.
    pub fn history(&self, set: u32) -> Option<&[Event]> {
        let places = self.places.get(&set)?;
        places.first().map(|p| &p.log[..])
    }

    /// A walk through the model that the primitive follows: from set to set along edges
    /// chosen by chance, each driven before the next is chosen, up to the model's end or to
    /// where only a demand is left that the primitive has spent. How
    /// many edges it has, and how many others were chosen before and not found.
    ///
    /// # Panics
    /// If it gets stuck: no edge out of a set is found.
    pub fn walk(&mut self, seed: u64, effort: usize) -> (usize, usize) {
        let mut random = Random(seed);
        let (mut set, mut missed) = (0, 0);
        let mut here = Place {
            log: Vec::new(),
            made: Arc::new([]),
            at: Vec::new(),
        };
        loop {
            let mut edges = self.observer.edges(set).to_vec();
            if edges.is_empty() {
                return (here.log.len(), missed);
            }
            for at in 0..edges.len() {
                let other = at + random.below(edges.len() - at);
                edges.swap(at, other);
            }
            // From where it stands; and if nothing is found from there, with other ways to
            // get there.
            let near = edges.iter().map(|e| (e.0, &[0][..], effort));
            let far = edges
                .iter()
                .map(|e| (e.0, &[1, 3, 8, usize::MAX][..], 4 * effort));
            let found = near.chain(far).find_map(|(event, backs, effort)| {
                let driven = drive_from(self.case, &here, event, backs, effort, random.next());
                missed += usize::from(driven.is_none());
                driven
            });
            let Some(driven) = found else {
                // A demand for what the node did not have was made, and is spent without
                // an event; the model's waits until it has it.
                if edges.iter().all(|e| e.0.actor == Actor::Outside) {
                    return (here.log.len(), missed);
                }
                let told: String = here.log.iter().map(|e| format!("  {e}\n")).collect();
                panic!("{}: stuck after\n{told}", self.case.name)
            };
            self.note_driven(&driven);
            set = self.observer.follow(&driven.log).expect("just noted");
            let end = *driven.at.last().expect("not empty");
            here = Place {
                log: driven.log,
                made: driven.made[..end].into(),
                at: driven.at,
            };
        }
    }

    /// The edges of the automaton, all of them, each with the number of its set; none if
    /// it has more than so many sets.
    pub fn edges(&mut self, most: usize) -> Option<Vec<(u32, Event)>> {
        let mut all = Vec::new();
        let mut set = 0;
        while (set as usize) < self.observer.size().0 {
            all.extend(self.observer.edges(set).iter().map(|e| (set, e.0)));
            set += 1;
            if self.observer.size().0 > most {
                return None;
            }
        }
        Some(all)
    }

    /// Counts a log of a real execution. The first event that does not fit, if one does not.
    pub fn note(&mut self, log: &[Event]) -> Result<(), usize> {
        let mut set = 0;
        for (i, &event) in log.iter().enumerate() {
            let next = self.observer.after(set, event).ok_or(i)?;
            let shown = as_shown(event);
            let covered = self.covered.entry(set).or_default();
            if !covered.contains(&shown) {
                covered.push(shown);
            }
            set = next;
        }
        Ok(())
    }

    fn note_driven(&mut self, driven: &Driven) {
        let Driven { log, made, at } = driven;
        let mut set = 0;
        for (i, &event) in log.iter().enumerate() {
            set = self.observer.after(set, event).unwrap_or_else(|| {
                let told: String = log[..=i].iter().map(|e| format!("  {e}\n")).collect();
                panic!("{}: no history of the model:\n{told}", self.case.name)
            });
            if !self.places.contains_key(&set) {
                self.queue.push_back(set);
            }
            let places = self.places.entry(set).or_default();
            let new = places.iter().all(|p| p.log != log[..=i]);
            if places.len() < WAYS && new {
                places.push(Place {
                    log: log[..=i].to_vec(),
                    made: made[..at[i]].into(),
                    at: at[..=i].to_vec(),
                });
            }
        }
        self.note(log).expect("just followed");
    }

    /// Looks for a real execution that takes an edge: along the ways that are known to its
    /// set, from some events before.
    fn attempt(&mut self, set: u32, event: Event, effort: usize) -> bool {
        for place in self.places.get(&set).cloned().unwrap_or_default() {
            self.seed += 1;
            let backs = [0, 1, 2, 4, usize::MAX];
            let seed = self.seed << 20;
            if let Some(driven) = drive_from(self.case, &place, event, &backs, effort, seed) {
                self.note_driven(&driven);
                return true;
            }
        }
        false
    }

    /// Tries all edges out of all sets that real executions reach, with more and more
    /// effort.
    pub fn all_edges(&mut self, efforts: &[usize]) {
        for &effort in efforts {
            self.queue = self.places.keys().copied().collect();
            while let Some(set) = self.queue.pop_front() {
                for (event, _) in self.observer.edges(set).iter() {
                    if !self.is_covered(set, event) {
                        self.attempt(set, *event, effort);
                    }
                }
            }
        }
    }
}
