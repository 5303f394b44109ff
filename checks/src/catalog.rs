//! Designs and scenarios by name: the built-in ones, and files of the user's by their path.

use crate::mistake::Mistake;
use glock_model::design::{self, Compiled, Statement};
use glock_model::known::{Entry, KnownAnswers};
use glock_model::property::Property;
use glock_model::scenario::{self, Scenario};
use miette::IntoDiagnostic;

/// Everything that has a name on the command line.
pub struct Catalog {
    designs: design::Library,
    scenarios: scenario::Library,
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog {
            designs: design::Library::builtin(),
            scenarios: scenario::Library::builtin(),
        }
    }
}

impl Catalog {
    /// What comes with the tool.
    pub fn builtin() -> Catalog {
        Catalog::default()
    }

    /// The names of the built-in designs, in the order of the history.
    pub fn designs(&self) -> Vec<&str> {
        self.designs.names()
    }

    /// The names of the built-in designs that single items of the history need beside them.
    pub fn steps(&self) -> Vec<&str> {
        self.designs.steps()
    }

    /// The names of the built-in scenarios.
    pub fn scenarios(&self) -> Vec<&str> {
        self.scenarios.names().collect()
    }

    /// The design of that name, or in the file of that path: a path has a `/` or ends in `.design`.
    ///
    /// # Errors
    ///
    /// If there is none, or its text is wrong.
    pub fn design(&self, name: &str) -> miette::Result<Compiled> {
        self.designs.load(name).map_err(|mut error| {
            // One mistake needs no heading above it.
            match error.problems.len() {
                1 => error.problems.remove(0).into(),
                _ => error.into(),
            }
        })
    }

    /// The scenario of that name, or in the file of that path: a path has a `/` or ends in `.toml`.
    ///
    /// # Errors
    ///
    /// If there is none, or its text is wrong.
    pub fn scenario(&self, name: &str) -> miette::Result<Scenario> {
        Ok(self.scenarios.load(name)?)
    }

    /// The property of that name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn property(&self, name: &str) -> miette::Result<Property> {
        Property::named(name).ok_or_else(|| {
            let known = Property::ALL.map(Property::name);
            let all = format!("the properties are {}", known.join(", "));
            Mistake::unknown("property", name, known, &all).into()
        })
    }

    /// The row of the history with that id, if there is one.
    ///
    /// # Errors
    ///
    /// If the rows that come with the tool are wrong.
    pub fn entry(&self, id: &str) -> miette::Result<Option<Entry>> {
        let known = KnownAnswers::builtin().into_diagnostic()?;
        Ok(known.entry(id).cloned())
    }

    /// The statement of the language with that name.
    pub fn statement(&self, name: &str) -> Option<&'static Statement> {
        design::statements().iter().find(|s| s.name == name)
    }
}
