//! The key table: one list that drives dispatch, help, footer and the README. Refuses to act: it names actions.

use crossterm::event::KeyCode;

use crate::table::Column;

use super::Pane;
use super::chord::Chord;
use super::list::Direction;

/// What a key means: an intent of the user, not yet what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// End.
    Quit,
    /// Explain keys, columns and numbers.
    Help,
    /// One row up, down, a page, or to an end.
    Move(Move),
    /// Zoom, drill down or open a group.
    Open,
    /// Leave what was entered last: dialog, search, filter, zoom.
    Leave,
    /// The next pane has the keys.
    NextPane,
    /// The pane before has the keys.
    PreviousPane,
    /// Straight to a pane; again: zoom it.
    View(Pane),
    /// Watch a command that runs already, or no longer.
    Watch,
    /// Type what to jump to.
    Search,
    /// To the next row that matches.
    SearchNext,
    /// To the row before that matches.
    SearchPrevious,
    /// Type what to narrow to.
    Filter,
    /// Tree or flat.
    Tree,
    /// Choose the column that sorts.
    SortMenu,
    /// Sort by this one.
    SortBy(Column),
    /// The other way round.
    Reverse,
    /// Show the children.
    Expand,
    /// Hide the children.
    Collapse,
    /// Command lines further right.
    CommandRight,
    /// And back.
    CommandLeft,
    /// Hide all children, or show them.
    ToggleAll,
    /// Group rows.
    GroupMenu,
    /// Only one user's processes.
    UserMenu,
    /// Choose columns.
    ColumnMenu,
    /// Tag or untag, and go on.
    Tag,
    /// Tag with all children.
    TagChildren,
    /// Untag all.
    UntagAll,
    /// The view moves with the selected process.
    Follow,
    /// Stop and start the screen.
    Pause,
    /// Choose a signal to send.
    SignalMenu,
    /// oom_score_adj 100 lower.
    Protect,
    /// oom_score_adj 100 higher.
    Sacrifice,
    /// Edit oom_score_adj with a preview.
    Adjust,
    /// Take back the last batch of adjustments.
    Undo,
    /// The next memory domain.
    NextDomain,
    /// Deltas count from now.
    Mark,
    /// Read the expensive values now.
    Refresh,
    /// PID to the clipboard.
    CopyPid,
    /// Draw everything again.
    Redraw,
    /// Stop until SIGCONT.
    Suspend,
    /// Of a profile: the next of its values.
    NextValues,
    /// Of a profile: what changed, or all.
    Growth,
    /// Write a profile to a file.
    Save,
    /// To what stands beside it.
    Sideways(Direction),
}

/// A movement over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// One up.
    Up,
    /// One down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first.
    First,
    /// To the last.
    Last,
}

impl Move {
    /// From `from`, in a list of `count`, with pages of `page`.
    #[must_use]
    pub fn apply(self, from: usize, count: usize, page: usize) -> usize {
        let last = count.saturating_sub(1);
        let page = page.saturating_sub(1).max(1);
        match self {
            Self::Up => from.saturating_sub(1),
            Self::Down => from.saturating_add(1),
            Self::PageUp => from.saturating_sub(page),
            Self::PageDown => from.saturating_add(page),
            Self::First => 0,
            Self::Last => last,
        }
        .min(last)
    }
}

/// Where a key means what the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In every pane.
    Everywhere,
    /// In the process table.
    Top,
    /// In the pane of mappings.
    Mappings,
    /// In the pane of kills.
    Kills,
    /// In the pane of the Go runtime.
    Go,
    /// In the pane of profiles.
    Profile,
}

impl Place {
    const fn holds(self, pane: Pane) -> bool {
        match self {
            Self::Everywhere => true,
            // These panes show the process selected in the table: what moves there moves here.
            Self::Top => matches!(pane, Pane::Top | Pane::Growth | Pane::Go),
            Self::Mappings => matches!(pane, Pane::Mappings),
            Self::Kills => matches!(pane, Pane::Kills),
            Self::Go => matches!(pane, Pane::Go),
            Self::Profile => matches!(pane, Pane::Profile),
        }
    }
}

