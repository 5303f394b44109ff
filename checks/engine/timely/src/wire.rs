//! The dataflow: one operator in a loop.
//!
//! What a worker sends in a *step* arrives in the next one: the loop's feedback adds 1 to the
//! timestamp. A step is over when no worker can send in it any more and all that was sent has
//! arrived, which is what timely's progress tracking finds out; there is no other barrier.
//!
//! What states are sent is confirmed when they were read, and a worker that has too much under way to
//! another one waits: what a slow worker has not read yet is bounded.
//!
//! The operator itself only ferries letters between the loop and two queues. The work is done
//! outside of it, by the worker's own loop, so that what works may borrow.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use glock_engine::Parcel;
use timely::Accountable;
use timely::communication::Push;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::dataflow::operators::generic::OperatorInfo;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::progress::Stamp;
use timely::scheduling::activate::Activator;
use timely::worker::Worker;

use crate::alarm::Alarm;

/// The longest sleep of a worker that waits for others.
const NAP: Duration = Duration::from_millis(50);

/// What a letter is about; the receiver knows from the step what to expect besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An empty letter, which is never sent.
    #[default]
    Nothing,
    /// States that the receiver owns.
    States,
    /// What a worker has to say at the end of a step; all workers hear it.
    Note,
    /// That a worker wishes the others to stop at once; a [`Note`](Self::Note) follows.
    Hurry,
    /// How many bytes of [`States`](Self::States) were read since the last of these.
    Taken,
}

/// What goes from worker to worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letter<P> {
    pub(crate) kind: Kind,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) states: P,
    /// Numbers that go with the states, or mean something by themselves.
    pub(crate) numbers: Vec<u32>,
    pub(crate) note: Vec<u8>,
}

impl<P> Accountable for Letter<P> {
    fn record_count(&self) -> i64 {
        i64::from(self.kind != Kind::Nothing)
    }
}

impl<P: Parcel> ContainerBytes for Letter<P> {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        let mut words = bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes are a word")));
        let mut next = || words.next().expect("a letter is as long as it says");
        let (kind, from, to) = (next(), next() as usize, next() as usize);
        let (states, numbers, note) = (next() as usize, next() as usize, next() as usize);
        let states = P::from_words((0..states).map(|_| next()).collect());
        let at = 8 * Self::HEAD + 8 * states_len(&states);
        let note_at = at + 4 * numbers;
        Self {
            kind: match kind {
                1 => Kind::States,
                2 => Kind::Note,
                3 => Kind::Hurry,
                4 => Kind::Taken,
                _ => Kind::Nothing,
            },
            from,
            to,
            states,
            numbers: bytes[at..note_at]
                .chunks_exact(4)
                .map(|four| u32::from_ne_bytes(four.try_into().expect("four bytes")))
                .collect(),
            note: bytes[note_at..note_at + note].to_vec(),
        }
    }

    fn length_in_bytes(&self) -> usize {
        (8 * Self::HEAD + 8 * states_len(&self.states) + 4 * self.numbers.len() + self.note.len())
            .next_multiple_of(8)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        let mut write = |bytes: &[u8]| {
            let written = writer.write_all(bytes);
            written.expect("timely gives room for what a letter says it needs");
        };
        let head = [
            self.kind as u64,
            self.from as u64,
            self.to as u64,
            states_len(&self.states) as u64,
            self.numbers.len() as u64,
            self.note.len() as u64,
        ];
        head.iter().for_each(|word| write(&word.to_ne_bytes()));
        let words = self.states.words();
        write(bytemuck::cast_slice(words));
        write(bytemuck::cast_slice(&self.numbers));
        write(&self.note);
        let length = 4 * self.numbers.len() + self.note.len();
        write(&[0; 8][..length.next_multiple_of(8) - length]);
    }
}

impl<P> Letter<P> {
    /// Words before the states.
    const HEAD: usize = 6;
}

impl<P: Parcel> Letter<P> {
    /// Bytes of what it is sent for.
    fn weight(&self) -> usize {
        self.states.bytes() + 4 * self.numbers.len() + self.note.len()
    }
}

fn states_len<P: Parcel>(states: &P) -> usize {
    states.words().len()
}

/// Puts each letter where it says.
struct Forward;

impl<P: 'static> Distributor<Letter<P>> for Forward
where
    Letter<P>: Default,
{
    fn partition<T: Clone, Q: Push<Message<T, Letter<P>>>>(
        &mut self,
        letter: &mut Letter<P>,
        stamp: &Stamp<T>,
        pushers: &mut [Q],
    ) {
        let to = letter.to;
        Message::push_at(letter, stamp.clone(), &mut pushers[to]);
        // What is left is the pusher's old letter, if any.
        *letter = Letter::default();
    }

    fn flush<T: Clone, Q: Push<Message<T, Letter<P>>>>(&mut self, _: &Stamp<T>, _: &mut [Q]) {}
}

