//! No line is wider than asked for, and no text is lost.

mod support;

use glock_model::program::Program;
use glock_model::property::Property;
use glock_model::scenario::Library;
use glock_traces::{COMMIT_WIDTH, DesignLines, Style, WIDTH, closing, describe_state};
use proptest::prelude::*;
use support::{base, every_start, restart_hack, walk};

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn check(scenario: &str, design: Program, start: usize, choices: &[u8]) {
    let history = walk(&every_start(scenario, design), start, choices);
    for width in [40, COMMIT_WIDTH, WIDTH] {
        for design_lines in [DesignLines::Omitted, DesignLines::Shown] {
            let style = Style {
                width,
                design_lines,
            };
            let mut text = style.table(&history);
            for property in Property::ALL {
                text += &closing(&history, property, style);
            }
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{scenario}: {line}\n{text}");
            }
            let all = squeezed(&text);
            for line in history.steps().iter().flat_map(|s| &s.lines) {
                assert!(all.contains(&squeezed(&line.call)), "{line:?}\n{text}");
            }
        }
    }
    let dump = describe_state(history.cluster(), history.last());
    assert!(dump.lines().all(|l| l.chars().count() <= WIDTH), "{dump}");
}

proptest! {
    #[test]
    fn no_line_is_too_wide(
        scenario in any::<prop::sample::Index>(),
        rfc in any::<bool>(),
        start in 0usize..1000,
        choices in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let library = Library::builtin();
        let names: Vec<&str> = library.names().collect();
        let design = if rfc { restart_hack() } else { base() };
        check(names[scenario.index(names.len())], design, start, &choices);
    }
}
