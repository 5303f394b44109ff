//! Does every alternative of the initial state occur? One that contradicts all
//! the others is a mistake in the file: its author expects it to be checked.

use super::error::{ScenarioError, Source, joined};
use super::initial::{
    FileStart, backed_by, compatible_modes, file_starts, page_allowed, pte_allowed, too_many,
};
use super::value::Read;
use super::write::{page_name, pte_name};
use super::*;
use std::ops::Range;

/// Where the alternatives stand in the file.
#[derive(Default)]
pub(super) struct Spans {
    /// Per file: its name.
    pub(super) files: Vec<Range<usize>>,
    /// Per file and node: `mode`.
    pub(super) modes: Vec<Vec<Range<usize>>>,
    /// Per file and node: `cached`.
    pub(super) cached: Vec<Vec<Range<usize>>>,
    /// Per user page: `pte`.
    pub(super) ptes: Vec<Range<usize>>,
    /// `lock_object`.
    pub(super) lock_object: Option<Range<usize>>,
}

/// Checks the alternatives of a scenario that is complete otherwise.
pub(super) fn check(source: &Source, scenario: &Scenario, spans: &Spans) -> Read<()> {
    let check = Check {
        source,
        scenario,
        spans,
    };
    for file in 0..scenario.files.len() {
        check.modes_go_together(file)?;
        check.cached_pages_have_a_mode(file)?;
        check.entries_have_a_mode(file)?;
        check.every_mode_occurs(file)?;
    }
    check.lock_object_matters()?;
    check.not_too_many()
}

struct Check<'a> {
    source: &'a Source<'a>,
    scenario: &'a Scenario,
    spans: &'a Spans,
}

impl Check<'_> {
    fn modes_go_together(&self, file: usize) -> Read<()> {
        let name = &self.scenario.files[file].name;
        let together = compatible_modes(self.scenario, file);
        let help = "two nodes can own UN and anything, SH and SH, or DF and DF";
        if together.is_empty() {
            let message = format!("no modes of {name} listed for its nodes go together");
            return Err(self
                .source
                .error(self.spans.modes[file][0].clone(), message)
                .label("the nodes exclude one another")
                .help(help));
        }
        for (node, modes) in self.scenario.files[file].modes.iter().enumerate() {
            for mode in modes {
                if !together.iter().any(|t| t[node] == *mode) {
                    let message = format!(
                        "node {} can never start with {mode} of {name}: \
                         no mode listed for another node goes with it",
                        node + 1
                    );
                    let span = self.spans.modes[file][node].clone();
                    return Err(self.never(span, message).help(help));
                }
            }
        }
        Ok(())
    }

    fn cached_pages_have_a_mode(&self, file: usize) -> Read<()> {
        let spec = &self.scenario.files[file];
        for (node, cached) in spec.cached.iter().enumerate() {
            for page in cached {
                let modes = &spec.modes[node];
                if !modes.iter().any(|m| page_allowed(*page, *m)) {
                    let message = format!(
                        "node {} cannot cache {} pages of {} under {}",
                        node + 1,
                        page_name(*page),
                        spec.name,
                        alternatives(modes)
                    );
                    let span = self.spans.cached[file][node].clone();
                    return Err(self.never(span, message).help(
                        "clean pages need SH or EX, dirty pages EX; \
                         nodes can differ: `cached = { node1 = \"clean\" }`",
                    ));
                }
            }
        }
        Ok(())
    }

    fn entries_have_a_mode(&self, file: usize) -> Read<()> {
        let spec = &self.scenario.files[file];
        for (vpage, node) in backed_by(self.scenario, file) {
            let modes = &spec.modes[node];
            let allowed = |pte| {
                let mut modes = modes.iter();
                modes.any(|m| pte_allowed(self.scenario, vpage, pte, *m))
            };
            let entries = &self.scenario.vpages[vpage].initial;
            if let Some(pte) = entries.iter().find(|p| !allowed(**p)) {
                return Err(self.entry_without_mode(file, vpage, node, *pte));
            }
        }
        Ok(())
    }

    fn entry_without_mode(
        &self,
        file: usize,
        vpage: usize,
        node: usize,
        pte: Pte,
    ) -> ScenarioError {
        let spec = &self.scenario.files[file];
        let span = self.spans.ptes[vpage].clone();
        let (name, pages, pte) = (&spec.name, spec.pages, pte_name(pte));
        let backing = self.scenario.vpages[vpage].kind.backing();
        if backing.is_some_and(|(_, page)| page >= pages) {
            let message = format!(
                "\"{pte}\" cannot be: {name} has {pages} pages, and nothing beyond is ever mapped"
            );
            return self
                .never(span, message)
                .help("leave `pte` out: an access beyond the end is a bad address");
        }
        let message = format!(
            "no mode listed for {name} on node {} allows \"{pte}\"",
            node + 1
        );
        self.never(span, message).help(format!(
            "\"ro\" needs SH or EX, \"rw\" of a shared mapping EX; listed is {}",
            alternatives(&spec.modes[node])
        ))
    }

    /// What the checks above let pass may still contradict something together.
    fn every_mode_occurs(&self, file: usize) -> Read<()> {
        let spec = &self.scenario.files[file];
        let starts = file_starts(self.scenario, file);
        if starts.is_empty() {
            let message = format!("{} has no consistent initial state", spec.name);
            return Err(self
                .source
                .error(self.spans.files[file].clone(), message)
                .help(
                    "for every choice of modes, something listed under `cached` and \
                     every `pte` must be possible: add \"no\" and \"none\" there",
                ));
        }
        for node in 0..self.scenario.nodes as usize {
            self.modes_occur(file, node, &starts)?;
        }
        // Under a mode that occurs, so does everything it allows.
        Ok(())
    }

    fn modes_occur(&self, file: usize, node: usize, starts: &[FileStart]) -> Read<()> {
        let spec = &self.scenario.files[file];
        let occurs = |m: &&Mode| starts.iter().any(|s| s.modes[node] == **m);
        let Some(mode) = spec.modes[node].iter().find(|m| !occurs(m)) else {
            return Ok(());
        };
        let (name, number) = (&spec.name, node + 1);
        let span = self.spans.modes[file][node].clone();
        let message = format!("node {number} can never start with {mode} of {name}");
        Err(self.never(span, message).help(format!(
            "{mode} contradicts what is cached or mapped in every case: \
             leave it out, or add \"no\" to `cached` and \"none\" to `pte`"
        )))
    }

    fn lock_object_matters(&self) -> Read<()> {
        let owns_nothing = |f: &FileSpec| f.modes.iter().any(|m| m.contains(&Mode::Un));
        match &self.spans.lock_object {
            Some(span) if !self.scenario.files.iter().any(owns_nothing) => Err(self
                .never(span.clone(), "no node ever starts owning nothing".into())
                .help("`lock_object` is about nodes with mode UN: leave it out")),
            _ => Ok(()),
        }
    }

    fn not_too_many(&self) -> Read<()> {
        if !too_many(self.scenario) {
            return Ok(());
        }
        Err(self
            .source
            .error(
                self.spans.files[0].clone(),
                format!("there are more than {MAX_INITIAL} initial states"),
            )
            .label("alternatives multiply")
            .help("shorten the lists of `mode`, `cached` and `pte`"))
    }

    fn never(&self, span: Range<usize>, message: String) -> ScenarioError {
        self.source.error(span, message).label("never happens")
    }
}

/// "SH", "UN or DF", … for a sentence.
fn alternatives(modes: &[Mode]) -> String {
    let names: Vec<&str> = modes.iter().map(|m| m.name()).collect();
    joined(&names, "or")
}
