//! What the environment says about the terminal, the language and where files are. Refuses to decide what follows from it.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the environment says about the terminal and the language.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `NO_COLOR` is there and not empty (no-color.org).
    pub no_color: bool,
    /// `TERM`.
    pub terminal: Option<OsString>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty (setlocale(3)).
    pub locale: Option<OsString>,
    /// Where configuration files are: `XDG_CONFIG_HOME`, else `.config` in `HOME`.
    pub config_home: Option<PathBuf>,
}

impl Environment {
    /// Of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_this_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            no_color: set("NO_COLOR").is_some(),
            terminal: set("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set),
            // A path that is not absolute is to be ignored (XDG Base Directory Specification).
            config_home: (set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()))
                .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")).filter(|path| path.is_absolute())),
        }
    }

    pub(super) fn is_utf8(&self) -> bool {
        let locale = self.locale.as_ref().map_or(String::new(), |locale| locale.to_string_lossy().to_lowercase());
        locale.contains("utf-8") || locale.contains("utf8")
    }

    /// A terminal without colours, or whose font lacks most of what we would draw.
    pub(super) fn is_terminal(&self, names: &[&str]) -> bool {
        self.terminal.as_ref().and_then(|name| name.to_str()).is_some_and(|name| names.contains(&name))
    }
}
