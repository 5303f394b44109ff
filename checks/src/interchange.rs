//! What is interchangeable in a scenario, for people and machines.

use glock_model::cluster::Cluster;
use glock_model::symmetry::{Renaming, Symmetry};
use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// Something with a name that may change: its kind, and its index in the scenario.
type Thing = (Kind, u8);

/// What changes places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Node,
    File,
    Task,
}

/// The symmetry of a scenario in names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interchange {
    /// The order of the group.
    pub(crate) order: usize,
    /// What changes places independently of one another; none if nothing does.
    pub(crate) parts: Vec<Part>,
}

/// Things that change places together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Each with its name.
    things: Vec<(Kind, String)>,
    /// In how many ways.
    pub(crate) ways: usize,
    /// Is that every way in which as many can be arranged?
    is_every_way: bool,
}

impl Interchange {
    /// The symmetry of a cluster, if it was looked for.
    pub(crate) fn of(cluster: &Cluster) -> Option<Interchange> {
        let symmetry = cluster.symmetry()?;
        let parts = parts(cluster, symmetry);
        Some(Interchange {
            order: symmetry.order(),
            parts: parts
                .into_iter()
                .map(|things| Part::new(cluster, symmetry, &things))
                .collect(),
        })
    }
}

/// What a thing becomes.
fn image(renaming: &Renaming, (kind, index): Thing) -> Thing {
    let index = match kind {
        Kind::Node => renaming.nodes[index as usize],
        Kind::File => renaming.files[index as usize],
        Kind::Task => renaming.tasks[index as usize],
    };
    (kind, index)
}

/// The orbits with more than one thing, put together where one cannot be changed without the other.
fn parts(cluster: &Cluster, symmetry: &Symmetry) -> Vec<BTreeSet<Thing>> {
    let scenario = cluster.scenario();
    let all = [
        (Kind::Node, scenario.nodes as usize),
        (Kind::File, scenario.files.len()),
        (Kind::Task, scenario.tasks.len()),
    ];
    let things = all
        .into_iter()
        .flat_map(|(kind, n)| (0..n as u8).map(move |i| (kind, i)));
    let orbit = |thing| -> BTreeSet<Thing> {
        symmetry
            .renamings()
            .iter()
            .map(|r| image(r, thing))
            .collect()
    };
    let orbits: BTreeSet<BTreeSet<Thing>> = things.map(orbit).filter(|o| o.len() > 1).collect();
    let mut parts: Vec<BTreeSet<Thing>> = Vec::new();
    for orbit in orbits {
        let tied = |part: &BTreeSet<Thing>| !are_independent(symmetry, part, &orbit);
        let (together, mut apart): (Vec<_>, Vec<_>) = parts.into_iter().partition(tied);
        apart.push(together.into_iter().flatten().chain(orbit).collect());
        parts = apart;
    }
    parts.sort();
    parts
}

/// Can each of the two be changed while the other stays?
fn are_independent(symmetry: &Symmetry, one: &BTreeSet<Thing>, other: &BTreeSet<Thing>) -> bool {
    let stays = |r: &Renaming, things: &BTreeSet<Thing>| things.iter().all(|&t| image(r, t) == t);
    let changes_alone = |moves: &BTreeSet<Thing>, rests: &BTreeSet<Thing>| {
        let exchanges = symmetry.exchanges().iter();
        exchanges
            .into_iter()
            .any(|r| stays(r, rests) && !stays(r, moves))
    };
    changes_alone(one, other) && changes_alone(other, one)
}

impl Part {
    /// In the order of a sentence.
    pub(crate) const KINDS: [Kind; 3] = [Kind::Node, Kind::File, Kind::Task];