/// One line of the key table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Keys that mean it, the one shown in the footer first.
    pub keys: &'static [Chord],
    /// What they mean.
    pub action: Action,
    /// Where.
    pub place: Place,
    /// Heading in the help.
    pub section: Section,
    /// For the footer; empty: not there.
    pub label: &'static str,
    /// In the footer only behind those that are not: where there is room to spare.
    pub is_spare: bool,
    /// For the help and the README.
    pub help: &'static str,
}

impl Binding {
    const fn only_in(self, place: Place) -> Self {
        Self { place, ..self }
    }

    const fn labelled(self, label: &'static str) -> Self {
        Self { label, ..self }
    }

    const fn spare(self, label: &'static str) -> Self {
        Self { label, is_spare: true, ..self }
    }

    /// The first of its keys as written on the screen.
    #[must_use]
    pub fn key_name(&self) -> String {
        self.keys.first().map(|key| key.name()).unwrap_or_default()
    }

    /// All its keys as written on the screen.
    #[must_use]
    pub fn key_names(&self) -> String {
        self.keys.iter().map(|key| key.name()).collect::<Vec<_>>().join(" ")
    }
}

/// Headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Getting about.
    Moving,
    /// What the table shows.
    Table,
    /// What is done to processes.
    Acting,
    /// Profiles of Go programs.
    Functions,
    /// Everything else.
    Program,
}

impl Section {
    /// All, in the order of the help.
    pub const ALL: [Self; 5] = [Self::Moving, Self::Table, Self::Acting, Self::Functions, Self::Program];

    /// Its heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Moving => "Moving",
            Self::Table => "What the table shows",
            Self::Acting => "Actions on the tagged processes, else on the selected one",
            Self::Functions => "Functions of a Go program (9)",
            Self::Program => "The program",
        }
    }
}

const fn bind(keys: &'static [Chord], action: Action, section: Section, help: &'static str) -> Binding {
    Binding { keys, action, place: Place::Everywhere, section, label: "", is_spare: false, help }
}

const fn key(code: KeyCode) -> Chord {
    Chord::key(code)
}

use Action as A;
use Chord as C;
use Place::{Go, Kills, Mappings, Profile, Top};
use Section::{Acting, Functions, Moving, Program, Table};

