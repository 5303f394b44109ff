//! The other direction: what the model shows, the primitive is made to do.
//!
//! One thread plays all tasks, the environment and the workers, and chooses who moves
//! next. For every sequence of events the model of a small case shows, it looks for an
//! order in which the primitive logs just that, outcomes included.

mod primitive;

use glock_primitives::event::{Event, Log};
use glock_primitives::{Config, LockSpace, Std, Task, Ticket};
use primitive::{Case, Script, Step, cases, fits, words};
use std::collections::HashSet;
use std::sync::Arc;

/// Somebody moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Move {
    /// A task: its next step, or a look at its wake flag.
    Task(usize),
    /// The demand from outside with this number, made once.
    Demand(usize),
    /// The end of a hold time.
    Expire,
    /// A worker, with this item of its queue.
    Work(usize),
}

/// The items of the work queue that are tried.
const ITEMS: usize = 3;

/// Makes these moves from the beginning; what is logged, or `None` if the last one
/// does nothing.
fn play(case: &Case, moves: &[Move]) -> Option<Vec<Event>> {
    let log = Arc::new(Log::default());
    let space = LockSpace::<Std>::new(Config {
        nodes: case.nodes,
        files: case.files,
        pages: case.pages,
        tasks: case.tasks.len() as u8,
        kernel: case.kernel,
        lock: case.lock,
        hold_time: case.hold_time,
        initial: case.initial,
        sink: Some(log.clone()),
        weakened: None,
    });
    let mut players: Vec<Player<'_>> = (0..case.tasks.len())
        .map(|id| Player {
            task: space.task(id as u8, case.tasks[id].node),
            next: 0,
            ticket: None,
            asleep: false,
        })
        .collect();
    let mut demanded = vec![false; case.demands.len()];
    let mut moved = true;
    for m in moves {
        moved = match *m {
            Move::Task(id) => players[id].moves(case, &space, id),
            Move::Demand(i) => {
                let (node, file, mode) = case.demands[i];
                !std::mem::replace(&mut demanded[i], true) && space.demand(node, file, mode)
            }
            Move::Expire => {
                (0..case.nodes).any(|n| (0..case.files).any(|f| space.hold_expires(n, f)))
            }
            Move::Work(nth) => space.work_one(nth),
        };
    }
    let events = log.events(); // before the tickets are dropped
    moved.then_some(events)
}

/// A task in the one thread.
struct Player<'a> {
    task: Task,
    next: usize,
    ticket: Option<Ticket<'a, Std>>,
    asleep: bool,
}

impl<'a> Player<'a> {
    /// False if it cannot move.
    fn moves(&mut self, case: &Case, space: &'a Arc<LockSpace<Std>>, id: usize) -> bool {
        let spec = &case.tasks[id];
        let Script::Steps(steps) = spec.script else {
            panic!("only steps are driven");
        };
        if self.asleep {
            match self.ticket.as_ref().and_then(Ticket::poll) {
                None => return false,
                Some(outcome) => self.wakes(outcome.is_ok(), steps.len()),
            }
            return true;
        }
        let Some(step) = steps.get(self.next) else {
            return false;
        };
        self.next += 1;
        match *step {
            Step::Nq(mode, flags) => {
                let ticket = space.enqueue(&self.task, spec.file, mode, flags).unwrap();
                // What was decided at once needs no wake-up.
                let decided = ticket.poll_at_once();
                self.ticket = Some(ticket);
                match decided {
                    Some(granted) => self.wakes(granted, steps.len()),
                    None => self.asleep = true,
                }
            }
            Step::Dq => drop(self.ticket.take()),
            Step::Allow => _ = self.ticket.as_ref().map(Ticket::allow_demote),
            Step::Disallow => _ = self.ticket.as_ref().map(Ticket::disallow_demote),
        }
        true
    }

    fn wakes(&mut self, granted: bool, end: usize) {
        self.asleep = false;
        if !granted {
            self.ticket = None;
            self.next = end;
        }
    }
}

/// Looks for moves after which the log is the word.
struct Search<'a> {
    case: &'a Case,
    word: &'a [Event],
    /// Moves still to be tried, before it is given up.
    left: usize,
}

impl Search<'_> {
    fn from(&mut self, moves: &mut Vec<Move>, logged: usize) -> bool {
        if logged >= self.word.len() {
            return true;
        }
        // Without an event the moves only shift work about: a few are enough.
        let tasks = (0..self.case.tasks.len()).map(Move::Task);
        let outside = (0..self.case.demands.len()).map(Move::Demand);
        let outside = outside.chain([Move::Expire]);
        let work = (0..ITEMS).map(Move::Work);
        for m in tasks.chain(outside).chain(work) {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            moves.push(m);
            let played = play(self.case, moves).filter(|log| self.begins(log));
            if let Some(log) = played
                && self.from(moves, log.len())
            {
                return true;
            }
            moves.pop();
        }
        false
    }

    fn begins(&self, log: &[Event]) -> bool {
        self.word.iter().zip(log).all(|(w, l)| fits(w, l))
    }
}

/// Words per case, at most.
const WORDS: usize = 600;
/// Moves that are tried for a word.
const MOVES: usize = 4000;

/// For how many of the words of a case the primitive has an order, and one for which it
/// has none.
fn driven(case: &'static Case) -> String {
    let (words, all) = words(case, WORDS);
    let mut missed: Vec<Vec<Event>> = Vec::new();
    let mut done: HashSet<usize> = HashSet::new();
    for (i, word) in words.iter().enumerate() {
        // What continues a word that is missed is missed with it.
        if missed.iter().any(|m| word.starts_with(m)) {
            continue;
        }
        let mut search = Search {
            case,
            word,
            left: MOVES,
        };
        match search.from(&mut Vec::new(), 0) {
            true => _ = done.insert(i),
            false => missed.push(word.clone()),
        }
    }
    let first = if all { "" } else { "the first " };
    let mut text = format!("{}\n", case.name);
    text += &format!("  {} of {first}{} histories\n", done.len(), words.len());
    if let Some(word) = missed.first() {
        text += "  a shortest that is missed:\n";
        word.iter().for_each(|e| text += &format!("    {e}\n"));
    }
    text
}

/// What is missed has one of three reasons, none of them a difference in what is granted:
///
/// * the driver is one thread, and plays a move to its end: nobody else moves while a
///   task or a worker is in go_sync, go_inval, or on a local mount in its own xmote
///   (loom and shuttle go there);
/// * the primitive's requests to the lock space are decided in the order in which they
///   are sent, the model's are under way for as long as they like (D7);
/// * the model's worker may look at a glock at any time, the primitive's only when it is
///   scheduled, and `gfs2_holder_allow_demote` does not schedule it (W1).
#[test]
fn the_primitive_does_what_the_model_shows() {
    let steps = |c: &&&'static Case| c.pages == 0;
    let table: String = cases::ALL.iter().filter(steps).map(|c| driven(c)).collect();
    println!("{table}");
    insta::assert_snapshot!(table);
}
