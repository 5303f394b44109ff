//! Who notices? Every fault of the model, and slips in the text of designs, each put to the known
//! answers one at a time, one test a fault: `cargo test --test mutants`. Afterwards a table says
//! which row noticed what.
//!
//! A fault that changes a verdict, or the length of a shortest history, is noticed by an answer; one
//! that changes only how many states there are is noticed by the golden figures, and the table says
//! so. Of one that nobody notices [`UNNOTICED`] says why.

use glock::Options;
use glock::known::{Difference, ask, ask_of};
use glock_model::design::Library;
use glock_model::known::{Answer, Case, Entry, KnownAnswers};
use glock_model::mutant::Mutant;
use glock_model::program::{Program, Source};
use libtest_mimic::{Arguments, Trial};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// Faults that no row notices, and why.
const UNNOTICED: [(Mutant, &str); 1] = [(
    Mutant::SecondDemandLost,
    "whoever still waits is told of again when the first demotion is granted (D4), so that it \
         only takes two demotions instead of one; and no row has two different demands of a glock",
)];

/// A slip in a design's text.
struct Slip {
    about: &'static str,
    design: &'static str,
    function: &'static str,
    /// What stands there, and what instead.
    text: (&'static str, &'static str),
}

const SLIPS: [Slip; 10] = [
    Slip {
        about: "the cumulative result of a direct read is added up",
        design: "fault-in-retry",
        function: "direct_read(file, iter):",
        text: ("read = ret ", "read += ret "),
    },
    Slip {
        about: "the cumulative result of a direct write is added up",
        design: "fault-in-retry",
        function: "gfs2_file_direct_write(file, iter):",
        text: ("written = ret ", "written += ret "),
    },
    Slip {
        about: "what was done before a direct read resumes is not handed on",
        design: "fault-in-retry",
        function: "direct_read(file, iter):",
        text: ("partial done read", "partial"),
    },
    Slip {
        about: "the restart flag is not reset",
        design: "restart-hack",
        function: "direct_read(file, iter):",
        text: ("        restart_hack = 0\n", ""),
    },
    Slip {
        about: "a refused fault answers that there is nothing to do",
        design: "restart-hack",
        function: "refused:",
        text: ("return VM_FAULT_SIGBUS", "return VM_FAULT_NOPAGE"),
    },
    Slip {
        about: "GLR_TRYFAILED is returned for a count",
        design: "fault-in-retry",
        function: "direct_read(file, iter):",
        text: (
            "gfs2_glock_nq file DF",
            "ret = gfs2_glock_nq file DF try\n        if ret return ret",
        ),
    },
    Slip {
        about: "a weak holder is not asked whether it is still queued",
        design: "weak-holders",
        function: "direct_read(file, iter):",
        text: ("        if not gfs2_holder_queued file goto retry\n", ""),
    },
    Slip {
        about: "a buffered read adds nothing up",
        design: "fault-in-retry",
        function: "buffered_read(file, iter):",
        text: ("read += ret", "read = ret"),
    },
    Slip {
        about: "page faults stay disabled",
        design: "fault-in-retry",
        function: "direct_read(file, iter):",
        text: ("        pagefault_enable\n", ""),
    },
    Slip {
        about: "the records of the first try are kept",
        design: "fiemap-fault-in",
        function: "fiemap(file, iter):",
        text: (
            "        iter.mapped = 0                 /* fi_extents_mapped */\n",
            "",
        ),
    },
];

/// Who noticed a fault, and by what.
struct Notice {
    fault: String,
    rule: &'static str,
    about: &'static str,
    by: String,
}

