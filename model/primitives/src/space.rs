//! Several nodes in one process: glocks, the lock space between them, and workers.

use crate::cache::Cache;
use crate::dlm::{Message, Resource};
use crate::event::{Actor, Event, Op, Outcome, Sink};
use crate::glock::{
    FAILED, GRANTED, Glock, Holder, Nq, POISONED, Rules, Todo, WAITING, Waiter, Xmote, demote_for,
};
use crate::mode::{Flags, Kernel, LockManager, Mode};
use crate::runtime::{Flag, Join, Lock, Parker, Runtime};
use crate::weakened::Weakened;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most tasks a lock space may have: a set of tasks is a byte.
pub const MAX_TASKS: u8 = 8;

/// What a lock space is made of.
#[derive(Clone)]
pub struct Config {
    /// Nodes, at least 1.
    pub nodes: u8,
    /// Files (glocks per node), at least 1.
    pub files: u8,
    /// Pages per file; 0 if only the locks are of interest.
    pub pages: u8,
    /// Tasks, at most [`MAX_TASKS`].
    pub tasks: u8,
    /// Whose rules the glocks follow.
    pub kernel: Kernel,
    /// Who grants modes to nodes. [`LockManager::Nolock`] is for one node.
    pub lock: LockManager,
    /// Is a callback put off while the glock is in use, until
    /// [`LockSpace::hold_expires`] (R2)?
    pub hold_time: bool,
    /// The mode a node owns at the beginning: `initial(node, file)`.
    pub initial: fn(u8, u8) -> Mode,
    /// Receives what happens.
    pub sink: Option<Arc<dyn Sink>>,
    /// A part to leave out; for tests of the tests.
    pub weakened: Option<Weakened>,
}

impl Config {
    /// One local node.
    pub fn local(files: u8, tasks: u8) -> Config {
        Config {
            nodes: 1,
            files,
            pages: 0,
            tasks,
            kernel: Kernel::default(),
            lock: LockManager::Nolock,
            hold_time: false,
            initial: |_, _| Mode::Un,
            sink: None,
            weakened: None,
        }
    }

    /// Several nodes and the lock space between them.
    pub fn cluster(nodes: u8, files: u8, tasks: u8) -> Config {
        Config {
            nodes,
            lock: LockManager::Dlm,
            ..Config::local(files, tasks)
        }
    }
}

/// Use that is a bug of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The task has an entry in this glock's queue already. The kernel's BUG (Q4).
    Recursion,
    /// The ticket is another task's.
    NotOwner,
    /// The holder is gone: dequeued before, or taken away while it was weak.
    NotQueued,
    /// The request still waits.
    StillWaiting,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misuse::Recursion => "the task is in this glock's queue already",
            Misuse::NotOwner => "the ticket belongs to another task",
            Misuse::NotQueued => "the holder is not queued any more",
            Misuse::StillWaiting => "the request has not been granted",
        })
    }
}

impl std::error::Error for Misuse {}

/// Why a request was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// GLR_TRYFAILED.
    TryFailed,
    /// A holder of EX panicked; see [`LockSpace::clear_poison`].
    Poisoned,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::TryFailed => "the request would have had to wait",
            Refused::Poisoned => "a holder of EX panicked",
        })
    }
}

impl std::error::Error for Refused {}

/// A task: who asks for glocks. Made once per number by [`LockSpace::task`].
///
/// It may move between threads, a [`Ticket`] may not.
#[derive(Debug)]
pub struct Task {
    id: u8,
    node: u8,
}

impl Task {
    /// Its number, below [`Config::tasks`].
    pub fn id(&self) -> u8 {
        self.id
    }
    /// Its node.
    pub fn node(&self) -> u8 {
        self.node
    }
}

/// Something for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// `glock_work_func`.
    Work { node: u8, file: u8 },
    /// A message from the lock space.
    Deliver { node: u8, file: u8 },
}

/// The work queue.
struct WorkQueue<R: Runtime> {
    items: VecDeque<Item>,
    /// Workers with nothing to do.
    sleepers: Vec<Arc<R::Parker>>,
    stopped: bool,
}

/// A file, as all nodes see it.
struct File<R: Runtime> {
    resource: R::Mutex<Resource>,
    disk: Arc<R::Mutex<Vec<u64>>>,
}

/// A file on one node.
pub(crate) struct Inode<R: Runtime> {
    glock: R::Mutex<Glock<R>>,
    pub(crate) cache: Cache<R>,
}