/// What the operator and the worker's loop share.
struct Queues<P> {
    /// The permission to send in the current step.
    capability: Option<Capability<u64>>,
    /// The step that the permission is to be for.
    step: u64,
    outbox: Vec<Letter<P>>,
    /// Letters, each with the step in which it is to be read.
    inbox: VecDeque<(u64, Letter<P>)>,
    /// The first step for which letters can still arrive; `None` if none can.
    first_open: Option<u64>,
}

/// A worker's end of the dataflow.
pub(crate) struct Wire<'l, P> {
    worker: Worker,
    activator: Activator,
    queues: Rc<RefCell<Queues<P>>>,
    step: u64,
    /// The notes of the others at the end of this step, by worker, as they arrive.
    notes: Vec<(P, Vec<u8>)>,
    /// Bytes that may be under way to another worker.
    window: usize,
    /// For each worker the bytes sent to it of which it has not said that it read them.
    under_way: Vec<usize>,
    /// The most bytes that were under way to all together.
    pub(crate) most_under_way: usize,
    /// For each worker the bytes read of which it was not told.
    taken: Vec<usize>,
    alarm: &'l Alarm,
}

/// The most bytes under way from a worker to one other, unless somebody wishes otherwise.
const WINDOW: usize = 1 << 20;

/// The most bytes under way from a worker to all others, as long as there are not thousands of them.
const WINDOWS: usize = 1 << 25;

/// Bytes that may be under way from one of so many workers to another one.
pub(crate) fn window(workers: usize) -> usize {
    (WINDOWS / workers).clamp(2 * crate::driver::LETTER, WINDOW)
}

/// Another process is gone, or wished to end everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken;

impl<'l, P: Parcel> Wire<'l, P> {
    /// Builds the dataflow. All workers must.
    pub(crate) fn new(mut worker: Worker, window: usize, alarm: &'l Alarm) -> Self {
        let queues = Rc::new(RefCell::new(Queues {
            capability: None,
            step: 0,
            outbox: Vec::new(),
            inbox: VecDeque::new(),
            first_open: Some(0),
        }));
        let shared = Rc::clone(&queues);
        let info = worker.dataflow::<u64, _, _>(move |scope| {
            let (handle, stream) = scope.feedback(1);
            let mut builder = OperatorBuilder::new("Ferry".to_owned(), scope);
            let info: OperatorInfo = builder.operator_info();
            let mut input = builder.new_input(stream, DistributorPact(|_| Forward));
            let (mut output, out) = builder.new_output();
            builder.build(move |mut capabilities| {
                shared.borrow_mut().capability = capabilities.pop();
                move |frontiers| {
                    let mut queues = shared.borrow_mut();
                    let queues = &mut *queues;
                    input.for_each(|capability, letter| {
                        let step = *capability.least().expect("every letter has its step");
                        queues.inbox.push_back((step, std::mem::take(letter)));
                    });
                    if let Some(capability) = &mut queues.capability {
                        if !queues.outbox.is_empty() {
                            let mut session = output.activate();
                            for mut letter in queues.outbox.drain(..) {
                                session.give(capability, &mut letter);
                            }
                        }
                        if *capability.time() < queues.step {
                            capability.downgrade(&queues.step);
                        }
                    }
                    queues.first_open = frontiers[0].frontier().first().copied();
                }
            });
            out.connect_loop(handle);
            info
        });
        let activator = worker.activator_for(info.address);
        let workers = worker.peers();
        Self {
            worker,
            activator,
            queues,
            step: 0,
            notes: (0..workers).map(|_| Default::default()).collect(),
            window,
            under_way: vec![0; workers],
            most_under_way: 0,
            taken: vec![0; workers],
            alarm,
        }
    }

    pub(crate) fn worker(&self) -> usize {
        self.worker.index()
    }

    pub(crate) fn workers(&self) -> usize {
        self.worker.peers()
    }

    /// Sends a letter in this step.
    pub(crate) fn send(&self, letter: Letter<P>) {
        debug_assert_ne!(letter.kind, Kind::Nothing);
        self.queues.borrow_mut().outbox.push(letter);
    }

