//! Writing records: JSON that is small, and one step a line, so that two records can be
//! compared with diff.

use super::Record;
use serde::Serialize;
use std::fmt::Write;

impl Record {
    /// The text of a file, with a line end.
    pub fn to_text(&self) -> String {
        let mut out = Writer(String::from("{\n"));
        out.field("format", &self.format);
        out.field("version", &self.version);
        out.field("program", &self.program);
        out.option("property", self.property.as_ref());
        out.field("verdict", &self.verdict);
        out.field("meaning", &self.meaning);
        out.option("command", self.command.as_ref());
        out.option("search", self.search.as_ref());
        out.0 += "\"design\": {\n";
        out.field("name", &self.design.name);
        out.0 += "\"sources\": [\n";
        for (i, source) in self.design.sources.iter().enumerate() {
            let end = if i + 1 < self.design.sources.len() {
                "},\n"
            } else {
                "}\n"
            };
            let _ = write!(out.0, "{{\"design\": {}, ", json(&source.design));
            out.list("text", &source.text, "");
            out.0 += end;
        }
        out.0 += "]},\n\"scenario\": {\n";
        out.field("name", &self.scenario.name);
        out.field("nodes", &self.scenario.nodes);
        out.list("text", &self.scenario.text, "");
        out.0 += "},\n";
        out.field("switches", &self.switches);
        out.list("actors", &self.actors, ",");
        out.field("initially", &self.initially);
        out.list("closing", &self.closing, ",");
        out.option("repeats_from", self.repeats_from.as_ref());
        out.option("trap", self.trap.as_ref());
        out.field("cycle", &self.cycle);
        out.list("variables", &self.variables, ",");
        out.list("values", &self.values, ",");
        out.list("actions", &self.actions, ",");
        out.list("lines", &self.lines, ",");
        out.list("messages", &self.messages, ",");
        out.field("first", &self.first);
        out.list("steps", &self.steps, "");
        out.0 += "}\n";
        out.0
    }
}

struct Writer(String);

/// Texts, numbers and lists of them: nothing that could fail to be written.
fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Writer {
    fn field(&mut self, name: &str, value: &impl Serialize) {
        let _ = writeln!(self.0, "\"{name}\": {},", json(value));
    }

    fn option(&mut self, name: &str, value: Option<&impl Serialize>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// A list with an entry a line, and what comes behind it.
    fn list(&mut self, name: &str, list: &[impl Serialize], behind: &str) {
        let _ = write!(self.0, "\"{name}\": [");
        for (i, item) in list.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(self.0, "{comma}\n{}", json(item));
        }
        let _ = writeln!(self.0, "]{behind}");
    }
}
