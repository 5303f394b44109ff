//! Initial states against a brute-force search with the rules written out.

use glock_model::mode::Mode;
use glock_model::scenario::*;
use proptest::prelude::*;
use std::collections::HashSet;

const PAGES: [Page; 3] = [Page::Absent, Page::Clean, Page::Dirty];
const PTES: [Pte; 3] = [Pte::None, Pte::Ro, Pte::Rw];

/// Is `initial` an initial state of `s`, and written in the one way there is?
fn consistent(s: &Scenario, initial: &Initial) -> bool {
    let nodes = 0..s.nodes as usize;
    let files = 0..s.files.len();
    let own_nothing = nodes
        .clone()
        .any(|n| files.clone().any(|f| initial.modes[n][f] == Mode::Un));
    let object = match s.lock == LockManager::Dlm && own_nothing {
        true => s.lock_object.contains(&initial.lock_object),
        false => initial.lock_object == s.lock_object[0],
    };
    object
        && nodes.clone().all(|n| {
            files.clone().all(|f| {
                let mode = initial.modes[n][f];
                s.files[f].modes[n].contains(&mode)
                    && nodes
                        .clone()
                        .all(|m| n == m || mode.compatible(initial.modes[m][f]))
                    && cached(s, initial, n, f)
            })
        })
        && (0..s.vpages.len()).all(|v| mapped(s, initial, v))
}

/// Is what the node has cached an alternative, but for pages that entries need?
fn cached(s: &Scenario, initial: &Initial, node: usize, file: usize) -> bool {
    let mode = initial.modes[node][file];
    s.files[file].cached[node].iter().any(|said| {
        let possible = match said {
            Page::Absent => true,
            Page::Clean => mode == Mode::Sh || mode == Mode::Ex,
            Page::Dirty => mode == Mode::Ex,
        };
        let pages = 0..s.files[file].pages as usize;
        let mut as_said = pages.map(|page| {
            let needed = s.vpages.iter().enumerate().map(|(v, spec)| {
                let here = spec.kind.backing() == Some((file as u8, page as u8))
                    && s.mms[spec.mm as usize].node as usize == node;
                match (here, initial.ptes[v], spec.kind) {
                    (true, Pte::Ro, _) => Page::Clean,
                    (true, Pte::Rw, VpageKind::Shared { .. }) => Page::Dirty,
                    _ => Page::Absent,
                }
            });
            let least = needed.max().unwrap_or(Page::Absent);
            initial.cached[node][file][page] == least.max(*said)
        });
        possible && as_said.all(|page| page)
    })
}

/// Is the entry an alternative, and its page in the cache under a mode for it?
fn mapped(s: &Scenario, initial: &Initial, vpage: usize) -> bool {
    let spec = &s.vpages[vpage];
    let pte = initial.ptes[vpage];
    let node = s.mms[spec.mm as usize].node as usize;
    let under = |(file, page): (u8, u8)| {
        let (file, page) = (file as usize, page as usize);
        let inside = page < s.files[file].pages as usize;
        let page = match inside {
            true => initial.cached[node][file][page],
            false => Page::Absent,
        };
        (initial.modes[node][file], page, inside)
    };
    spec.initial.contains(&pte)
        && match (spec.kind, pte) {
            (_, Pte::None) => true,
            (VpageKind::Bad | VpageKind::Served { .. } | VpageKind::Zero, _)
            | (VpageKind::Io, Pte::Ro) => false,
            (VpageKind::Anon, _) | (VpageKind::Io, Pte::Rw) => true,
            (VpageKind::Shared { file, page }, Pte::Rw) => {
                under((file, page)) == (Mode::Ex, Page::Dirty, true)
            }
            (VpageKind::Private { file, page }, Pte::Rw) => under((file, page)).2,
            (VpageKind::Shared { file, page } | VpageKind::Private { file, page }, Pte::Ro) => {
                let (mode, page, inside) = under((file, page));
                inside && page != Page::Absent && (mode == Mode::Sh || mode == Mode::Ex)
            }
        }
}

/// Every value of every variable the scenario has.
fn brute_force(s: &Scenario) -> HashSet<Initial> {
    let mut all = vec![Initial {
        modes: Default::default(),
        cached: Default::default(),
        lock_object: s.lock_object[0],
        ptes: Default::default(),
    }];
    for node in 0..s.nodes as usize {
        for file in 0..s.files.len() {
            all = vary(all, &Mode::ALL, |i, m| i.modes[node][file] = m);
            for page in 0..s.files[file].pages as usize {
                all = vary(all, &PAGES, |i, p| i.cached[node][file][page] = p);
            }
        }
    }
    for vpage in 0..s.vpages.len() {
        all = vary(all, &PTES, |i, p| i.ptes[vpage] = p);
    }
    all = vary(all, &[LockObject::Null, LockObject::Absent], |i, o| {
        i.lock_object = o
    });
    all.retain(|initial| consistent(s, initial));
    all.into_iter().collect()
}

fn vary<T: Copy>(all: Vec<Initial>, values: &[T], set: impl Fn(&mut Initial, T)) -> Vec<Initial> {
    let mut varied = Vec::new();
    for initial in all {
        for value in values {
            let mut other = initial;
            set(&mut other, *value);
            varied.push(other);
        }
    }
    varied
}