impl<R: Runtime> Inode<R> {
    /// Is the task a holder that only it gives up?
    pub(crate) fn holds(&self, task: u8) -> bool {
        let own = |h: &Holder<R>| h.task == task && h.granted && !h.weak;
        self.glock.with(|gl| gl.queue.iter().any(own))
    }
}

/// Nodes, their glocks and page caches, and the lock space between them.
///
/// Demotions and the lock space's answers are a worker's business: without one
/// ([`LockSpace::start_worker`]) whoever waits for either waits for ever.
///
/// ```
/// use glock_primitives::{Config, Flags, LockSpace, Mode, Std};
///
/// let space = LockSpace::<Std>::new(Config::cluster(2, 1, 2));
/// let worker = space.start_worker();
/// let (here, there) = (space.task(0, 0), space.task(1, 1));
///
/// let ticket = space.enqueue(&here, 0, Mode::Ex, Flags::NONE).unwrap();
/// ticket.wait().unwrap();
/// // The other node's TRY is refused; it does not even ask this one to hurry.
/// let other = space.enqueue(&there, 0, Mode::Sh, Flags::TRY).unwrap();
/// assert!(other.wait().is_err());
/// ticket.dequeue(&here).unwrap();
///
/// // An ordinary request makes this node give up the mode it still caches.
/// let other = space.enqueue(&there, 0, Mode::Sh, Flags::NONE).unwrap();
/// other.wait().unwrap();
/// other.dequeue(&there).unwrap();
/// worker.stop();
/// ```
pub struct LockSpace<R: Runtime> {
    pub(crate) rules: Rules,
    sink: Option<Arc<dyn Sink>>,
    config: Config,
    files: Vec<File<R>>,
    /// By node, then file.
    inodes: Vec<Inode<R>>,
    queue: R::Mutex<WorkQueue<R>>,
}

/// A worker's thread.
pub struct Worker<R: Runtime> {
    space: Arc<LockSpace<R>>,
    thread: R::Thread,
}

impl<R: Runtime> Worker<R> {
    /// Lets it, and all other workers of the lock space, finish what is queued, and
    /// waits for its end.
    pub fn stop(self) {
        self.space.stop_workers();
        self.thread.join();
    }
}

impl<R: Runtime> LockSpace<R> {
    /// A lock space at rest.
    ///
    /// # Panics
    /// If there is no node or file, more than [`MAX_TASKS`] tasks, several nodes
    /// without a lock space, or two nodes own incompatible modes.
    pub fn new(config: Config) -> Arc<Self> {
        assert!(config.nodes > 0 && config.files > 0, "nothing to lock");
        assert!(config.tasks <= MAX_TASKS, "at most {MAX_TASKS} tasks");
        assert!(
            config.nodes == 1 || config.lock == LockManager::Dlm,
            "several nodes need a lock space"
        );
        let owned = |file| (0..config.nodes).map(move |n| (config.initial)(n, file));
        let file = |file| {
            let owned: Vec<Mode> = owned(file).collect();
            for (i, a) in owned.iter().enumerate() {
                let fits = owned[..i].iter().all(|b| a.compatible(*b));
                assert!(fits, "two nodes own incompatible modes of file {file}");
            }
            File {
                resource: R::Mutex::new(Resource::new(&owned)),
                disk: Arc::new(R::Mutex::new(vec![0; config.pages as usize])),
            }
        };
        let files: Vec<File<R>> = (0..config.files).map(file).collect();
        let inodes = (0..config.nodes).flat_map(|n| {
            let files = &files;
            (0..config.files).map(move |f| Inode {
                glock: R::Mutex::new(Glock::new((config.initial)(n, f))),
                cache: Cache::new(config.pages, files[f as usize].disk.clone()),
            })
        });
        Arc::new(LockSpace {
            rules: Rules {
                kernel: config.kernel,
                lock: config.lock,
                hold_time: config.hold_time,
                weakened: config.weakened,
            },
            sink: config.sink.clone(),
            inodes: inodes.collect(),
            files,
            queue: R::Mutex::new(WorkQueue {
                items: VecDeque::new(),
                sleepers: Vec::new(),
                stopped: false,
            }),
            config,
        })
    }

    /// What it is made of.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The task with this number, on this node. Each number is for one task.
    ///
    /// # Panics
    /// If the number or the node is out of range.
    pub fn task(&self, id: u8, node: u8) -> Task {
        assert!(id < self.config.tasks, "there is no task {id}");
        assert!(node < self.config.nodes, "there is no node {node}");
        Task { id, node }
    }

