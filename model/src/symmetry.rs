//! Symmetry: nodes, files and tasks that could change places without a difference.
//!
//! In the race of two readers it does not matter which of them is called P1. If P1
//! and P2, F1 and F2 (and on two nodes the nodes) change their names, the scenario
//! stays what it is, and every run becomes another run of it. A [`Renaming`] is such
//! a change of names; those that leave a scenario as it is are its [`Symmetry`], a
//! group. States that one of them turns into one another are an *orbit*. A search
//! may keep one state of each, its *representative* ([`Cluster::with_symmetry`]).
//! Which one does not matter, only that it is the same for the whole orbit: here it
//! is the one with the smallest *key*, and among those with the same key the one
//! whose packed form is the smallest.
//!
//! # What must be so, and how it is made sure
//!
//! For every renaming `g` of the group:
//! 1. the scenario's data that steps look at is the same after `g` ([`Renaming::new`]
//!    compares all of it: whoever adds a field has to say what becomes of it);
//! 2. `g` maps the set of initial states onto itself (every one of them is tried:
//!    modes, caches, page tables and the alternatives of lock objects);
//! 3. `t` follows on `s` in one step exactly if `g t` follows on `g s`;
//! 4. `s` and `g s` violate the same properties, and both or neither of them are
//!    finished, down or out of time.
//!
//! A design knows no task, node or file by name, so that 3 and 4 rest on the model
//! alone. It orders nothing by number: queues are first come, first served and hold
//! names, which `g` replaces; whatever is done to all nodes, files, tasks or pages
//! in a step is a set of independent changes; one task at most has a page locked.
//! Budgets of the environment are shared, except those of demands, which `g` moves
//! with their node and file. Pages of a file and of a buffer keep their numbers.
//! A test maps the steps of every state of every small scenario.
//!
//! # What may be concluded
//!
//! By 1 to 4 `s` and `g s` are bisimilar, so that a search which goes on from one
//! state of each orbit sees an orbit exactly if it can be reached, and sees it after
//! as many steps as the nearest of its states takes (Ip and Dill, "Better
//! verification through symmetry"; Clarke, Enders, Filkorn and Jha, "Exploiting
//! symmetry in temporal logic model checking"; Emerson and Sistla, "Symmetry and
//! model checking"; all in Formal Methods in System Design 9, 1996).
//!
//! * **Safety and deadlock**: the verdicts are equal, and so are the lengths of
//!   shortest histories.
//! * **`can-finish`** (AG EF goal): the goal is the same for all states of an orbit
//!   (4). A run from `s` to the goal is one from the representative of `s` through
//!   representatives, and the other way round: a run through representatives, each
//!   one a step and a renaming away from the one before, becomes a run from `s` if
//!   all renamings so far are undone in every state. So the goal can be reached from
//!   `s` exactly if it can from its representative, and the verdicts are equal. The
//!   size of a trap is counted in representatives.
//! * **`finishes` and `finishes-strongly`** are not decided with it. Fairness is
//!   about *who* moves, and a representative does not say who is who: a cycle of
//!   representatives in which P1 moves and P2 never does may be a run in which the
//!   two take turns, because each round exchanges them. (That would take the
//!   renamings along the cycle into account: Emerson and Sistla, "Utilizing symmetry
//!   when model-checking under fairness assumptions", TOPLAS 19, 1997.)

use crate::cluster::{Budgets, Cluster, MAX_DEMANDS, State};
use crate::glock::{Glock, Holder, Queue, Runner};
use crate::lockspace::{Fifo, Resource, Waiting};
use crate::node::Node;
use crate::scenario::{
    Events, FileSpec, MAX_FILES, MAX_NODES, MAX_TASKS, MAX_VPAGES, MmSpec, OpKind, Scenario,
    TaskSpec, VpageKind, VpageSpec,
};
use crate::task::Task;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

