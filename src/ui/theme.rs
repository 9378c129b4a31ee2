//! What a colour means. Painters name a meaning (`Role`); a theme says how it looks. Only the sixteen named colours are
//! used, so that every terminal and the user's own palette work. Refuses to be the only carrier of a fact: whatever is
//! coloured has a sign or a letter beside it, and the mono theme must lose nothing.

use ratatui::style::{Color, Modifier, Style};

use crate::config::ThemeName;

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Text.
    Plain,
    /// The number that leads.
    Strong,
    /// Old, unknown, or of no weight: units, axes, explanations.
    Dim,
    /// Lines between panes.
    Rule,
    /// The title of a pane.
    Title,
    /// Lines and title of the pane that has the keys.
    Focus,
    /// Column titles.
    Heading,
    /// Dies next; a limit that is reached.
    Danger,
    /// Warned of.
    Warned,
    /// Protected, or given back.
    Good,
    /// The line under the cursor, in the focused pane.
    Selected,
    /// The line under the cursor, in another pane.
    Marked,
    /// A tagged process.
    Tagged,
    /// A key that can be pressed.
    Key,
    /// A part of a stacked bar.
    Part(Part),
}

/// A part of a stacked bar, by how it can be got back: nothing but a kill frees anonymous memory, cache is given back
/// when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Anonymous memory: heaps.
    Anonymous,
    /// A second kind of anonymous memory beside the first: stacks.
    Stack,
    /// Shared memory and tmpfs.
    Shared,
    /// The kernel's own.
    Kernel,
    /// Backed by files: can be dropped.
    Cache,
    /// Nobody's.
    Free,
}

/// A set of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    name: ThemeName,
}

impl Theme {
    /// The theme of that name.
    #[must_use]
    pub const fn new(name: ThemeName) -> Self {
        Self { name }
    }

    /// How a meaning looks.
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        match self.name {
            ThemeName::Default => dark(role),
            ThemeName::Light => light(role),
            ThemeName::Mono => mono(role),
        }
    }

    /// How a frame of a flame graph looks: unlike its neighbour, and unlike both where a search found it.
    #[must_use]
    pub fn frame(self, is_odd: bool, is_found: bool) -> Style {
        match (self.name, is_found) {
            (ThemeName::Mono, false) => Style::new(),
            (ThemeName::Mono, true) => Style::new().add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
            (_, true) => Style::new().fg(Color::Black).bg(Color::LightYellow),
            (_, false) => self.label(if is_odd { Part::Stack } else { Part::Anonymous }),
        }
    }

    /// How a label looks that is written over a part of a stacked bar.
    #[must_use]
    pub fn label(self, part: Part) -> Style {
        let style = self.style(Role::Part(part));
        match (self.name, part) {
            (_, Part::Free) => style,
            (ThemeName::Mono, _) => style.add_modifier(Modifier::REVERSED),
            (ThemeName::Default | ThemeName::Light, _) => {
                let (paper, ink) = (style.fg.unwrap_or(Color::Reset), over(style.fg));
                Style::new().fg(ink).bg(paper)
            }
        }
    }
}

/// A colour of text that can be read on this one.
const fn over(paper: Option<Color>) -> Color {
    match paper {
        Some(Color::DarkGray | Color::Blue | Color::Magenta) => Color::White,
        _ => Color::Black,
    }
}

fn dark(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Plain => style,
        Role::Strong | Role::Title | Role::Marked | Role::Key => style.add_modifier(Modifier::BOLD),
        Role::Dim | Role::Rule => style.fg(Color::DarkGray),
        Role::Focus => style.fg(Color::LightBlue).add_modifier(Modifier::BOLD),
        Role::Heading => style.fg(Color::Gray),
        Role::Danger => style.fg(Color::LightRed).add_modifier(Modifier::BOLD),
        Role::Warned => style.fg(Color::LightYellow),
        Role::Good => style.fg(Color::Green),
        Role::Selected => style.fg(Color::White).bg(Color::Blue).add_modifier(Modifier::BOLD),
        Role::Tagged => style.fg(Color::LightBlue),
        Role::Part(part) => style.fg(match part {
            Part::Anonymous => Color::Cyan,
            Part::Stack => Color::LightCyan,
            Part::Shared => Color::Magenta,
            Part::Kernel => Color::Gray,
            Part::Cache | Part::Free => Color::DarkGray,
        }),
    }
}

fn light(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Focus => style.fg(Color::Blue).add_modifier(Modifier::BOLD),
        Role::Heading => style.fg(Color::DarkGray),
        Role::Danger => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        // Yellow on white cannot be read; every terminal draws colour 3 darker than colour 11.
        Role::Warned => style.fg(Color::Yellow),
        Role::Tagged => style.fg(Color::Blue),
        Role::Part(Part::Stack) => style.fg(Color::LightBlue),
        Role::Plain
        | Role::Strong
        | Role::Title
        | Role::Dim
        | Role::Rule
        | Role::Good
        | Role::Selected
        | Role::Marked
        | Role::Key
        | Role::Part(_) => dark(role),
    }
}

fn mono(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Plain | Role::Good | Role::Part(_) => style,
        Role::Dim | Role::Rule => style.add_modifier(Modifier::DIM),
        Role::Strong | Role::Title | Role::Marked | Role::Tagged | Role::Key | Role::Warned => {
            style.add_modifier(Modifier::BOLD)
        }
        Role::Heading => style.add_modifier(Modifier::UNDERLINED),
        Role::Danger => style.add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
        Role::Focus | Role::Selected => style.add_modifier(Modifier::REVERSED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 20] = [
        Role::Plain,
        Role::Strong,
        Role::Dim,
        Role::Rule,
        Role::Title,
        Role::Focus,
        Role::Heading,
        Role::Danger,
        Role::Warned,
        Role::Good,
        Role::Selected,
        Role::Marked,
        Role::Tagged,
        Role::Key,
        Role::Part(Part::Anonymous),
        Role::Part(Part::Stack),
        Role::Part(Part::Shared),
        Role::Part(Part::Kernel),
        Role::Part(Part::Cache),
        Role::Part(Part::Free),
    ];

    #[test]
    fn mono_has_no_colour_at_all() {
        for role in ROLES {
            let style = Theme::new(ThemeName::Mono).style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
    }

    #[test]
    fn themes_use_named_colours_only() {
        for name in [ThemeName::Default, ThemeName::Light] {
            for role in ROLES {
                let style = Theme::new(name).style(role);
                for colour in [style.fg, style.bg].into_iter().flatten() {
                    assert!(!matches!(colour, Color::Rgb(..) | Color::Indexed(_)), "{role:?}");
                }
            }
        }
    }

    #[test]
    fn what_warns_does_not_look_like_what_does_not() {
        for name in [ThemeName::Default, ThemeName::Light, ThemeName::Mono] {
            let theme = Theme::new(name);
            for loud in [Role::Danger, Role::Warned, Role::Selected] {
                for quiet in [Role::Plain, Role::Dim, Role::Rule] {
                    assert_ne!(theme.style(loud), theme.style(quiet), "{name:?} {loud:?} {quiet:?}");
                }
            }
        }
    }
}