    /// The mode a node owns of a file now (`gl_state`).
    pub fn state(&self, node: u8, file: u8) -> Mode {
        self.inode(node, file).glock.with(|gl| gl.state)
    }

    /// How many entries the queue of a node's glock has, and how many are granted.
    pub fn queued(&self, node: u8, file: u8) -> (usize, usize) {
        self.inode(node, file).glock.with(|gl| {
            let granted = gl.queue.iter().filter(|h| h.granted).count();
            (gl.queue.len(), granted)
        })
    }

    #[inline]
    pub(crate) fn inode(&self, node: u8, file: u8) -> &Inode<R> {
        &self.inodes[node as usize * self.config.files as usize + file as usize]
    }

    #[inline]
    pub(crate) fn log(&self, actor: Actor, node: u8, file: u8, op: Op) {
        if let Some(sink) = &self.sink {
            sink.event(Event {
                actor,
                node,
                file,
                op,
            });
        }
    }

    // ---- what a task does -------------------------------------------------

    /// `gfs2_glock_nq` up to its sleep (Q3): queues a request of the task for the
    /// file on its node, and carries on the change of mode it may have started.
    ///
    /// # Errors
    /// [`Misuse::Recursion`] if the task has an entry in the queue already, except a
    /// holder that may be taken away. Nothing was changed then.
    ///
    /// # Panics
    /// If the mode is [`Mode::Un`], or there is no such file.
    #[inline]
    pub fn enqueue(
        self: &Arc<Self>,
        task: &Task,
        file: u8,
        mode: Mode,
        flags: Flags,
    ) -> Result<Ticket<'_, R>, Misuse> {
        assert!(mode != Mode::Un, "nobody asks for UN");
        assert!(file < self.config.files, "there is no file {file}");
        let mut todo = Todo::new();
        let inode = self.inode(task.node, file);
        let (nq, serial, waiter, poisoned) = inode.glock.with(|gl| {
            let (nq, serial, waiter) = gl.nq(&self.rules, task.id, mode, flags, &mut todo);
            if self.sink.is_some() {
                let woken = std::mem::take(&mut todo.woken);
                let op = Op::Enqueue {
                    mode,
                    flags,
                    outcome: match nq {
                        Nq::Granted => Outcome::Granted,
                        Nq::Failed => Outcome::Failed,
                        Nq::Waiting => Outcome::Waiting,
                        Nq::Recursion => Outcome::Recursion,
                    },
                    woken,
                };
                self.log(Actor::Task(task.id), task.node, file, op);
            }
            (nq, serial, waiter, gl.poisoned)
        });
        if nq == Nq::Recursion {
            return Err(Misuse::Recursion);
        }
        let slept = nq == Nq::Waiting || todo.xmote.is_some();
        self.finish(task.node, file, todo);
        Ok(Ticket {
            space: self,
            task: task.id,
            node: task.node,
            file,
            mode,
            serial,
            waiter,
            state: Cell::new(match nq {
                Nq::Granted => State::Granted,
                Nq::Failed => State::Failed,
                _ => State::Waiting,
            }),
            slept: Cell::new(slept),
            poisoned: Cell::new(poisoned),
            not_send: PhantomData,
        })
    }

    /// Somebody outside the lock space wants the file in `mode`: the node shall make
    /// room (`gfs2_glock_cb`, R1, D5). False if it owns nothing that is in the way:
    /// nothing happened.
    pub fn demand(self: &Arc<Self>, node: u8, file: u8, mode: Mode) -> bool {
        let mut todo = Todo::new();
        let told = self.inode(node, file).glock.with(|gl| {
            let told = !gl.state.compatible(mode);
            if told {
                gl.callback(&self.rules, demote_for(mode), &mut todo);
                self.log(Actor::Outside, node, file, Op::Demand { mode });
            }
            told
        });
        self.finish(node, file, todo);
        told
    }

    /// The minimum hold time of a glock is over (R2, R3). False if no demand was put
    /// off: nothing happened.
    pub fn hold_expires(self: &Arc<Self>, node: u8, file: u8) -> bool {
        let mut todo = Todo::new();
        let due = self.inode(node, file).glock.with(|gl| {
            let due = gl.hold_expires(&self.rules, &mut todo);
            if due {
                self.log(Actor::Outside, node, file, Op::HoldExpired);
            }
            due
        });
        self.finish(node, file, todo);
        due
    }

    /// Makes a poisoned glock usable again: its next holder will put things right.
    pub fn clear_poison(&self, node: u8, file: u8) {
        self.inode(node, file).glock.with(|gl| gl.poisoned = false);
    }

    // ---- what follows a critical section ----------------------------------

    /// Does what a critical section left to do.
    #[inline]
    fn finish(self: &Arc<Self>, node: u8, file: u8, todo: Todo<R>) {
        if !todo.is_empty() {
            self.do_rest(node, file, todo);
        }
    }

    #[cold]
    fn do_rest(self: &Arc<Self>, node: u8, file: u8, mut todo: Todo<R>) {
        loop {
            todo.wake(&self.rules);
            if std::mem::take(&mut todo.work) {
                self.schedule(Item::Work { node, file });
            }
            let Some(xmote) = todo.xmote.take() else {
                return;
            };
            self.xmote(node, file, xmote, &mut todo);
        }
    }

    /// The part of a change of mode that runs with the spinlock dropped: go_sync,
    /// go_inval, and the call to the lock space (Q10).
    fn xmote(self: &Arc<Self>, node: u8, file: u8, xmote: Xmote, todo: &mut Todo<R>) {
        let inode = self.inode(node, file);
        inode.cache.go_sync(&self.rules);
        if xmote.invalidates() {
            inode.cache.go_inval(&self.rules);
        }
        if self.rules.lock == LockManager::Nolock {
            inode.glock.with(|gl| {
                gl.finish_local(&self.rules, todo);
                self.log_work(node, file, todo);
            });
            return;
        }
        let request = inode.glock.with(Glock::request);
        let resource = &self.files[file as usize].resource;
        let notified = resource.with(|r| {
            r.request(node, request);
            r.take_notified()
        });
        for node in notified {
            self.schedule(Item::Deliver { node, file });
        }
    }

    /// Logs whom a piece of work woke. In its critical section.
    fn log_work(&self, node: u8, file: u8, todo: &mut Todo<R>) {
        let woken = std::mem::take(&mut todo.woken);
        if !woken.is_empty() {
            self.log(Actor::Work, node, file, Op::Work { woken });
        }
    }

    // ---- workers ----------------------------------------------------------

    /// `queue_work`. A glock's work that is queued and has not begun is not queued
    /// again; messages are counted.
    fn schedule(&self, item: Item) {
        let sleeper = self.queue.with(|q| {
            if matches!(item, Item::Work { .. }) && q.items.contains(&item) {
                return None;
            }
            q.items.push_back(item);
            q.sleepers.pop()
        });
        if let Some(sleeper) = sleeper
            && !self.rules.weak(Weakened::WorkerUnwoken)
        {
            sleeper.unpark();
        }
    }

    /// Starts a worker in a thread of its own. More than one is as good.
    pub fn start_worker(self: &Arc<Self>) -> Worker<R> {
        let space = self.clone();
        Worker {
            space: self.clone(),
            thread: R::spawn(move || space.work_until_stopped()),
        }
    }

    /// Does a worker's work in this thread until [`LockSpace::stop_workers`].
    pub fn work_until_stopped(self: &Arc<Self>) {
        enum Next<R: Runtime> {
            Run(Item),
            Sleep(Arc<R::Parker>),
            End,
        }
        let mut own: Option<Arc<R::Parker>> = None;
        loop {
            let next = self.queue.with(|q| {
                if let Some(own) = &own {
                    q.sleepers.retain(|s| !Arc::ptr_eq(s, own));
                }
                let late = self.rules.weak(Weakened::PendingTooLong);
                let item = if late {
                    q.items.front().copied()
                } else {
                    q.items.pop_front()
                };
                if let Some(item) = item {
                    return Next::<R>::Run(item);
                }
                if q.stopped {
                    return Next::End;
                }
                let own = own
                    .get_or_insert_with(|| Arc::new(R::Parker::new()))
                    .clone();
                q.sleepers.push(own.clone());
                Next::Sleep(own)
            });
            match next {
                Next::Run(item) => {
                    self.run(item);
                    if self.rules.weak(Weakened::PendingTooLong) {
                        self.queue.with(|q| {
                            let at = q.items.iter().position(|i| *i == item);
                            at.map(|at| q.items.remove(at));
                        });
                    }
                }
                Next::Sleep(own) => own.park(),
                Next::End => return,
            }
        }
    }

    /// Does what is queued for the workers now, in this thread; how many items.
    pub fn work_off(self: &Arc<Self>) -> usize {
        let mut done = 0;
        while let Some(item) = self.queue.with(|q| q.items.pop_front()) {
            self.run(item);
            done += 1;
        }
        done
    }

    /// Workers return when nothing is queued any more.
    pub fn stop_workers(&self) {
        let sleepers = self.queue.with(|q| {
            q.stopped = true;
            std::mem::take(&mut q.sleepers)
        });
        sleepers.iter().for_each(|s| s.unpark());
    }

    fn run(self: &Arc<Self>, item: Item) {
        match item {
            Item::Work { node, file } => self.work(node, file),
            Item::Deliver { node, file } => self.deliver(node, file),
        }
    }

    /// `glock_work_func` (R3): an answer if there is one, then the queue.
    fn work(self: &Arc<Self>, node: u8, file: u8) {
        let mut todo = Todo::new();
        self.inode(node, file).glock.with(|gl| {
            let answered = gl.work_reply(&self.rules, &mut todo);
            self.log_work(node, file, &mut todo);
            let again = std::mem::take(&mut todo.work);
            if todo.xmote.is_none() && (again || !answered) {
                gl.run_queue(&self.rules, false, &mut todo);
                self.log_work(node, file, &mut todo);
            }
        });
        self.finish(node, file, todo);
    }

    /// A message reaches the node: taken from the channel and acted upon in one piece,
    /// so that messages stay in order with several workers.
    fn deliver(self: &Arc<Self>, node: u8, file: u8) {
        let mut todo = Todo::new();
        let weak = self.rules.weak(Weakened::OutOfOrder);
        self.files[file as usize].resource.with(|r| {
            let Some(message) = r.receive(node, weak) else {
                return;
            };
            self.inode(node, file).glock.with(|gl| match message {
                Message::Grant => gl.complete(true, &mut todo),
                Message::Refuse => gl.complete(false, &mut todo),
                Message::Bast(mode) => gl.bast(&self.rules, mode, &mut todo),
            });
        });
        self.finish(node, file, todo);
    }
}

