//! The initial states of a scenario: every consistent choice of alternatives.
//!
//! Consistent is what a cluster can be in with nobody at work: nodes own
//! compatible modes (rule G2), a mode allows what its node has cached (G1), and
//! a page-table entry points to a page that is cached. A file's page that such
//! an entry needs is cached even if the file is not.

use super::*;
use std::collections::HashSet;
use std::hash::Hash;

/// Most initial states a scenario may have.
pub const MAX_INITIAL: usize = 1 << 16;

/// One initial state. Entries of nodes, files, pages and user pages that the
/// scenario does not have are UN, absent and none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Initial {
    /// Per node and file: the mode owned.
    pub modes: [[Mode; MAX_FILES]; MAX_NODES],
    /// Per node, file and page: what the page cache holds.
    pub cached: [[[Page; MAX_PAGES]; MAX_FILES]; MAX_NODES],
    /// What nodes that own nothing have at the lock space. The first
    /// alternative where no node owns nothing, and without a lock space.
    pub lock_object: LockObject,
    /// Per page of user memory: its page-table entry.
    pub ptes: [Pte; MAX_VPAGES],
}

/// All initial states of `scenario`, each once, in a fixed order.
///
/// Empty if its alternatives contradict one another; a scenario that was read
/// from a file has at least one and at most [`MAX_INITIAL`], and no more than
/// that and one are made of any other.
pub fn initial_assignments(scenario: &Scenario) -> Vec<Initial> {
    let mut all = vec![Initial::empty()];
    for file in 0..scenario.files.len() {
        let parts = file_parts(scenario, file);
        let indices: Vec<usize> = (0..parts.len()).collect();
        all = product(&all, &indices, |mut initial, part| {
            parts[part].put(&mut initial, file);
            Some(initial)
        });
    }
    for (index, ptes) in memory_parts(scenario) {
        all = product(&all, &ptes, |mut initial, pte| {
            initial.ptes[index] = pte;
            Some(initial)
        });
    }
    let objects = distinct(scenario.lock_object.iter().copied());
    let first = objects.first().copied().unwrap_or(LockObject::Null);
    for initial in &mut all {
        initial.lock_object = first;
    }
    for object in objects.into_iter().skip(1) {
        let needed = |i: &&Initial| i.lock_object == first && i.lock_object_matters(scenario);
        let more: Vec<Initial> = all.iter().filter(needed).copied().collect();
        all.extend(more.into_iter().map(|initial| Initial {
            lock_object: object,
            ..initial
        }));
    }
    all
}

/// Are there more than [`MAX_INITIAL`] choices? Errs on the side of yes where
/// several choices come to the same.
pub(super) fn too_many(scenario: &Scenario) -> bool {
    let mut count = scenario.lock_object.len().max(1);
    for file in 0..scenario.files.len() {
        let starts = file_starts(scenario, file).len();
        if starts > MAX_INITIAL {
            return true;
        }
        count = count.saturating_mul(starts);
    }
    for (_, ptes) in memory_parts(scenario) {
        count = count.saturating_mul(ptes.len());
    }
    count > MAX_INITIAL
}

impl Initial {
    /// Nobody owns, caches or maps anything.
    const fn empty() -> Initial {
        Initial {
            modes: [[Mode::Un; MAX_FILES]; MAX_NODES],
            cached: [[[Page::Absent; MAX_PAGES]; MAX_FILES]; MAX_NODES],
            lock_object: LockObject::Null,
            ptes: [Pte::None; MAX_VPAGES],
        }
    }

    /// Does some node own nothing of some file, in a lock space?
    fn lock_object_matters(&self, scenario: &Scenario) -> bool {
        let files = scenario.files.len();
        let mut nodes = self.modes[..scenario.nodes as usize].iter();
        scenario.lock == LockManager::Dlm && nodes.any(|n| n[..files].contains(&Mode::Un))
    }
}

/// How one file starts on all nodes.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FilePart {
    modes: [Mode; MAX_NODES],
    cached: [[Page; MAX_PAGES]; MAX_NODES],
    /// Of the user pages it backs; the others are [`Pte::None`].
    ptes: [Pte; MAX_VPAGES],
}

impl FilePart {
    /// Enters this part into `initial`.
    fn put(&self, initial: &mut Initial, file: usize) {
        for node in 0..MAX_NODES {
            initial.modes[node][file] = self.modes[node];
            initial.cached[node][file] = self.cached[node];
        }
        for (all, own) in initial.ptes.iter_mut().zip(self.ptes) {
            *all = (*all).max(own);
        }
    }
}

/// The consistent alternatives of one file, each once.
fn file_parts(scenario: &Scenario, file: usize) -> Vec<FilePart> {
    let starts = file_starts(scenario, file);
    distinct(starts.into_iter().map(|start| start.part(scenario, file)))
}

/// The alternatives of the user pages without a file behind them, by index.
fn memory_parts(scenario: &Scenario) -> Vec<(usize, Vec<Pte>)> {
    let vpages = scenario.vpages.iter().enumerate();
    vpages
        .filter(|(_, v)| v.kind.backing().is_none())
        .map(|(i, v)| {
            let allowed = v.initial.iter().copied().filter(|p| match v.kind {
                VpageKind::Anon => true,
                VpageKind::Io => *p != Pte::Ro,
                _ => *p == Pte::None,
            });
            (i, distinct(allowed))
        })
        .collect()
}

/// One choice of the alternatives written for a file, all of them consistent.
#[derive(Clone)]
pub(super) struct FileStart {
    /// The mode on each node.
    pub(super) modes: [Mode; MAX_NODES],
    /// What `cached` says for each node.
    pub(super) cached: [Page; MAX_NODES],
    /// The entries of the user pages it backs.
    pub(super) ptes: [Pte; MAX_VPAGES],
}

