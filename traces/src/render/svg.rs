//! What the pictures share.

use std::fmt::Write;

/// Width of a letter of the fixed-width font, and of a line of text.
pub(super) const LETTER: f64 = 6.6;
pub(super) const LINE: f64 = 15.0;

/// Text in XML or HTML, also in quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// A picture of this size. Colours follow the reader's choice of light or dark.
pub(super) fn picture(width: f64, height: f64, title: &str, body: &str) -> String {
    let mut out = String::new();
    let title = escaped(title);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\n\
         <title>{title}</title>\n<style>\n\
         svg {{ font: 11px ui-monospace, monospace; background: #fff; color: #1b1b1b }}\n\
         text {{ fill: currentColor; white-space: pre }}\n\
         .bold {{ font-weight: bold }}\n\
         .middle {{ text-anchor: middle }}\n\
         .line {{ stroke: #9a9a9a; fill: none }}\n\
         .box {{ fill: #eef3fb; stroke: #5b7db1 }}\n\
         .arrow {{ stroke: #2f6f3e; fill: none }}\n\
         .cycle {{ stroke: #c62828; fill: none; stroke-width: 2.5 }}\n\
         .cycle-box {{ fill: #fdecea; stroke: #c62828; stroke-width: 2 }}\n\
         .again {{ fill: none; stroke: #8a5a00; stroke-dasharray: 5 4 }}\n\
         .head {{ fill: #2f6f3e }} .cycle-head {{ fill: #c62828 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         svg {{ background: #16181c; color: #e6e6e6 }}\n\
         .box {{ fill: #1e2a3d; stroke: #6f95cf }} .cycle-box {{ fill: #3a1f1f }}\n\
         .arrow {{ stroke: #7cc48d }} .head {{ fill: #7cc48d }} .again {{ stroke: #e0a94a }}\n\
         }}\n</style>\n\
         <defs>\n\
         <marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path class=\"head\" d=\"M0 0 8 4 0 8z\"/></marker>\n\
         <marker id=\"cycle-head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"5\" \
         markerHeight=\"5\" orient=\"auto\"><path class=\"cycle-head\" d=\"M0 0 8 4 0 8z\"/></marker>\n\
         </defs>\n{body}</svg>\n"
    );
    out
}

/// A line of text.
pub(super) fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>",
        escaped(text)
    );
}