/// Where a ticket stands, for its own task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Granted,
    Failed,
    Gone,
}

/// A request in a glock's queue, from [`LockSpace::enqueue`]; once granted, the holder.
///
/// Dropping it gives up whatever it stands for: a holder is dequeued, a waiting request
/// withdrawn (which the kernel cannot do). It stays in the thread that made it, which is
/// where it sleeps:
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// fn no(ticket: glock_primitives::Ticket<'_, glock_primitives::Std>) { send(ticket) }
/// ```
///
/// If its task panics while it holds EX, the glock is poisoned: what it protects may be
/// half changed. Later requests end in [`Refused::Poisoned`], and are dequeued again,
/// until [`LockSpace::clear_poison`].
#[must_use = "a dropped ticket gives the glock up"]
pub struct Ticket<'a, R: Runtime> {
    space: &'a Arc<LockSpace<R>>,
    task: u8,
    node: u8,
    file: u8,
    mode: Mode,
    serial: u64,
    /// None if it was decided at once.
    waiter: Option<Arc<Waiter<R>>>,
    state: Cell<State>,
    /// The call slept, or carried a change of mode on: waking up is worth an event.
    slept: Cell<bool>,
    /// It was granted while the glock was poisoned.
    poisoned: Cell<bool>,
    not_send: PhantomData<*const ()>,
}