/// Every key. The footer shows labels in this order; where two lines could apply, the first does.
#[rustfmt::skip] // One binding, one line.
pub const KEYS: &[Binding] = &[
    bind(&[C::f(1), C::of('?'), C::of('h')], A::Help, Program, "this help: keys, and what each number means").labelled("help"),
    bind(&[key(KeyCode::Up)], A::Move(Move::Up), Moving, "one row up"),
    bind(&[key(KeyCode::Down)], A::Move(Move::Down), Moving, "one row down"),
    bind(&[key(KeyCode::PageUp)], A::Move(Move::PageUp), Moving, "a page up"),
    bind(&[key(KeyCode::PageDown)], A::Move(Move::PageDown), Moving, "a page down"),
    bind(&[key(KeyCode::Home)], A::Move(Move::First), Moving, "to the first row"),
    bind(&[key(KeyCode::End)], A::Move(Move::Last), Moving, "to the last row"),
    bind(&[key(KeyCode::Enter)], A::Open, Moving, "in what a process holds (3): zoom, list a class's regions, inspect \
                                                   one").only_in(Mappings).labelled("open"),
    bind(&[key(KeyCode::Enter)], A::Open, Moving, "in the kills (5): the story of the selected kill").only_in(Kills).labelled("story"),
    bind(&[key(KeyCode::Enter)], A::Open, Moving, "in what its Go runtime says (6): which functions hold its heap (pprof)").only_in(Go).labelled("functions"),
    bind(&[C::of('r')], A::Refresh, Functions, "fetch a profile over loopback; a menu asks which, and from where").only_in(Profile).labelled("fetch"),
    bind(&[C::of('t'), C::f(5)], A::Tree, Functions, "table of functions, or flame graph: callers above callees, as \
                                                      wide as what they hold").only_in(Profile).labelled("table/flame"),
    bind(&[key(KeyCode::Enter)], A::Open, Functions, "find the function in the flame graph; there: zoom, Esc goes \
                                                      back").only_in(Profile).labelled("zoom"),
    bind(&[C::of('v')], A::NextValues, Functions, "cycle the value: in use or allocated, bytes or objects").only_in(Profile).labelled("values"),
    bind(&[C::of('s'), C::f(6)], A::SortMenu, Functions, "sort by what functions hold themselves (flat) or including \
                                                          their callees (cum)").only_in(Profile).labelled("order"),
    bind(&[C::of('b')], A::Growth, Functions, "show the change since the previous profile or the marked one; again: \
                                               all").only_in(Profile).labelled("growth"),
    bind(&[C::of('m')], A::Mark, Functions, "mark the profile shown: changes count from it").only_in(Profile),
    bind(&[C::of('w')], A::Save, Functions, "save the profile to a new file, for go tool pprof").only_in(Profile).labelled("save"),
    bind(&[key(KeyCode::Right)], A::Sideways(Direction::Forward), Functions, "flame graph: frame to the right; table: \
                                                                              next profile").only_in(Profile),
    bind(&[key(KeyCode::Left)], A::Sideways(Direction::Backward), Functions, "flame graph: frame to the left; table: \
                                                                              previous profile").only_in(Profile),
    bind(&[key(KeyCode::Enter)], A::Open, Moving, "elsewhere: zoom the focused pane, or back; on a group: open it").spare("zoom"),
    bind(&[key(KeyCode::Esc)], A::Leave, Moving, "leave the dialog, search, filter or zoom, in this order").labelled("back"),
    bind(&[key(KeyCode::Tab)], A::NextPane, Moving, "next pane").spare("pane"),
    bind(&[key(KeyCode::BackTab)], A::PreviousPane, Moving, "previous pane"),
    bind(&[C::of('1')], A::View(Pane::Top), Moving, "processes; again: zoom"),
    bind(&[C::of('2')], A::View(Pane::Growth), Moving, "growth of the selected process"),
    bind(&[C::of('3')], A::View(Pane::Mappings), Moving, "what the selected process holds"),
    bind(&[C::of('4')], A::View(Pane::Risk), Moving, "who dies next"),
    bind(&[C::of('5')], A::View(Pane::Kills), Moving, "who was killed, and why; again: back").spare("kills"),
    bind(&[C::of('6')], A::View(Pane::Go), Moving, "Go program: what its runtime holds, and which limits fit; again: \
                                                    back").spare("Go"),
    bind(&[C::of('7')], A::View(Pane::Run), Moving, "`oomtop run` and `W`: what the command holds against its limit, \
                                                     then the verdict").labelled("run"),
    bind(&[C::of('8')], A::View(Pane::Output), Moving, "`oomtop run`: the command's output; / searches it").labelled("output"),
    bind(&[C::of('9')], A::View(Pane::Profile), Moving, "Go program: which functions hold its heap (pprof); again: \
                                                         back"),
    bind(&[C::of('/'), C::f(3)], A::Search, Moving, "search as you type; among regions: by name or address").labelled("find"),
    bind(&[C::of('n')], A::SearchNext, Moving, "next match"),
    bind(&[C::of('N')], A::SearchPrevious, Moving, "previous match; without a search: sort by PID"),
    bind(&[C::of('\\'), C::f(4), C::of('f')], A::Filter, Table, "filter: words, rss>1g, user=ci, adj<0, |, !, /re/").labelled("filter"),
    bind(&[C::of('t'), C::f(5)], A::Tree, Table, "tree view").labelled("tree"),
    bind(&[key(KeyCode::Right), C::of('+'), C::of('=')], A::Expand, Table, "expand: show a process's children or a \
                                                                            group's members").only_in(Top),
    bind(&[key(KeyCode::Left), C::of('-')], A::Collapse, Table, "collapse: hide them, the row shows their sums").only_in(Top),
    bind(&[C::of('*')], A::ToggleAll, Table, "collapse or expand the whole tree").only_in(Top),
    bind(&[C::shift(KeyCode::Right), C::of(')')], A::CommandRight, Table, "scroll command lines right; zoomed growth \
                                                                           (22) shows all of it").only_in(Top),
    bind(&[C::shift(KeyCode::Left), C::of('(')], A::CommandLeft, Table, "scroll command lines back to the start").only_in(Top),
    bind(&[C::of('g')], A::GroupMenu, Table, "group by command, user, memory cgroup or go test").spare("group"),
    bind(&[C::of('s'), C::f(6)], A::SortMenu, Table, "among regions: cycle the order: RSS, change, size, address").only_in(Mappings).labelled("sort"),
    bind(&[C::of('s'), C::f(6), C::of('<'), C::of('>'), C::of(','), C::of('.')], A::SortMenu, Table, "choose the sort \
                                                                                                      column").labelled("sort"),
    bind(&[C::of('M')], A::SortBy(Column::Rss), Table, "sort by RSS"),
    bind(&[C::of('G')], A::SortBy(Column::Growth), Table, "sort by growth"),
    bind(&[C::of('S')], A::SortBy(Column::Swap), Table, "sort by swap"),
    bind(&[C::of('O')], A::SortBy(Column::Risk), Table, "sort by risk: who dies next first"),
    bind(&[C::of('I')], A::Reverse, Table, "reverse the sort order").spare("reverse"),
    bind(&[C::of('u')], A::UserMenu, Table, "show only one user's processes").spare("user"),
    bind(&[C::of('C'), C::f(2)], A::ColumnMenu, Table, "choose columns").spare("columns"),
    bind(&[C::of('F')], A::Follow, Table, "follow the selected process").spare("follow"),
    bind(&[C::of(' ')], A::Tag, Acting, "tag or untag, and move on; on a group: all its members").only_in(Top).spare("tag"),
    bind(&[C::of('c')], A::TagChildren, Acting, "tag it and all its children").only_in(Top),
    bind(&[C::of('U')], A::UntagAll, Acting, "untag all"),
    bind(&[C::of('k'), C::f(9)], A::SignalMenu, Acting, "send a signal; a menu asks which, SIGTERM first").labelled("signal"),
    bind(&[C::of(']'), C::f(7)], A::Protect, Acting, "lower oom_score_adj by 100: killed later").labelled("protect"),
    bind(&[C::of('['), C::f(8)], A::Sacrifice, Acting, "raise oom_score_adj by 100: killed sooner").labelled("sacrifice"),
    bind(&[C::of('o')], A::Adjust, Acting, "set oom_score_adj, with a preview of who would die next").labelled("adj..."),
    bind(&[key(KeyCode::Backspace)], A::Undo, Acting, "undo the last change of oom_score_adj").spare("undo"),
    bind(&[C::of('y')], A::CopyPid, Acting, "copy the PID (OSC 52)"),
    bind(&[C::of('W')], A::Watch, Program, "watch the selected process (its `go test`, if any, else it and its \
                                            descendants) as `oomtop run` would; again: stop").labelled("watch"),
    bind(&[C::of('d')], A::NextDomain, Program, "next memory domain: this machine, or a cgroup with a limit").labelled("domain"),
    bind(&[C::of('m')], A::Mark, Program, "mark: mapping changes count from now").labelled("mark"),
    bind(&[C::of('r')], A::Refresh, Program, "read PSS and mappings of the selected process now").spare("read"),
    bind(&[C::of('p'), C::of('Z')], A::Pause, Program, "pause the screen; sampling goes on").labelled("pause"),
    bind(&[C::control('l')], A::Redraw, Program, "redraw the screen"),
    bind(&[C::control('z')], A::Suspend, Program, "suspend; fg resumes"),
    bind(&[C::of('q'), C::f(10), C::control('c')], A::Quit, Program, "quit; while the command of `oomtop run` runs: \
                                                                      end it, more firmly each time").labelled("quit"),
];