/// A change of names: what has each number gets instead. All are permutations.
/// Numbers that the scenario does not use stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Renaming {
    /// How many nodes and files there are; what is beyond is not touched.
    pub counts: (u8, u8),
    /// The nodes.
    pub nodes: [u8; MAX_NODES],
    /// The files.
    pub files: [u8; MAX_FILES],
    /// The tasks.
    pub tasks: [u8; MAX_TASKS],
    /// The pages of user memory, which follow the tasks.
    pub vpages: [u8; MAX_VPAGES],
    /// The open files, which follow the tasks.
    pub open_files: [u8; MAX_TASKS],
    /// The demands from outside, which follow nodes and files.
    pub demands: [u8; MAX_DEMANDS],
}

/// All renamings that leave a scenario under a design as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symmetry {
    /// The identity is the first.
    renamings: Vec<Renaming>,
    /// For each of them the one that takes it back.
    inverses: Vec<Renaming>,
}

impl Symmetry {
    /// Finds all there is: tries every way to exchange nodes, files and tasks.
    pub fn of(cluster: &Cluster) -> Symmetry {
        let scenario = cluster.scenario();
        let (nodes, files, tasks) = (
            permutations::<MAX_NODES>(scenario.nodes as usize),
            permutations::<MAX_FILES>(scenario.files.len()),
            permutations::<MAX_TASKS>(scenario.tasks.len()),
        );
        let initial = Initial::of(cluster);
        let mut renamings = Vec::new();
        for &nodes in &nodes {
            for &files in &files {
                for &tasks in &tasks {
                    let renaming = Renaming::new(scenario, nodes, files, tasks);
                    renamings.extend(renaming.filter(|r| initial.is_closed_under(r)));
                }
            }
        }
        let inverses = renamings.iter().map(Renaming::inverse).collect();
        Symmetry {
            renamings,
            inverses,
        }
    }

    /// How many renamings there are, the identity included: 1 if nothing can be
    /// exchanged.
    pub fn order(&self) -> usize {
        self.renamings.len()
    }

    /// All of them, the identity first.
    pub fn renamings(&self) -> &[Renaming] {
        &self.renamings
    }

    /// All of them but the identity.
    pub fn exchanges(&self) -> &[Renaming] {
        &self.renamings[1..]
    }

    /// Is the state's key smaller than that of all others of its orbit, so that it
    /// represents them?
    #[inline]
    pub(crate) fn has_smallest_key(&self, scenario: &Scenario, state: &State) -> bool {
        let key = Key::of(scenario, state);
        let (identity, exchanges) = (&self.inverses[0], &self.inverses[1..]);
        let mut others = exchanges.iter();
        others.all(|other| key.compare(identity, other).is_lt())
    }

    /// The states of the orbit with the smallest key, of which there mostly is one.
    #[inline]
    pub(crate) fn with_smallest_key<'a>(
        &'a self,
        scenario: &Scenario,
        state: &'a State,
    ) -> impl Iterator<Item = Cow<'a, State>> {
        let key = Key::of(scenario, state);
        let mut smallest = &self.inverses[0];
        for inverse in &self.inverses[1..] {
            if key.compare(inverse, smallest).is_lt() {
                smallest = inverse;
            }
        }
        let both = self.renamings.iter().zip(&self.inverses).enumerate();
        both.filter(move |(_, (_, inverse))| key.compare(inverse, smallest).is_eq())
            .map(|(i, (renaming, _))| match i {
                0 => Cow::Borrowed(state),
                _ => Cow::Owned(renaming.state(state)),
            })
    }
}

/// What little of a state mostly decides which one of an orbit it is: a number for
/// each task and each glock, which names nobody and so goes with it when names are
/// changed. It saves packing all states of an orbit to find the smallest.
struct Key {
    tasks: [u64; MAX_TASKS],
    glocks: [[u32; MAX_FILES]; MAX_NODES],
    /// How many of them there are: tasks, nodes, files.
    counts: (usize, usize, usize),
}

impl Key {
    #[inline]
    fn of(scenario: &Scenario, state: &State) -> Key {
        let counts = (
            scenario.tasks.len(),
            scenario.nodes as usize,
            scenario.files.len(),
        );
        let mut key = Key {
            tasks: Default::default(),
            glocks: Default::default(),
            counts,
        };
        for t in 0..counts.0 {
            key.tasks[t] = task_key(&state.nodes[scenario.node_of(t)].tasks[t]);
        }
        for n in 0..counts.1 {
            for f in 0..counts.2 {
                key.glocks[n][f] = glock_key(&state.nodes[n].glocks[f]);
            }
        }
        key
    }