    fn new(cluster: &Cluster, symmetry: &Symmetry, things: &BTreeSet<Thing>) -> Part {
        let arrangements: HashSet<Vec<Thing>> = symmetry
            .renamings()
            .iter()
            .map(|r| things.iter().map(|&t| image(r, t)).collect())
            .collect();
        let most = Part::KINDS.map(|kind| things.iter().filter(|t| t.0 == kind).count());
        let every_way: usize = (1..=most.into_iter().max().unwrap_or(0)).product();
        let scenario = cluster.scenario();
        let named = |&(kind, index): &Thing| {
            let name = match kind {
                Kind::Node => (index + 1).to_string(),
                Kind::File => scenario.files[index as usize].name.clone(),
                Kind::Task => scenario.tasks[index as usize].name.clone(),
            };
            (kind, name)
        };
        Part {
            things: things.iter().map(named).collect(),
            ways: arrangements.len(),
            is_every_way: arrangements.len() == every_way,
        }
    }

    /// The names of the things of this kind, in the scenario's order.
    pub(crate) fn names(&self, kind: Kind) -> Vec<String> {
        let of_kind = self.things.iter().filter(|(k, _)| *k == kind);
        of_kind.map(|(_, name)| name.clone()).collect()
    }
}

/// `nodes 1 and 2 together with tasks P1 and P2`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = |kind| match kind {
            Kind::Node => "nodes",
            Kind::File => "files",
            Kind::Task => "tasks",
        };
        let kinds = Part::KINDS
            .into_iter()
            .map(|kind| (what(kind), self.names(kind)));
        let mut kinds = kinds.filter(|(_, names)| !names.is_empty());
        if let Some((what, names)) = kinds.next() {
            write!(f, "{what} {}", and(&names))?;
        }
        for (i, (what, names)) in kinds.enumerate() {
            let with = if i == 0 { "together with" } else { "and" };
            write!(f, " {with} {what} {}", and(&names))?;
        }
        Ok(())
    }
}

impl fmt::Display for Interchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts.iter().enumerate() {
            match i {
                0 => write!(f, "{part} are interchangeable")?,
                _ => write!(f, ", so are {part}")?,
            }
            if !part.is_every_way {
                write!(f, " in {} ways", part.ways)?;
            }
        }
        write!(f, " (group of order {})", self.order)
    }
}

/// `P1, P2 and P3`.
fn and(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glock_model::design;
    use glock_model::scenario::{self, Scenario};

    fn told(scenario: Scenario) -> String {
        let base = design::Library::builtin().load("base").expect("built in");
        let cluster = Cluster::new(scenario, base.program).expect("they go together");
        assert_eq!(Interchange::of(&cluster), None, "nobody asked");
        Interchange::of(&cluster.with_symmetry())
            .expect("asked for")
            .to_string()
    }

    fn built_in(name: &str) -> String {
        told(scenario::Library::builtin().load(name).expect("built in"))
    }

    #[test]
    fn what_goes_together_is_named_together() {
        assert_eq!(
            built_in("race-direct-read-two-nodes"),
            "nodes 1 and 2 together with files F1 and F2 and tasks P1 and P2 are interchangeable \
             (group of order 2)"
        );
        assert_eq!(
            built_in("third-writer-buffered-read-private-both"),
            "files F1 and F2 together with tasks P1, P2, P3 and P4 are interchangeable in 2 ways \
             (group of order 2)"
        );
        assert_eq!(
            built_in("ring-direct-read"),
            "nodes 1, 2 and 3 together with files F1, F2 and F3 and tasks P1, P2 and P3 are \
             interchangeable in 3 ways (group of order 3)"
        );
    }

    #[test]
    fn what_is_independent_is_named_apart() {
        let text = "
            [files.F1]
            [[tasks]]
            op = \"load\"
            buffer = { anon = \"absent\" }
            [[tasks]]
            op = \"load\"
            buffer = { anon = \"absent\" }
            [[tasks]]
            op = \"buffered_read\"
            file = \"F1\"
            buffer = { anon = \"absent\" }
            [[tasks]]
            op = \"buffered_read\"
            file = \"F1\"
            buffer = { anon = \"absent\" }
            [[tasks]]
            op = \"buffered_read\"
            file = \"F1\"
            buffer = { anon = \"absent\" }
        ";
        let scenario = Scenario::from_toml(text, "test.toml").expect("right");
        assert_eq!(
            told(scenario),
            "tasks P1 and P2 are interchangeable, so are tasks P3, P4 and P5 (group of order 12)"
        );
    }
}