/// What a key means while this pane has the keys.
#[must_use]
pub fn action(pane: Pane, chord: Chord) -> Option<Action> {
    Some(binding(pane, chord)?.action)
}

fn binding(pane: Pane, chord: Chord) -> Option<&'static Binding> {
    KEYS.iter().find(|binding| binding.place.holds(pane) && binding.keys.contains(&chord))
}

/// What the footer can name while this pane has the keys, most useful first; what a key means here goes before what it
/// means elsewhere.
pub fn footer(pane: Pane) -> impl Iterator<Item = &'static Binding> {
    let means = move |binding: &&Binding| {
        let first = binding.keys.first().and_then(|key| self::binding(pane, *key));
        first == Some(*binding)
    };
    let named = move |is_spare| {
        KEYS.iter().filter(move |binding| !binding.label.is_empty() && binding.is_spare == is_spare).filter(means)
    };
    named(false).chain(named(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_key_has_a_letter_twin_and_every_key_one_meaning() {
        for (at, binding) in KEYS.iter().enumerate() {
            let is_function = |chord: &Chord| matches!(chord.code, KeyCode::F(_));
            let is_letter = |chord: &Chord| matches!(chord.code, KeyCode::Char(_));
            let twins = !binding.keys.iter().any(is_function) || binding.keys.iter().any(is_letter);
            assert!(twins, "{}: terminals steal function keys", binding.key_names());
            for other in KEYS[at + 1..].iter().filter(|other| other.action != binding.action) {
                // What holds in other panes only is never meant together.
                let apart = ![binding.place, other.place].contains(&Place::Everywhere) && binding.place != other.place;
                let shared = binding.keys.iter().any(|chord| other.keys.contains(chord));
                assert!(!shared || apart, "{} and {}", binding.key_names(), other.key_names());
            }
        }
    }

    #[test]
    fn htop_fingers_are_at_home() {
        for (code, expected) in [
            (KeyCode::Char('k'), Action::SignalMenu),
            (KeyCode::F(9), Action::SignalMenu),
            (KeyCode::Char('t'), Action::Tree),
            (KeyCode::Char('M'), Action::SortBy(Column::Rss)),
            (KeyCode::Char(' '), Action::Tag),
            (KeyCode::F(7), Action::Protect),
            (KeyCode::Char(']'), Action::Protect),
            (KeyCode::F(8), Action::Sacrifice),
            (KeyCode::Char('['), Action::Sacrifice),
        ] {
            assert_eq!(action(Pane::Top, Chord::key(code)), Some(expected));
        }
        // Not ours, and not the keys of vi.
        for letter in ['P', 'j', 'x', '0'] {
            assert_eq!(action(Pane::Top, Chord::of(letter)), None, "{letter}");
        }
    }

    #[test]
    fn the_footer_begins_as_people_look_for_it() {
        let footer = |is_spare| {
            let bindings = footer(Pane::Top).filter(move |binding| binding.is_spare == is_spare);
            bindings.map(|binding| format!("{} {}", binding.key_name(), binding.label)).collect::<Vec<_>>().join("  ")
        };
        assert_eq!(
            footer(false),
            "F1 help  Esc back  7 run  8 output  / find  \\ filter  t tree  s sort  k signal  ] protect  [ sacrifice  o adj...  W watch  d domain  m mark  p pause  q quit"
        );
        assert_eq!(
            footer(true),
            "Enter zoom  Tab pane  5 kills  6 Go  g group  I reverse  u user  C columns  F follow  Space tag  Backspace undo  r read"
        );
    }
}