fn main() {
    let arguments = Arguments::from_args();
    let known = KnownAnswers::builtin().unwrap_or_else(|e| panic!("{e}"));
    let answers = Arc::new(in_order_of_size(&known));
    let notices = Arc::new(Mutex::new(Vec::new()));
    let mut trials = Vec::new();
    for &mutant in Mutant::ALL {
        let (answers, notices) = (Arc::clone(&answers), Arc::clone(&notices));
        let fault = format!("{mutant:?}");
        trials.push(Trial::test(fault.clone(), move || {
            let noticed = first_to_notice(&answers, |answer| {
                mutant.within(|| differences(answer, None))
            });
            let excused = UNNOTICED.iter().find(|(m, _)| *m == mutant);
            let by = match (noticed, excused) {
                (Some(by), None) => by,
                (None, Some((_, why))) => format!("nobody: {why}"),
                (None, None) => return Err(format!("nobody notices: {}", mutant.about()).into()),
                (Some(by), Some(_)) => return Err(format!("is noticed: {by}").into()),
            };
            note(&notices, fault, mutant.rule(), mutant.about(), by);
            Ok(())
        }));
    }
    for slip in &SLIPS {
        let (answers, notices) = (Arc::clone(&answers), Arc::clone(&notices));
        trials.push(Trial::test(slip.about, move || {
            let library = Library::builtin().with_file(slipped(slip));
            let noticed = first_to_notice(&answers, |answer| match library.load(&answer.design) {
                Ok(design) => differences(answer, Some(&design.program)),
                Err(error) => Some(format!("the language refuses it: {error}")),
            });
            match noticed {
                Some(by) => note(&notices, slip.design.to_owned(), "", slip.about, by),
                None => return Err("nobody notices".into()),
            }
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    print(&notices.lock().expect("no test panicked in it"));
    conclusion.exit();
}

fn note(
    notices: &Mutex<Vec<Notice>>,
    fault: String,
    rule: &'static str,
    about: &'static str,
    by: String,
) {
    notices
        .lock()
        .expect("no test panicked in it")
        .push(Notice {
            fault,
            rule,
            about,
            by,
        });
}

fn print(notices: &[Notice]) {
    for notice in notices {
        let Notice {
            fault,
            rule,
            about,
            by,
        } = notice;
        println!("{fault} {rule}: {about}\n    noticed by {by}");
    }
}

/// All recorded answers, each with the name of its row and side, the smallest first.
fn in_order_of_size(known: &KnownAnswers) -> Vec<(String, Answer)> {
    let sides = |entry: &Entry, case: &Case| {
        let (id, what) = (entry.id.clone(), case.what.clone());
        [("before", &case.before), ("after", &case.after)].map(move |(side, answer)| {
            let name = match what.as_str() {
                "" => format!("{id}, {side}"),
                what => format!("{id} ({what}), {side}"),
            };
            (name, answer.clone())
        })
    };
    let mut answers: Vec<_> = known
        .entries
        .iter()
        .flat_map(|entry| entry.cases.iter().map(move |case| (entry, case)))
        .filter(|(_, case)| case.slow.is_none())
        .flat_map(|(entry, case)| sides(entry, case))
        .collect();
    answers.sort_by_key(|(_, answer)| answer.states);
    answers
}

/// The first row that notices by its verdicts, or else the first that does by its figures.
fn first_to_notice(
    answers: &[(String, Answer)],
    notices: impl Fn(&Answer) -> Option<String>,
) -> Option<String> {
    let mut by_figures = None;
    for (name, answer) in answers {
        let Some(difference) = notices(answer) else {
            continue;
        };
        let told = format!("{name}: {difference}");
        if !difference.starts_with(FIGURES) {
            return Some(told);
        }
        by_figures.get_or_insert(told);
    }
    by_figures
}

/// What stands before a difference that is one of counts only.
const FIGURES: &str = "only the figures: ";

/// What is not as recorded: of verdicts and lengths if any, else of counts.
fn differences(answer: &Answer, program: Option<&Program>) -> Option<String> {
    let mut options = Options::default();
    // A fault may make a cell grow without end.
    options.limits.states = Some(20 * answer.states + 1000);
    let asked = catch_unwind(AssertUnwindSafe(|| match program {
        Some(program) => ask_of(program, answer, &options),
        None => ask(answer, &options),
    }));
    let found = match asked {
        Err(_) => return Some("an assertion fails".to_owned()),
        Ok(Err(error)) => return Some(format!("the search fails: {error}")),
        Ok(Ok(found)) => found.differences,
    };
    let count = |difference: &&Difference| matches!(difference, Difference::Count { .. });
    match found.iter().find(|difference| !count(difference)) {
        Some(difference) => Some(difference.to_string()),
        None => found.first().map(|count| format!("{FIGURES}{count}")),
    }
}

/// The design with the slip in it.
fn slipped(slip: &Slip) -> Source {
    let mut source = Library::builtin().source(slip.design).expect("it is there");
    let (right, wrong) = slip.text;
    let function = source.text.find(slip.function).expect("it is there");
    let at = source.text[function..].find(right).expect("it is there") + function;
    source.text.replace_range(at..at + right.len(), wrong);
    source
}