    /// Compares the keys that the state gets by two renamings, given their inverses:
    /// what has a number after a renaming had the inverse's number before.
    #[inline]
    fn compare(&self, a: &Renaming, b: &Renaming) -> Ordering {
        let (tasks, nodes, files) = self.counts;
        for t in 0..tasks {
            let of = |r: &Renaming| self.tasks[r.tasks[t] as usize];
            match of(a).cmp(&of(b)) {
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        for n in 0..nodes {
            for f in 0..files {
                let of = |r: &Renaming| self.glocks[r.nodes[n] as usize][r.files[f] as usize];
                match of(a).cmp(&of(b)) {
                    Ordering::Equal => {}
                    decided => return decided,
                }
            }
        }
        Ordering::Equal
    }
}

#[inline]
fn task_key(task: &Task) -> u64 {
    let small = [
        task.status as u8,
        task.wait as u8,
        task.fault as u8,
        task.sub as u8,
        task.iter_pos << 4 | task.moved,
    ];
    let small = small
        .iter()
        .fold(0, |key, &part| key << 8 | u64::from(part));
    small << 24 ^ u64::from(task.pc) << 12 ^ u64::from(task.nested_pc)
}

#[inline]
fn glock_key(gl: &Glock) -> u32 {
    let parts = [
        gl.state as u8,
        gl.target as u8,
        gl.stage as u8,
        gl.demote as u8,
        gl.queue.as_slice().len() as u8,
    ];
    parts
        .iter()
        .fold(0, |key, &part| key << 3 | u32::from(part))
}

/// The initial states of a cluster.
struct Initial<'a> {
    cluster: &'a Cluster,
    states: Vec<State>,
    packed: HashSet<Vec<u64>>,
}

impl Initial<'_> {
    fn of(cluster: &Cluster) -> Initial<'_> {
        let states = cluster.initial_states();
        let packed = states.iter().map(|s| packed(cluster, s)).collect();
        Initial {
            cluster,
            states,
            packed,
        }
    }

    /// Does the renaming map them onto themselves? As it is a permutation, it does
    /// if it maps them into themselves.
    fn is_closed_under(&self, renaming: &Renaming) -> bool {
        self.states.iter().all(|s| {
            self.packed
                .contains(&packed(self.cluster, &renaming.state(s)))
        })
    }
}

fn packed(cluster: &Cluster, state: &State) -> Vec<u64> {
    let mut words = vec![0; cluster.words()];
    cluster.pack_as_it_is(state, &mut words);
    words
}

/// All permutations of the numbers below `count`, the identity first; larger numbers
/// stay as they are.
fn permutations<const N: usize>(count: usize) -> Vec<[u8; N]> {
    let mut all = vec![identity()];
    for place in 0..count {
        all = all
            .iter()
            .flat_map(|one| {
                (place..count).map(move |other| {
                    let mut next = *one;
                    next[place..=other].rotate_right(1);
                    next
                })
            })
            .collect();
    }
    all
}

fn identity<const N: usize>() -> [u8; N] {
    std::array::from_fn(|i| i as u8)
}

/// A permutation that is being put together.
struct Partial<const N: usize> {
    to: [Option<u8>; N],
    taken: [bool; N],
}

impl<const N: usize> Partial<N> {
    fn new() -> Self {
        Partial {
            to: [None; N],
            taken: [false; N],
        }
    }

    /// Has `from` become `to`; `None` if one of the two is another's already.
    fn put(&mut self, from: u8, to: u8) -> Option<()> {
        match self.to[from as usize] {
            Some(known) => (known == to).then_some(()),
            None if self.taken[to as usize] => None,
            None => {
                self.to[from as usize] = Some(to);
                self.taken[to as usize] = true;
                Some(())
            }
        }
    }

    /// Whatever nobody has spoken of stays as it is; `None` if that is no permutation.
    fn complete(mut self) -> Option<[u8; N]> {
        for i in 0..N as u8 {
            if self.to[i as usize].is_none() {
                self.put(i, i)?;
            }
        }
        Some(self.to.map(Option::unwrap_or_default))
    }
}

// ---- the scenario ---------------------------------------------------------------

