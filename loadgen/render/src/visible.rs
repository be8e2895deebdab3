//! Text of others as the writers of documents need it: visible, on one line, escaped for a page.

use std::fmt;

use askama::filters::{Escaper, Html};

pub(crate) use program_terminal::visible;

/// Visible text on one line.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.lines().collect::<Vec<_>>().join(" ");
    visible(&line.replace('\t', " ")).into_owned()
}

/// Escapes text for a page, as `askama.toml` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VisibleHtml;

impl Escaper for VisibleHtml {
    fn write_escaped_str<W: fmt::Write>(&self, to: W, text: &str) -> fmt::Result {
        Html.write_escaped_str(to, &visible(text))
    }
}
