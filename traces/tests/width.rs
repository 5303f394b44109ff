//! No line is wider than asked for, and no text is lost.

mod support;

use glock_model::property::Property;
use glock_model::scenario::Library;
use glock_traces::{
    Actor, COMMIT_WIDTH, DesignLines, History, Style, WIDTH, closing, describe_state,
};
use proptest::prelude::*;
use support::{designs_for, every_start, in_small_steps, walk};

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn check(scenario: &str, history: &History) {
    for width in [40, COMMIT_WIDTH, WIDTH] {
        for design_lines in [DesignLines::Omitted, DesignLines::Shown] {
            let style = Style {
                width,
                design_lines,
            };
            let mut text = style.table(history);
            for property in Property::SAFETY {
                text += &closing(history, property, style);
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
        design in any::<prop::sample::Index>(),
        start in 0usize..1000,
        small_steps in any::<bool>(),
        choices in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let library = Library::builtin();
        let names: Vec<&str> = library.names().collect();
        let scenario = names[scenario.index(names.len())];
        let designs = designs_for(scenario);
        let design = designs[design.index(designs.len())].as_str();
        let cluster = match small_steps {
            true => in_small_steps(scenario, design),
            false => every_start(scenario, design),
        };
        check(scenario, &walk(&cluster, start, &choices));
    }
}

/// A line that is told belongs to the calls told before it: nobody is deeper than one
/// level below the last line of the same task, or below a line before that.
#[test]
fn calls_are_told_before_what_they_do() {
    let mut x: u32 = 7;
    let mut random = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    };
    for name in Library::builtin().names() {
        for design in &designs_for(name) {
            for cluster in [every_start(name, design), in_small_steps(name, design)] {
                let choices: Vec<u8> = (0..100).map(|_| random()).collect();
                let history = walk(&cluster, random() as usize, &choices);
                for task in 0..cluster.scenario().tasks.len() as u8 {
                    let lines = history.steps().iter().flat_map(|s| &s.lines);
                    let mut last = 0;
                    for line in lines.filter(|l| l.actor == Actor::Task(task)) {
                        assert!(
                            line.depth <= last + 1,
                            "{name} {design}: {line:?}\n{}",
                            Style::default().table(&history)
                        );
                        last = line.depth;
                    }
                }
            }
        }
    }
}