impl<R: Runtime> Ticket<'_, R> {
    /// Sleeps until the request is granted or has failed. Once granted, returns at
    /// once.
    ///
    /// # Errors
    /// [`Refused`]. The ticket stands for nothing any more.
    ///
    /// # Panics
    /// If the ticket was dequeued.
    #[inline]
    pub fn wait(&self) -> Result<(), Refused> {
        loop {
            if let Some(outcome) = self.poll() {
                return outcome;
            }
            if let Some(waiter) = &self.waiter {
                waiter.parker.park();
                if self.space.rules.weak(Weakened::SleptOnce) {
                    return self.wakes(GRANTED);
                }
            }
        }
    }

    /// The outcome, if there is one: does not sleep (`gfs2_glock_poll`, G7).
    ///
    /// # Panics
    /// If the ticket was dequeued.
    #[inline]
    pub fn poll(&self) -> Option<Result<(), Refused>> {
        match self.state.get() {
            State::Gone => panic!("the ticket was dequeued"),
            State::Granted if !self.slept.get() => Some(self.unless_poisoned()),
            State::Granted if self.poisoned.get() => Some(self.wakes(POISONED)),
            State::Granted => Some(self.wakes(GRANTED)),
            State::Failed if !self.slept.get() => Some(Err(Refused::TryFailed)),
            State::Failed => Some(self.wakes(FAILED)),
            State::Waiting => {
                let waiter = self.waiter.as_ref()?;
                // Pairs with the Release in `Glock::grant`.
                let order = match self.space.rules.weak(Weakened::WaitRelaxed) {
                    false => Ordering::Acquire,
                    true => Ordering::Relaxed,
                };
                match waiter.flag.load(order) {
                    WAITING => None,
                    why => Some(self.wakes(why)),
                }
            }
        }
    }

    /// The sleep is over.
    fn wakes(&self, why: u8) -> Result<(), Refused> {
        let granted = why != FAILED;
        self.poisoned.set(why == POISONED);
        self.slept.set(false);
        self.state.set(match granted {
            true => State::Granted,
            false => State::Failed,
        });
        let op = Op::Wake { granted };
        self.space
            .log(Actor::Task(self.task), self.node, self.file, op);
        match granted {
            true => self.unless_poisoned(),
            false => Err(Refused::TryFailed),
        }
    }

    #[inline]
    fn unless_poisoned(&self) -> Result<(), Refused> {
        if self.poisoned.get() {
            self.leave(false);
            return Err(Refused::Poisoned);
        }
        Ok(())
    }

    /// `gfs2_glock_dq` (Q17). Demotes nothing itself: that is the worker's.
    ///
    /// # Errors
    /// [`Misuse::NotOwner`] for another task, [`Misuse::StillWaiting`] before
    /// [`Ticket::wait`] has returned, [`Misuse::NotQueued`] the second time, or after
    /// the holder was taken away while it was weak. Nothing was changed then.
    #[inline]
    pub fn dequeue(&self, task: &Task) -> Result<(), Misuse> {
        if task.id != self.task {
            return Err(Misuse::NotOwner);
        }
        match self.state.get() {
            State::Waiting => Err(Misuse::StillWaiting),
            State::Granted if self.leave(false) => Ok(()),
            _ => Err(Misuse::NotQueued),
        }
    }

    /// Takes the entry out of the queue, in a panic or not. False if it was not there
    /// any more.
    #[inline]
    fn leave(&self, panics: bool) -> bool {
        let waiting = self.state.replace(State::Gone) == State::Waiting;
        let mut todo = Todo::new();
        let left = self.space.inode(self.node, self.file).glock.with(|gl| {
            let left = gl.dq(&self.space.rules, self.serial, &mut todo);
            if let Some(mode) = left {
                gl.poisoned |= panics && mode == Mode::Ex && !waiting;
                let op = match waiting {
                    true => Op::Withdraw,
                    false => Op::Dequeue { mode },
                };
                self.space
                    .log(Actor::Task(self.task), self.node, self.file, op);
            }
            left.is_some()
        });
        self.space.finish(self.node, self.file, todo);
        left
    }

    /// `gfs2_holder_allow_demote` (v5.16, W1): the holder may be taken away. False if
    /// it is gone.
    pub fn allow_demote(&self) -> bool {
        self.may_demote(true)
    }

    /// `gfs2_holder_disallow_demote` (W1). False if the holder was taken away
    /// meanwhile: what it protected may have changed.
    pub fn disallow_demote(&self) -> bool {
        self.may_demote(false)
    }

    fn may_demote(&self, weak: bool) -> bool {
        let inode = self.space.inode(self.node, self.file);
        inode.glock.with(|gl| {
            let found = self.state.get() == State::Granted && gl.set_weak(self.serial, weak);
            let op = Op::MayDemote { weak, found };
            self.space
                .log(Actor::Task(self.task), self.node, self.file, op);
            found
        })
    }

    /// Is it the task's, and does it hold one of these modes?
    pub(crate) fn allows(&self, task: &Task, modes: &[Mode]) -> Result<(), Misuse> {
        if task.id != self.task {
            return Err(Misuse::NotOwner);
        }
        let holds = self.state.get() == State::Granted && modes.contains(&self.mode);
        holds.then_some(()).ok_or(Misuse::StillWaiting)
    }

    /// The mode it asks for or holds.
    pub fn mode(&self) -> Mode {
        self.mode
    }
    /// The file.
    pub fn file(&self) -> u8 {
        self.file
    }
    /// The node.
    pub fn node(&self) -> u8 {
        self.node
    }
}

impl<R: Runtime> Drop for Ticket<'_, R> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.state.get(), State::Waiting | State::Granted) {
            self.leave(std::thread::panicking());
        }
    }
}
