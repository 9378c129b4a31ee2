//! Lays out the help: terms beside their explanations, wrapped to the width. Refuses to hold a sentence of its own: what
//! is said comes from the key table and the list of columns.

use ratatui::layout::Rect;

use crate::app::dialog::{self, HelpLine};

use super::canvas::{Canvas, columns};
use super::prose::wrap;
use super::theme::Role;

/// Draws the help, from its entry `first` on.
pub fn help(canvas: &mut Canvas<'_>, inner: Rect, first: usize) {
    let (lines, starts) = lines(&dialog::help(), usize::from(inner.width.saturating_sub(2)));
    // Scrolling ends with the last line at the bottom, not with an empty box.
    let last = lines.len().saturating_sub(usize::from(inner.height));
    let first = starts.get(first).copied().unwrap_or(last).min(last);
    for (row, line) in (0..inner.height).zip(lines.iter().skip(first)) {
        let mut pen = canvas.pen(inner, row);
        pen.gap(1).left(line.indent, &line.term, line.role);
        pen.put(&line.text, if line.indent == 0 { line.role } else { Role::Plain });
    }
}

/// A term with its explanation beside it, or a heading.
struct Line {
    indent: u16,
    term: String,
    text: String,
    role: Role,
}

/// The entries as lines of this width, and the line at which each entry starts.
fn lines(entries: &[HelpLine], width: usize) -> (Vec<Line>, Vec<usize>) {
    let mut lines = Vec::new();
    let mut starts = Vec::with_capacity(entries.len());
    for entry in entries {
        starts.push(lines.len());
        match entry {
            HelpLine::Heading(text) => heading(&mut lines, text),
            HelpLine::Keys(keys, text) => explain(&mut lines, 16, keys, text, width),
            HelpLine::Term(term, text) => explain(&mut lines, 12, term, text, width),
            HelpLine::Blank => heading(&mut lines, ""),
        }
    }
    (lines, starts)
}

fn heading(lines: &mut Vec<Line>, text: &str) {
    lines.push(Line { indent: 0, term: String::new(), text: text.to_owned(), role: Role::Focus });
}

/// A term, and its explanation wrapped beside it.
fn explain(lines: &mut Vec<Line>, indent: u16, term: &str, text: &str, width: usize) {
    // Where there is little room the explanation starts further left: it must have some.
    let indent = indent.min((width / 2) as u16);
    let mut term = term.to_owned();
    if columns(&term) + 1 > indent {
        lines.push(Line {
            indent: columns(&term) + 1,
            term: std::mem::take(&mut term),
            text: String::new(),
            role: Role::Key,
        });
    }
    for text in wrap(text, width.saturating_sub(usize::from(indent))) {
        lines.push(Line { indent, term: std::mem::take(&mut term), text, role: Role::Key });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_shown_at_any_width() {
        let entries = dialog::help();
        for width in [0, 5, 30, 80, 200] {
            let (lines, starts) = lines(&entries, width);
            assert_eq!(starts.len(), entries.len());
            for entry in &entries {
                let term = match entry {
                    HelpLine::Keys(keys, _) => keys.as_str(),
                    HelpLine::Term(term, _) => term,
                    HelpLine::Heading(_) | HelpLine::Blank => continue,
                };
                assert!(lines.iter().any(|line| line.term == term), "{term} at {width}");
            }
        }
    }
}
