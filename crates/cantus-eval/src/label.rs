//! Class names: what is allowed, and how they are shown where room is scarce.

use std::collections::HashMap;

use unicode_width::UnicodeWidthChar;

use crate::error::EvalError;

/// Refuses an empty list, an empty label and a repeated one.
pub(crate) fn check_labels(labels: &[String]) -> Result<(), EvalError> {
    if labels.is_empty() {
        return Err(EvalError::NoClasses);
    }
    let mut seen = HashMap::with_capacity(labels.len());
    for (class, label) in labels.iter().enumerate() {
        if label.is_empty() {
            return Err(EvalError::EmptyLabel { class });
        }
        if let Some(first) = seen.insert(label.as_str(), class) {
            return Err(EvalError::DuplicateLabel { label: label.clone(), first, second: class });
        }
    }
    Ok(())
}

/// Text in which no character can break XML or turn the reading direction of what follows.
///
/// XML 1.0 has no way to write most control characters, escaped or not, so they become U+FFFD.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => ' ',
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}' => {
                char::REPLACEMENT_CHARACTER
            }
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Width of a text in columns of a terminal: 2 for wide characters, 0 for combining ones.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Combining marks have no width; nobody's name needs more than this many characters a column.
const CHARACTERS_PER_COLUMN: usize = 4;

/// [`printable`] text of at most `most` columns; what was cut from its end shows as an ellipsis.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let text = printable(text);
    if fits(&text, most) {
        return text;
    }
    let start: String = text.chars().take(fitting(text.chars(), most)).collect();
    format!("{}…", start.trim_end())
}

/// As [`shortened`], cut from its start: of a path, the end says more.
pub(crate) fn shortened_at_start(text: &str, most: usize) -> String {
    let text = printable(text);
    if fits(&text, most) {
        return text;
    }
    let cut = text.chars().count() - fitting(text.chars().rev(), most);
    let end: String = text.chars().skip(cut).collect();
    format!("…{}", end.trim_start())
}

fn fits(text: &str, most: usize) -> bool {
    columns(text) <= most && text.chars().count() <= most * CHARACTERS_PER_COLUMN
}

/// How many of the characters fit into `most` columns beside an ellipsis.
fn fitting(characters: impl Iterator<Item = char>, most: usize) -> usize {
    let mut used = 0;
    characters
        .take(most * CHARACTERS_PER_COLUMN)
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < most
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_stays_as_it_is() {
        assert_eq!(shortened("Tori Amos", 9), "Tori Amos");
    }

    #[test]
    fn a_long_name_ends_in_an_ellipsis_and_keeps_to_its_columns() {
        assert_eq!(shortened("Creedence Clearwater Revival", 12), "Creedence C…");
        assert_eq!(columns(&shortened("音楽家音楽家音楽家", 8)), 7);
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(shortened_at_start("artist/album/01 Song.mp3", 14), "…m/01 Song.mp3");
        assert_eq!(shortened_at_start("a/b.mp3", 14), "a/b.mp3");
    }

    #[test]
    fn stacked_marks_do_not_pile_up() {
        let name: String = std::iter::once('a').chain(['\u{0301}'; 500]).collect();
        assert!(shortened(&name, 10).chars().count() <= 41);
    }

    #[test]
    fn control_and_direction_characters_become_visible() {
        assert_eq!(printable("a\u{0}b\u{202E}c\nd"), "a\u{FFFD}b\u{FFFD}c d");
    }
}