impl Renaming {
    /// The renaming that changes nothing.
    pub fn identity() -> Renaming {
        Renaming {
            counts: (MAX_NODES as u8, MAX_FILES as u8),
            nodes: identity(),
            files: identity(),
            tasks: identity(),
            vpages: identity(),
            open_files: identity(),
            demands: identity(),
        }
    }

    /// The renaming that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Renaming {
        fn inverse<const N: usize>(map: &[u8; N]) -> [u8; N] {
            moved(map, &identity())
        }
        let Renaming {
            counts,
            nodes,
            files,
            tasks,
            vpages,
            open_files,
            demands,
        } = self;
        Renaming {
            counts: *counts,
            nodes: inverse(nodes),
            files: inverse(files),
            tasks: inverse(tasks),
            vpages: inverse(vpages),
            open_files: inverse(open_files),
            demands: inverse(demands),
        }
    }

    /// The renaming that exchanges nodes, files and tasks like this, if the
    /// scenario is the same afterwards. Its alternatives for the initial state are
    /// not looked at.
    pub fn new(
        scenario: &Scenario,
        nodes: [u8; MAX_NODES],
        files: [u8; MAX_FILES],
        tasks: [u8; MAX_TASKS],
    ) -> Option<Renaming> {
        // Every field is named, so that a new one cannot be forgotten.
        let Scenario {
            name: _,
            description: _,
            nodes: _,       // as many as before
            lock: _,        // speaks of nobody
            lock_object: _, // of the initial states
            hold_time: _,
            files: file_specs,
            mms,
            vpages: _, // below: those of buffers follow their tasks
            tasks: task_specs,
            events,
            switches: _, // speak of nobody
        } = scenario;
        let mut maps = Maps {
            scenario,
            nodes,
            files,
            mms: Partial::new(),
            vpages: Partial::new(),
            open_files: Partial::new(),
        };
        for (f, spec) in file_specs.iter().enumerate() {
            same_file(spec, &file_specs[files[f] as usize])?;
        }
        for (t, spec) in task_specs.iter().enumerate() {
            maps.task(spec, &task_specs[tasks[t] as usize])?;
        }
        let address_spaces = maps.mms.complete()?;
        let vpages = maps.vpages.complete()?;
        for (m, spec) in mms.iter().enumerate() {
            same_mm(spec, &mms[address_spaces[m] as usize], &nodes)?;
        }
        for (v, spec) in scenario.vpages.iter().enumerate() {
            let other = &scenario.vpages[vpages[v] as usize];
            same_vpage(spec, other, &address_spaces, &files, &tasks)?;
        }
        Some(Renaming {
            counts: (scenario.nodes, file_specs.len() as u8),
            nodes,
            files,
            tasks,
            vpages,
            open_files: maps.open_files.complete()?,
            demands: demands(events, &nodes, &files)?,
        })
    }
}

/// What follows from exchanging the tasks.
struct Maps<'a> {
    scenario: &'a Scenario,
    nodes: [u8; MAX_NODES],
    files: [u8; MAX_FILES],
    mms: Partial<MAX_TASKS>,
    vpages: Partial<MAX_VPAGES>,
    open_files: Partial<MAX_TASKS>,
}

impl Maps<'_> {
    /// Can `from` become `to`? Then so do the things it uses.
    fn task(&mut self, from: &TaskSpec, to: &TaskSpec) -> Option<()> {
        let TaskSpec {
            name: _,
            mm,
            op,
            file,
            first_page,
            append,
            buffer,
            open_file,
            unaligned,
            aio,
            environment,
        } = from;
        let node = |mm: u8| self.scenario.mms[mm as usize].node;
        // Without a file the field is 0 and means nothing.
        let has_file = op.is_io() || *op == OpKind::Mmap;
        let same = *op == to.op
            && (!has_file || self.files[*file as usize] == to.file)
            && *first_page == to.first_page
            && *append == to.append
            && buffer.len() == to.buffer.len()
            && *aio == to.aio
            && *environment == to.environment
            && *unaligned == to.unaligned
            && self.nodes[node(*mm) as usize] == node(to.mm);
        if !same {
            return None;
        }
        self.mms.put(*mm, to.mm)?;
        self.open_files.put(*open_file, to.open_file)?;
        for (&from, &to) in buffer.iter().zip(&to.buffer) {
            self.vpages.put(from, to)?;
        }
        Some(())
    }
}