fn check(s: &Scenario) -> Result<(), TestCaseError> {
    let listed = initial_assignments(s);
    let set: HashSet<Initial> = listed.iter().copied().collect();
    prop_assert_eq!(set.len(), listed.len(), "listed twice");
    prop_assert_eq!(set, brute_force(s));
    Ok(())
}

fn some<T: Copy + std::fmt::Debug + 'static>(
    values: &'static [T],
) -> impl Strategy<Value = Vec<T>> {
    proptest::sample::subsequence(values, 1..=values.len()).prop_shuffle()
}

fn vpage(mms: u8, files: u8) -> impl Strategy<Value = VpageSpec> {
    let kind = prop_oneof![
        (0..files, 0..3u8).prop_map(|(file, page)| VpageKind::Shared { file, page }),
        (0..files, 0..3u8).prop_map(|(file, page)| VpageKind::Private { file, page }),
        Just(VpageKind::Anon),
        Just(VpageKind::Zero),
        Just(VpageKind::Io),
        Just(VpageKind::Bad),
    ];
    (0..mms, kind, some(&PTES)).prop_map(|(mm, kind, initial)| VpageSpec { mm, kind, initial })
}

/// A scenario without tasks: nothing starts with them. Not all can be written in
/// a file: some have no initial state.
fn scenario(nodes: u8, files: usize, pages: u8) -> impl Strategy<Value = Scenario> {
    let n = nodes as usize;
    let file = (
        proptest::collection::vec(some(&Mode::ALL), n),
        proptest::collection::vec(some(&PAGES), n),
    )
        .prop_map(move |(modes, cached)| FileSpec {
            name: "F".into(),
            pages,
            size: pages,
            modes,
            cached,
            holes: 0,
            chunk: 1,
        });
    (
        proptest::collection::vec(file, files),
        proptest::collection::vec(vpage(nodes, files as u8), 0..=2),
        some(&[LockObject::Null, LockObject::Absent]),
        any::<bool>(),
    )
        .prop_map(move |(files, vpages, lock_object, dlm)| Scenario {
            name: "random".into(),
            description: String::new(),
            nodes,
            lock: match dlm || nodes > 1 {
                true => LockManager::Dlm,
                false => LockManager::Nolock,
            },
            lock_object,
            hold_time: true,
            files,
            mms: (0..nodes)
                .map(|node| MmSpec {
                    name: format!("A{node}"),
                    node,
                })
                .collect(),
            vpages,
            tasks: Vec::new(),
            events: Events::default(),
            switches: Switches::default(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_node_one_file(s in scenario(1, 1, 2)) {
        check(&s)?;
    }

    #[test]
    fn two_nodes_one_file(s in scenario(2, 1, 2)) {
        check(&s)?;
    }

    #[test]
    fn one_node_two_files(s in scenario(1, 2, 1)) {
        check(&s)?;
    }

    #[test]
    fn three_nodes_one_file(s in scenario(3, 1, 1)) {
        check(&s)?;
    }
}

#[test]
fn the_smallest_shipped_scenarios_agree_with_brute_force() {
    let library = Library::builtin();
    for name in ["own-direct-read-same-page", "lone-direct-read-idle-remote"] {
        let s = library.load(name).unwrap();
        // Two nodes with two files of two pages are too many to vary in full.
        if s.nodes == 1 {
            check(&s).unwrap();
        }
        assert!(initial_assignments(&s).iter().all(|i| consistent(&s, i)));
    }
}

#[test]
fn a_page_that_an_entry_needs_is_cached_alone() {
    let text = r#"
        files.F1 = { mode = ["UN", "EX"] }
        [[tasks]]
        op = "load"
        buffer = { shared = "F1", page = 1, pte = ["none", "ro", "rw"] }
    "#;
    let s = Scenario::from_toml(text, "test").unwrap();
    let all: Vec<_> = initial_assignments(&s)
        .iter()
        .map(|i| (i.modes[0][0], i.ptes[0], i.cached[0][0]))
        .collect();
    let page = |second| [Page::Absent, second, Page::Absent, Page::Absent];
    assert_eq!(
        all,
        [
            (Mode::Un, Pte::None, page(Page::Absent)),
            (Mode::Ex, Pte::None, page(Page::Absent)),
            (Mode::Ex, Pte::Ro, page(Page::Clean)),
            (Mode::Ex, Pte::Rw, page(Page::Dirty)),
        ]
    );
}

#[test]
fn lock_objects_multiply_only_where_a_node_owns_nothing() {
    let text = r#"
        nodes = 2
        lock_object = ["null", "absent"]
        files.F1 = { mode = { node1 = ["SH"], node2 = ["UN", "SH"] } }
        [[tasks]]
        op = "direct_read"
        file = "F1"
        buffer = { anon = "present" }
    "#;
    let s = Scenario::from_toml(text, "test").unwrap();
    let all: Vec<_> = initial_assignments(&s)
        .iter()
        .map(|i| (i.modes[1][0], i.lock_object))
        .collect();
    assert_eq!(
        all,
        [
            (Mode::Un, LockObject::Null),
            (Mode::Sh, LockObject::Null),
            (Mode::Un, LockObject::Absent),
        ]
    );
}
