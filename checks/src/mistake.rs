//! What a user got wrong, in the form in which all errors are shown.

use std::fmt;

/// A mistake on the command line: a message, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    message: String,
    help: Option<String>,
}

impl Mistake {
    /// A mistake without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Mistake {
            message: message.into(),
            help: None,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `there is no KIND "NAME"`, with the nearest of the names there are.
    pub fn unknown<'a>(
        kind: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        otherwise: &str,
    ) -> Self {
        let mistake = Mistake::new(format!("there is no {kind} {}", quoted(name)));
        match nearest(name, known) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake.help(otherwise),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl miette::Diagnostic for Mistake {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<_>)
    }
}

/// A piece of the user's input, fit to be shown: quoted, without control characters, not too long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The known name that is most like `name`, if one is like it at all.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    let name: String = name.chars().take(100).collect();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let mistake = Mistake::unknown("design", "fault-in-rety", ["base", "fault-in-retry"], "");
        assert_eq!(mistake.to_string(), "there is no design \"fault-in-rety\"");
        assert_eq!(
            mistake.help.as_deref(),
            Some("did you mean `fault-in-retry`?")
        );
    }

    #[test]
    fn nothing_is_offered_for_something_quite_different() {
        let mistake = Mistake::unknown("design", "xyzzy", ["base"], "see `glock designs`");
        assert_eq!(mistake.help.as_deref(), Some("see `glock designs`"));
    }

    #[test]
    fn long_and_wild_input_is_shown_short_and_tame() {
        let shown = quoted(&"\u{1b}[31m".repeat(1000));
        assert!(shown.chars().count() < 600);
        assert!(!shown.contains('\u{1b}'));
    }
}