fn same_file(from: &FileSpec, to: &FileSpec) -> Option<()> {
    let FileSpec {
        name: _,
        pages,
        size,
        modes: _,  // of the initial states
        cached: _, // of the initial states
        holes,
        chunk,
    } = from;
    let own = (*pages, *size, *holes, *chunk);
    (own == (to.pages, to.size, to.holes, to.chunk)).then_some(())
}

fn same_mm(from: &MmSpec, to: &MmSpec, nodes: &[u8]) -> Option<()> {
    let MmSpec { name: _, node } = from;
    (nodes[*node as usize] == to.node).then_some(())
}

fn same_vpage(
    from: &VpageSpec,
    to: &VpageSpec,
    mms: &[u8],
    files: &[u8],
    tasks: &[u8],
) -> Option<()> {
    let VpageSpec {
        mm,
        kind,
        initial: _, // of the initial states
    } = from;
    let kind = match *kind {
        VpageKind::Shared { file, page } => VpageKind::Shared {
            file: files[file as usize],
            page,
        },
        VpageKind::Private { file, page } => VpageKind::Private {
            file: files[file as usize],
            page,
        },
        VpageKind::Served { task } => VpageKind::Served {
            task: tasks[task as usize],
        },
        kind @ (VpageKind::Anon | VpageKind::Zero | VpageKind::Io | VpageKind::Bad) => kind,
    };
    (mms[*mm as usize] == to.mm && kind == to.kind).then_some(())
}

/// Where each demand goes. Of equal ones the first becomes the first and so on, so
/// that the renamings are still a group.
fn demands(events: &Events, nodes: &[u8], files: &[u8; MAX_FILES]) -> Option<[u8; MAX_DEMANDS]> {
    let Events {
        reclaim: _, // of all nodes together
        shrink: _,
        demands,
        appends,
        expire: _,
    } = events;
    if moved(files, appends) != *appends {
        return None;
    }
    let mut map = Partial::new();
    for (i, demand) in demands.iter().enumerate() {
        let mut wanted = demand.clone();
        wanted.node = nodes[demand.node as usize];
        wanted.file = files[demand.file as usize];
        let free = |j: &usize| demands[*j] == wanted && !map.taken[*j];
        let to = (0..demands.len()).find(free)?;
        map.put(i as u8, to as u8)?;
    }
    map.complete()
}

// ---- the state ------------------------------------------------------------------

/// Moves what is at `i` to `map[i]`.
#[inline]
fn moved<T: Copy, const N: usize>(map: &[u8; N], from: &[T; N]) -> [T; N] {
    let mut to = *from;
    for (one, &place) in from.iter().zip(map) {
        to[place as usize] = *one;
    }
    to
}

/// Moves the bits of a set; only those below `map`'s length can be set.
#[inline]
fn moved_bits(map: &[u8], set: u8) -> u8 {
    let bits = map.iter().enumerate();
    bits.fold(0, |to, (i, &place)| to | (set >> i & 1) << place)
}

impl Renaming {
    /// The state with all names changed.
    pub fn state(&self, state: &State) -> State {
        // Every field is named, so that a new one cannot be forgotten.
        let State {
            nodes,
            resources,
            channels,
            budgets,
        } = state;
        let mut to = State {
            nodes: *nodes,
            resources: *resources,
            channels: *channels,
            budgets: self.budgets(budgets),
        };
        let (node_count, file_count) = (self.counts.0 as usize, self.counts.1 as usize);
        for (n, node) in nodes[..node_count].iter().enumerate() {
            let there = self.nodes[n] as usize;
            self.rename_node(node, &mut to.nodes[there]);
            for (f, channel) in channels[n][..file_count].iter().enumerate() {
                // Requests and messages speak of modes; whose they are says their place.
                to.channels[there][self.files[f] as usize] = *channel;
            }
        }
        for (f, resource) in resources[..file_count].iter().enumerate() {
            self.rename_resource(resource, &mut to.resources[self.files[f] as usize]);
        }
        to
    }

