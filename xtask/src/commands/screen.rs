//! What can be shown on standard output.

use std::io::{IsTerminal, stdout};

use unicode_width::UnicodeWidthChar;

/// Columns where nothing says how many there are.
const USUAL_COLUMNS: usize = 80;

/// Parts of a column, from the left.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// How wide lines may be, and whether blocks can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    pub(super) columns: usize,
    /// False on a dumb terminal, in a pipe and in a file.
    pub(super) has_blocks: bool,
}

impl Screen {
    pub(super) fn of_stdout() -> Self {
        if !stdout().is_terminal() {
            return Self { columns: USUAL_COLUMNS, has_blocks: false };
        }
        let columns = terminal_size::terminal_size()
            .map_or(USUAL_COLUMNS, |(terminal_size::Width(columns), _)| columns.into());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { columns, has_blocks: !is_dumb }
    }

    /// A bar of at most `most` columns.
    pub(super) fn bar(self, share: f64, most: usize) -> String {
        let share = share.clamp(0.0, 1.0);
        if !self.has_blocks {
            return "#".repeat((share * most as f64).round() as usize);
        }
        let eighths = (share * most as f64 * 8.0).round() as usize;
        "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
    }
}

/// Text that cannot steer a terminal, cut to `most` columns; what was cut shows as dots.
pub(super) fn cut(text: &str, most: usize) -> String {
    let text = tame(text);
    if columns(&text) <= most {
        return text;
    }
    let mut kept = String::new();
    let mut used = 2;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > most {
            break;
        }
        kept.push(character);
    }
    kept.push_str(&".."[..most.min(2)]);
    kept
}

/// [`cut`], filled up with spaces to `columns`.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let missing = columns.saturating_sub(self::columns(&text));
    text + &" ".repeat(missing)
}

/// Width of a text in columns: 2 for wide characters, 0 for combining ones.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// Control characters, and those that turn the reading direction, made visible.
fn tame(text: &str) -> String {
    let is_wild = |character: char| {
        character.is_control()
            || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|character| if is_wild(character) { char::REPLACEMENT_CHARACTER } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_by_eighths_of_a_column_or_by_columns() {
        let screen = Screen { columns: 80, has_blocks: true };
        assert_eq!(screen.bar(0.5, 5), "██▌");
        assert_eq!(screen.bar(1.0, 5), "█████");
        assert_eq!(screen.bar(0.0, 5), "");
        let dumb = Screen { has_blocks: false, ..screen };
        assert_eq!(dumb.bar(0.5, 5), "###");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal_and_keeps_to_its_columns() {
        assert_eq!(cut("\u{1b}[2J\u{202E}x\n", 20), "\u{FFFD}[2J\u{FFFD}x\u{FFFD}");
        assert_eq!(cut("Creedence Clearwater", 12), "Creedence ..");
        assert_eq!(cut("音楽家音楽家", 8), "音楽家..");
        assert_eq!(cut("abc", 1), ".");
        assert_eq!(padded("音楽", 6), "音楽  ");
    }
}
