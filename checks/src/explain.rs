//! `glock explain`: what a name means.

use crate::catalog::Catalog;
use crate::mistake::Mistake;
use crate::table::fold;
use glock_model::design::{Compiled, Group, Statement, statements};
use glock_model::property::{Kind, Property};

/// The text about a name: a property, a design, a scenario, or a statement of the language; a path
/// is a design's or a scenario's.
///
/// # Errors
///
/// If nothing has that name, or the file is wrong.
pub(crate) fn explain(catalog: &Catalog, name: &str) -> miette::Result<String> {
    if let Some(property) = Property::named(name) {
        return Ok(explain_property(property));
    }
    let is_design = catalog.designs().contains(&name) || catalog.steps().contains(&name);
    if is_design || name.ends_with(".design") {
        return Ok(explain_design(&catalog.design(name)?));
    }
    if catalog.scenarios().contains(&name) || name.ends_with(".toml") {
        return Ok(catalog.scenario(name)?.describe());
    }
    if let Some(statement) = catalog.statement(name) {
        return Ok(explain_statement(statement));
    }
    Err(unknown(catalog, name).into())
}

fn unknown(catalog: &Catalog, name: &str) -> Mistake {
    let known: Vec<&str> = Property::ALL
        .map(Property::name)
        .into_iter()
        .chain(catalog.designs())
        .chain(catalog.steps())
        .chain(catalog.scenarios())
        .chain(statements().iter().map(|s| s.name))
        .collect();
    let mut otherwise =
        String::from("`glock designs` and `glock scenarios` list names; others are ");
    otherwise += &Property::ALL.map(Property::name).join(", ");
    let statements: Vec<&str> = statements().iter().map(|s| s.name).collect();
    otherwise += &format!(", {}", statements.join(", "));
    Mistake::unknown(
        "design, scenario, property or statement",
        name,
        known,
        &otherwise,
    )
}

fn explain_statement(statement: &Statement) -> String {
    let mut out = format!("{}\n", statement.name);
    let group = match statement.group {
        Group::Header => "stands above the first function",
        Group::Declaration => "a declaration, above the first function",
        Group::Kernel => "an operation of the kernel",
        Group::Control => "control flow",
        Group::Value => "a value",
    };
    fold(&mut out, "  ", group);
    out.push('\n');
    for line in statement.syntax.lines() {
        fold(&mut out, "    ", line);
    }
    out.push('\n');
    fold(&mut out, "  ", statement.meaning);
    if !statement.rules.is_empty() {
        fold(&mut out, "  rules: ", &statement.rules.join(", "));
    }
    out
}

fn explain_property(property: Property) -> String {
    let mut out = format!("{}\n", property.name());
    fold(&mut out, "  rule: ", rule(property));
    fold(&mut out, "  a violation: ", property.meaning());
    if property.kind() == Kind::Reported {
        fold(
            &mut out,
            "  ",
            "Reported, not demanded: it does not change the exit status.",
        );
    }
    out
}

/// What must hold, and the rule of the semantics that says so.
const fn rule(property: Property) -> &'static str {
    match property {
        Property::NoDeadlock => {
            "No set of tasks waits on one another for ever, even while others move (P13, P14): no \
             cycle of waits, and no state that is not finished in which nobody can move."
        }
        Property::NoRecursion => "A task never asks for a glock it already holds (P4).",
        Property::NoLostEfault => {
            "A genuinely bad address ends as -EFAULT, or as a short count after progress (P9)."
        }
        Property::NoSpuriousEfault => {
            "-EFAULT or SIGBUS only if the address is genuinely bad (P8)."
        }
        Property::NoShort => {
            "A short count only for end of file, a bad page, or where the design admits it (P10)."
        }
        Property::Placement => {
            "Byte i of the buffer meets byte pos+i of the file, once; count and position agree (P7)."
        }
        Property::Coherence => {
            "Cached pages only under a mode that allows them; holders and nodes compatible (P1 to P3)."
        }
        Property::Mapping => {
            "An extent mapping is used only under the glock grant it was made under (P6)."
        }
        Property::Balanced => {
            "On return nothing is held: no lock, no queue entry, no pin, no fault-disable (P5)."
        }
        Property::AtomicRead => {
            "All pages of one buffered read come from one generation of ownership (P12)."
        }
        Property::CanFinish => {
            "From every reachable state every call can still return (P17): there is some schedule \
             under which it does. A kernel BUG counts as an end."
        }
        Property::Finishes => {
            "Every call returns if every task, worker and message keeps moving (P15). Weak \
             fairness: who can move from some point on without interruption does move. The \
             environment need not."
        }
        Property::FinishesStrongly => {
            "Every call returns if whoever can move again and again does so (P16). Strong fairness: \
             being unable to move in between is no excuse. The environment need not move."
        }
    }
}

fn explain_design(design: &Compiled) -> String {
    let program = &design.program;
    let mut out = format!("{}\n", program.name);
    fold(&mut out, "  ", &program.description);
    if !program.extends.is_empty() {
        fold(
            &mut out,
            "  extends ",
            &program.extends.join(", which extends "),
        );
    }
    for origin in &design.origins {
        fold(&mut out, "  source: ", origin);
    }
    for source in &program.sources {
        out += &format!("\n{}\n", source.file);
        for line in source.text.lines() {
            let line = format!("    {}", line.replace('\t', "        "));
            out += line.trim_end();
            out.push('\n');
        }
    }
    out
}