/// All consistent choices for a file; no more than [`MAX_INITIAL`] + 1.
pub(super) fn file_starts(scenario: &Scenario, file: usize) -> Vec<FileStart> {
    let spec = &scenario.files[file];
    let mut all = Vec::new();
    // What is left of the modes has a choice for everything that follows, so
    // that cutting off is the same as having too many.
    for modes in mode_choices(scenario, file) {
        all.push(FileStart {
            modes,
            cached: [Page::Absent; MAX_NODES],
            ptes: [Pte::None; MAX_VPAGES],
        });
    }
    for node in 0..scenario.nodes as usize {
        all = product(&all, &spec.cached[node], |mut s, cached| {
            s.cached[node] = cached;
            page_allowed(cached, s.modes[node]).then_some(s)
        });
    }
    for (vpage, node) in backed_by(scenario, file) {
        all = product(&all, &scenario.vpages[vpage].initial, |mut s, pte| {
            s.ptes[vpage] = pte;
            pte_allowed(scenario, vpage, pte, s.modes[node]).then_some(s)
        });
    }
    all
}

/// The modes that the nodes may own together, each with some alternative left
/// for what is cached and for every page-table entry.
fn mode_choices(scenario: &Scenario, file: usize) -> Vec<[Mode; MAX_NODES]> {
    let mut all = compatible_modes(scenario, file);
    all.retain(|modes| {
        let cached = &scenario.files[file].cached;
        let mut nodes = cached.iter().zip(modes);
        let mut vpages = backed_by(scenario, file);
        nodes.all(|(cached, mode)| cached.iter().any(|c| page_allowed(*c, *mode)))
            && vpages.all(|(v, node)| {
                let mut ptes = scenario.vpages[v].initial.iter();
                ptes.any(|p| pte_allowed(scenario, v, *p, modes[node]))
            })
    });
    all
}

/// The modes that the nodes may own together (G2), whatever else is asked for.
pub(super) fn compatible_modes(scenario: &Scenario, file: usize) -> Vec<[Mode; MAX_NODES]> {
    let mut all = vec![[Mode::Un; MAX_NODES]];
    for node in 0..scenario.nodes as usize {
        let alternatives = &scenario.files[file].modes[node];
        all = product(&all, alternatives, |mut modes, mode| {
            modes[node] = mode;
            let earlier = &modes[..node];
            earlier.iter().all(|m| m.compatible(mode)).then_some(modes)
        });
    }
    all
}

/// The user pages that `file` backs, each with the node it is on.
pub(super) fn backed_by(
    scenario: &Scenario,
    file: usize,
) -> impl Iterator<Item = (usize, usize)> + '_ {
    let vpages = scenario.vpages.iter().enumerate();
    vpages
        .filter(move |(_, v)| v.kind.backing().is_some_and(|(f, _)| f as usize == file))
        .map(|(i, v)| (i, scenario.mms[v.mm as usize].node as usize))
}

impl FileStart {
    /// The state it stands for: pages that an entry needs are cached as well.
    fn part(&self, scenario: &Scenario, file: usize) -> FilePart {
        let mut cached = [[Page::Absent; MAX_PAGES]; MAX_NODES];
        let pages = scenario.files[file].pages as usize;
        let size = scenario.files[file].size as usize;
        for (node, said) in self.cached.iter().enumerate() {
            cached[node][..size].fill(*said);
        }
        for (vpage, node) in backed_by(scenario, file) {
            let kind = scenario.vpages[vpage].kind;
            if let Some((_, page)) = kind.backing()
                && (page as usize) < pages
            {
                let page = &mut cached[node][page as usize];
                *page = (*page).max(page_needed(kind, self.ptes[vpage]));
            }
        }
        FilePart {
            modes: self.modes,
            cached,
            ptes: self.ptes,
        }
    }
}

/// May a page be cached like this under `mode`? Rule G1.
pub(super) const fn page_allowed(page: Page, mode: Mode) -> bool {
    match page {
        Page::Absent => true,
        Page::Clean => mode.allows_cached(),
        Page::Dirty => mode.allows_dirty(),
    }
}

/// What the page behind an entry must at least be.
const fn page_needed(kind: VpageKind, pte: Pte) -> Page {
    match (kind, pte) {
        (_, Pte::None) => Page::Absent,
        (_, Pte::Ro) => Page::Clean,
        (VpageKind::Shared { .. }, Pte::Rw) => Page::Dirty,
        // Written before: a copy, which has left the file behind.
        (_, Pte::Rw) => Page::Absent,
    }
}

/// May user page `vpage`, which a file backs, start with `pte` under `mode`?
/// Beyond the end of the file nothing is ever mapped (M7).
pub(super) fn pte_allowed(scenario: &Scenario, vpage: usize, pte: Pte, mode: Mode) -> bool {
    let kind = scenario.vpages[vpage].kind;
    let inside = kind
        .backing()
        .is_none_or(|(file, page)| page < scenario.files[file as usize].pages);
    (pte == Pte::None || inside) && page_allowed(page_needed(kind, pte), mode)
}

/// Every one of `all` with every alternative that `put` accepts, in order; cut
/// off where there are more than [`MAX_INITIAL`].
fn product<T: Clone, A: Copy>(
    all: &[T],
    alternatives: &[A],
    put: impl Fn(T, A) -> Option<T>,
) -> Vec<T> {
    let pairs = all
        .iter()
        .flat_map(|one| alternatives.iter().map(move |a| (one.clone(), *a)));
    pairs
        .filter_map(|(one, alternative)| put(one, alternative))
        .take(MAX_INITIAL + 1)
        .collect()
}

/// The items without repetitions, in order.
fn distinct<T: Clone + Eq + Hash>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(item.clone())).collect()
}