    /// Sends states to their owner in this step, or what else comes in numbers.
    pub(crate) fn send_states(&mut self, to: usize, states: P, numbers: Vec<u32>, note: Vec<u8>) {
        let letter = Letter {
            kind: Kind::States,
            from: self.worker(),
            to,
            states,
            numbers,
            note,
        };
        self.under_way[to] += letter.weight();
        let all = self.under_way.iter().sum();
        self.most_under_way = self.most_under_way.max(all);
        self.send(letter);
    }

    /// Tells all workers, this one among them.
    pub(crate) fn tell(&self, kind: Kind, states: &P, note: &[u8]) {
        for to in 0..self.workers() {
            self.send(Letter {
                kind,
                from: self.worker(),
                to,
                states: states.clone(),
                numbers: Vec::new(),
                note: note.to_vec(),
            });
        }
    }

    /// Sends what is to be sent, and hands letters that have arrived to `read`; goes on with that as
    /// long as more is under way to some worker than may be. That worker reads whatever it does, and so
    /// nobody waits for ever.
    pub(crate) fn pump(&mut self, read: &mut impl FnMut(Letter<P>)) -> Result<(), Broken> {
        self.check()?;
        self.activator.activate();
        self.worker.step();
        self.read(self.step + 1, read);
        while self.under_way.iter().any(|&bytes| bytes > self.window) {
            self.check()?;
            self.worker.step_or_park(Some(NAP));
            self.read(self.step + 1, read);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Broken> {
        match self.alarm.is_raised() {
            true => Err(Broken),
            false => Ok(()),
        }
    }

    fn read(&mut self, step: u64, read: &mut impl FnMut(Letter<P>)) {
        // A worker that is ahead may have sent letters for the step after.
        let mut later = VecDeque::new();
        loop {
            let next = self.queues.borrow_mut().inbox.pop_front();
            match next {
                None => break,
                Some((_, letter)) if letter.kind == Kind::Taken => {
                    self.under_way[letter.from] -= letter.numbers[0] as usize;
                }
                Some((at, letter)) if at == step => match letter.kind {
                    Kind::Note => self.notes[letter.from] = (letter.states, letter.note),
                    Kind::States => {
                        let (from, bytes) = (letter.from, letter.weight());
                        read(letter);
                        self.confirm(from, bytes);
                    }
                    _ => read(letter),
                },
                Some(other) => later.push_back(other),
            }
        }
        if !later.is_empty() {
            self.queues.borrow_mut().inbox = later;
        }
    }

    /// Tells a worker, if there is enough to tell, that what it sent was read.
    fn confirm(&mut self, to: usize, bytes: usize) {
        let taken = &mut self.taken[to];
        *taken += bytes;
        // If it waits, more than that is under way, so that it will be told.
        if *taken > (self.window / 4).min(1 << 30) {
            let letter = Letter {
                kind: Kind::Taken,
                from: self.worker.index(),
                to,
                states: P::default(),
                numbers: vec![std::mem::take(taken) as u32],
                note: Vec::new(),
            };
            self.send(letter);
            self.activator.activate();
        }
    }

    /// Ends this step, and waits until all workers have: every letter was then read.
    pub(crate) fn turn(&mut self, read: &mut impl FnMut(Letter<P>)) -> Result<(), Broken> {
        self.step += 1;
        self.queues.borrow_mut().step = self.step;
        self.activator.activate();
        loop {
            self.check()?;
            self.worker.step_or_park(Some(NAP));
            self.read(self.step, read);
            let open = self.queues.borrow().first_open;
            if open.is_none_or(|open| open > self.step) {
                return Ok(());
            }
        }
    }

    /// Ends this step with a note and a parcel to all workers, and gives theirs, by worker.
    pub(crate) fn gather(
        &mut self,
        states: &P,
        note: &[u8],
        read: &mut impl FnMut(Letter<P>),
    ) -> Result<Vec<(P, Vec<u8>)>, Broken> {
        self.tell(Kind::Note, states, note);
        self.turn(read)?;
        Ok(self.notes.iter_mut().map(std::mem::take).collect())
    }

    /// Ends the dataflow, when all workers are going to.
    pub(crate) fn close(mut self) -> Result<(), Broken> {
        self.queues.borrow_mut().capability = None;
        self.activator.activate();
        while self.worker.has_dataflows() {
            if let Err(broken) = self.check() {
                self.abandon();
                return Err(broken);
            }
            self.worker.step_or_park(Some(NAP));
        }
        Ok(())
    }

    /// Leaves everything as it is. What timely would like to do to end in order may wait for a process
    /// that is gone.
    pub(crate) fn abandon(self) {
        std::mem::forget(self);
    }
}
