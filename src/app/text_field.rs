//! A line of text being typed: editing by graphemes, so that one key press takes away what looks like one character.
//! Refuses control characters: nothing that is typed or pasted can hold an escape sequence or a second line.

use unicode_segmentation::UnicodeSegmentation;

/// A line of text being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextField {
    /// What stands there.
    pub text: String,
    /// Byte offset of the cursor, on a grapheme boundary.
    pub cursor: usize,
    /// What is wrong with it, with the byte offset where.
    pub error: Option<(usize, String)>,
}

impl TextField {
    /// No more than this is kept (bytes): a paste cannot fill memory.
    pub const LIMIT: usize = 1024;

    /// With the cursor behind `text`.
    #[must_use]
    pub fn holding(text: &str) -> Self {
        let mut field = Self::default();
        field.insert(text);
        field
    }

    /// Types or pastes at the cursor.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars().filter(|character| !character.is_control()) {
            if self.text.len() + character.len_utf8() > Self::LIMIT {
                break;
            }
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
        self.settle();
    }

    /// Takes away the grapheme before the cursor.
    pub fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.text.drain(self.cursor..end);
        self.settle();
    }

    /// Takes away the grapheme under the cursor.
    pub fn delete(&mut self) {
        let start = self.cursor;
        self.right();
        self.text.drain(start..self.cursor);
        self.cursor = start;
        self.settle();
    }

    /// Takes away the word before the cursor and the blanks behind it.
    pub fn delete_word(&mut self) {
        let before = &self.text[..self.cursor];
        let word_end = before.trim_end().len();
        let start = before[..word_end]
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
        self.text.drain(start..self.cursor);
        self.cursor = start;
        self.settle();
    }

    /// Takes away all before the cursor.
    pub fn clear_before(&mut self) {
        self.text.drain(..self.cursor);
        self.cursor = 0;
    }

    /// One grapheme to the left.
    pub fn left(&mut self) {
        let last = self.text[..self.cursor].grapheme_indices(true).next_back();
        self.cursor = last.map_or(0, |(at, _)| at);
    }

    /// One grapheme to the right.
    pub fn right(&mut self) {
        self.cursor += self.text[self.cursor..].graphemes(true).next().map_or(0, str::len);
    }

    /// To the first grapheme.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// Behind the last grapheme.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// What was typed can join with its neighbours into one grapheme, and so can what a deletion brings together: the
    /// cursor moves to the next boundary.
    fn settle(&mut self) {
        let boundary = self.text.grapheme_indices(true).map(|(at, _)| at).find(|at| *at >= self.cursor);
        self.cursor = boundary.unwrap_or(self.text.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_key_takes_away_one_visible_character() {
        let mut field = TextField::holding("ae\u{301}👩‍👩‍👧");
        field.backspace();
        assert_eq!(field.text, "ae\u{301}");
        field.backspace();
        assert_eq!(field.text, "a");
        field.home();
        field.delete();
        assert_eq!((field.text.as_str(), field.cursor), ("", 0));
        field.backspace();
        field.delete();
    }

    #[test]
    fn words_go_as_in_a_shell() {
        let mut field = TextField::holding("rss>1g user=ci  ");
        field.delete_word();
        assert_eq!(field.text, "rss>1g ");
        field.delete_word();
        assert_eq!(field.text, "");
        field.insert("a\x1b[31m\nb");
        assert_eq!(field.text, "a[31mb");
    }

    proptest! {
        #[test]
        fn the_cursor_stays_on_a_grapheme_boundary(edits in prop::collection::vec((0..9u8, any::<String>()), 0..40)) {
            let mut field = TextField::default();
            for (edit, text) in edits {
                match edit {
                    0 => field.backspace(),
                    1 => field.delete(),
                    2 => field.left(),
                    3 => field.right(),
                    4 => field.home(),
                    5 => field.end(),
                    6 => field.delete_word(),
                    7 => field.clear_before(),
                    _ => field.insert(&text),
                }
                let boundary = field.cursor == field.text.len()
                    || field.text.grapheme_indices(true).any(|(at, _)| at == field.cursor);
                prop_assert!(boundary);
                prop_assert!(field.text.len() <= TextField::LIMIT);
                prop_assert!(!field.text.chars().any(char::is_control));
            }
        }
    }
}