    fn rename_node(&self, node: &Node, to: &mut Node) {
        let Node {
            glocks,
            pages,
            sw_paged,
            i_size,
            disk_size,
            rwsem,
            inode_flags,
            file_flags,
            ptes,
            copied,
            bad,
            tasks,
        } = node;
        for (f, gl) in glocks[..self.counts.1 as usize].iter().enumerate() {
            self.rename_glock(gl, &mut to.glocks[self.files[f] as usize]);
        }
        to.pages = moved(&self.files, pages);
        to.sw_paged = moved_bits(&self.files, *sw_paged);
        to.i_size = moved(&self.files, i_size);
        to.disk_size = moved(&self.files, disk_size);
        to.rwsem = moved(&self.files, rwsem).map(|owner| match owner.checked_sub(1) {
            None => 0,
            Some(task) => self.task_name(task) + 1,
        });
        to.inode_flags = moved(&self.files, inode_flags);
        to.file_flags = moved(&self.open_files, file_flags);
        to.ptes = moved(&self.vpages, ptes);
        to.copied = moved_bits(&self.vpages, *copied);
        to.bad = moved_bits(&self.vpages, *bad);
        for (task, &place) in tasks.iter().zip(&self.tasks) {
            names_nobody(task);
            to.tasks[place as usize] = *task;
        }
    }

    #[inline]
    fn task_name(&self, task: u8) -> u8 {
        self.tasks[task as usize]
    }

    #[inline]
    fn node_name(&self, node: u8) -> u8 {
        self.nodes[node as usize]
    }

    fn rename_glock(&self, gl: &Glock, to: &mut Glock) {
        let Glock {
            state: _,
            target: _,
            req: _,
            demote_state: _,
            demote: _,
            demote_in_progress: _,
            stage: _,
            runner,
            inval_page: _,
            lck_flags: _,
            reply: _,
            kept: _,
            work_queued: _,
            queue,
        } = gl;
        *to = *gl;
        to.runner = match *runner {
            Runner::Worker => Runner::Worker,
            Runner::Task(task) => Runner::Task(self.task_name(task)),
        };
        to.queue = Queue::default();
        for &Holder {
            task,
            mode,
            flags,
            granted,
            weak,
        } in queue.as_slice()
        {
            to.queue.push(Holder {
                task: self.task_name(task),
                mode,
                flags,
                granted,
                weak,
            });
        }
    }

    fn rename_resource(&self, resource: &Resource, to: &mut Resource) {
        let Resource {
            locks,
            convert,
            wait,
        } = resource;
        to.locks = moved(&self.nodes, locks);
        to.convert = self.fifo(convert);
        to.wait = self.fifo(wait);
    }

    fn fifo(&self, fifo: &Fifo) -> Fifo {
        let mut renamed = Fifo::default();
        for &Waiting { node, mode } in fifo.as_slice() {
            renamed.push(Waiting {
                node: self.node_name(node),
                mode,
            });
        }
        renamed
    }

    fn budgets(&self, budgets: &Budgets) -> Budgets {
        let Budgets {
            reclaim,
            shrink,
            expire,
            demands,
            appends,
        } = budgets;
        Budgets {
            reclaim: *reclaim,
            shrink: *shrink,
            expire: *expire,
            demands: moved(&self.demands, demands),
            appends: moved(&self.files, appends),
        }
    }
}

/// What a task knows names nobody: places in its program, in its buffer and in its
/// file, modes, sizes and codes.
#[inline]
fn names_nobody(task: &Task) {
    let Task {
        status: _,
        pc: _,
        nested_pc: _,
        wait: _,
        sub: _,
        fault: _,
        vars: _,
        nested_vars: _,
        flags: _,
        iter_pos: _,
        iter_count: _,
        ki_pos: _,
        first: _,
        moved: _,
        extent_moved: _,
        attempts: _,
        window: _,
        error: _,
        faults_off: _,
        nofault: _,
        gh_error: _,
        mmap_read: _,
        page_locked: _,
        tried: _,
        have_page: _,
        pins: _,
        aio: _,
        mapping: _,
        saw_bad: _,
        landed: _,
        changed: _,
        wrong: _,
        result: _,
    } = task;
}
