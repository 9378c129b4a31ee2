//! A key as it is pressed and as it is written. Refuses to say what it means: that is the key table's.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key, with Control or without. Shift is told only of the arrows that point sideways: a shifted letter is another
/// letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    /// Which key.
    pub code: KeyCode,
    /// With Control.
    pub control: bool,
    /// A sideways arrow with Shift.
    pub shift: bool,
}

impl Chord {
    pub(super) const fn key(code: KeyCode) -> Self {
        Self { code, control: false, shift: false }
    }

    pub(super) const fn of(letter: char) -> Self {
        Self::key(KeyCode::Char(letter))
    }

    pub(super) const fn f(number: u8) -> Self {
        Self::key(KeyCode::F(number))
    }

    pub(super) const fn control(letter: char) -> Self {
        Self { control: true, ..Self::of(letter) }
    }

    pub(super) const fn shift(arrow: KeyCode) -> Self {
        Self { shift: true, ..Self::key(arrow) }
    }

    /// The key that was pressed; `None` with Alt, with which no key means anything: least of all what it means without.
    #[must_use]
    pub fn pressed(event: &KeyEvent) -> Option<Self> {
        if event.modifiers.contains(KeyModifiers::ALT) {
            return None;
        }
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            KeyCode::Char(letter) if control => KeyCode::Char(letter.to_ascii_lowercase()),
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        let shift = matches!(code, KeyCode::Left | KeyCode::Right) && event.modifiers.contains(KeyModifiers::SHIFT);
        Some(Self { code, control, shift })
    }

    /// As it is written on the screen: `F1`, `^C`, `Space`, `PgUp`.
    #[must_use]
    pub fn name(self) -> String {
        match self.code {
            KeyCode::Char(' ') => "Space".into(),
            KeyCode::Char(letter) if self.control => format!("^{}", letter.to_ascii_uppercase()),
            KeyCode::Char(letter) => letter.into(),
            KeyCode::F(number) => format!("F{number}"),
            KeyCode::PageUp => "PgUp".into(),
            KeyCode::PageDown => "PgDn".into(),
            KeyCode::BackTab => "Shift-Tab".into(),
            code if self.shift => format!("Shift-{code:?}"),
            code => format!("{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shift_makes_another_letter_and_another_sideways_arrow_and_nothing_else() {
        let pressed = |code, modifiers| Chord::pressed(&KeyEvent::new(code, modifiers));
        assert_eq!(pressed(KeyCode::Char('M'), KeyModifiers::SHIFT), Some(Chord::of('M')));
        assert_eq!(pressed(KeyCode::Right, KeyModifiers::SHIFT), Some(Chord::shift(KeyCode::Right)));
        assert_eq!(pressed(KeyCode::Up, KeyModifiers::SHIFT), Some(Chord::key(KeyCode::Up)));
        assert_eq!(pressed(KeyCode::Char('k'), KeyModifiers::ALT), None);
        assert_eq!(Chord::shift(KeyCode::Left).name(), "Shift-Left");
    }
}
