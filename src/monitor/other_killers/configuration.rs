//! What the command line of earlyoom and the file of nohang say, as rules. Refuses to fill in what is not written there,
//! but for what their manuals give as defaults.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::snapshot::other_killer::{KillerProgram, OtherKiller};
use crate::units::Bytes;

use super::systemd_oomd::systemd_oomd;
use super::{KillUnit, PressureRule, SparedCgroup, WatchedUnit};

/// When a daemon acts, and whom it chooses.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// It acts where both are fallen below; `None`: not for want of memory.
    pub floor: Option<(Threshold, Threshold)>,
    /// With nothing free where there is no swap at all it would act (earlyoom, nohang), or never (systemd-oomd).
    pub needs_swap: bool,
    pub pressure: Option<PressureRule>,
    pub watched: Vec<WatchedUnit>,
    pub spared: Vec<SparedCgroup>,
    pub unit: KillUnit,
    pub dry_run: bool,
    /// Whom it chooses among processes.
    pub choice: Choice,
}

/// An amount, or a share of a total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Threshold {
    Percent(f64),
    Size(Bytes),
}

impl Threshold {
    pub(super) fn of(self, total: Bytes) -> Bytes {
        match self {
            Self::Percent(percent) => Bytes((total.0 as f64 * percent / 100.0) as u64),
            Self::Size(size) => size,
        }
    }

    fn least(self, other: Option<Self>, total: Option<Bytes>) -> Self {
        match (other, total) {
            (Some(other), Some(total)) if other.of(total) < self.of(total) => other,
            _ => self,
        }
    }
}

/// How a process is chosen: by oom_score, with corrections.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub prefer: Option<Regex>,
    pub avoid: Option<Regex>,
    pub ignore: Option<Regex>,
    pub spares_root: bool,
    /// Why it cannot be told.
    pub unknown: Option<&'static str>,
}

/// The rules of a daemon whose files could be read; `total` is the machine's memory and swap.
pub(super) fn rule(killer: &OtherKiller, total: Option<(Bytes, Bytes)>) -> Option<Rule> {
    let files = killer.files.as_ref().ok()?;
    match killer.program {
        KillerProgram::Earlyoom => Some(earlyoom(&killer.arguments, total)),
        KillerProgram::Nohang => Some(nohang(&files.first()?.text)),
        KillerProgram::SystemdOomd => Some(systemd_oomd(files, &killer.marked)),
    }
}

/// Its options (main.c): `-m PERCENT[,KILL]`, `-M KIB[,KILL]`, `-s`, `-S`, 10 % each by default; of a share and a size the
/// smaller counts. Which total a share is of depends on its version: since 1.8 what processes can use, before that all.
fn earlyoom(arguments: &[u8], total: Option<(Bytes, Bytes)>) -> Rule {
    let mut rule = Rule::default();
    let (mut memory, mut swap) = ([None, None], [None, None]);
    let mut words = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, given) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
            let mut pattern = || {
                let text = given.clone().or_else(|| words.next().map(std::borrow::Cow::into_owned));
                text.and_then(|text| Regex::new(&text).ok())
            };
            let (slot, pattern) = match name {
                "prefer" => (&mut rule.choice.prefer, pattern()),
                "avoid" => (&mut rule.choice.avoid, pattern()),
                "ignore" => (&mut rule.choice.ignore, pattern()),
                "dryrun" => {
                    rule.dry_run = true;
                    continue;
                }
                "ignore-root-user" => {
                    rule.choice.spares_root = true;
                    continue;
                }
                "sort-by-rss" => {
                    rule.choice.unknown = Some("it sorts by RSS");
                    continue;
                }
                _ => continue,
            };
            if pattern.is_none() {
                rule.choice.unknown = Some("a pattern in its command line could not be parsed");
            }
            *slot = pattern;
            continue;
        }
        let Some(mut letters) = word.strip_prefix('-').map(str::chars) else { continue };
        while let Some(letter) = letters.next() {
            if letter == 'g' {
                rule.unit = KillUnit::ProcessGroup;
            }
            if !"msMSNrP".contains(letter) {
                continue;
            }
            let rest = letters.as_str();
            let value = if rest.is_empty() { words.next().unwrap_or_default() } else { rest.into() };
            let first = value.split(',').next().and_then(|number| number.trim().parse::<f64>().ok());
            let first = first.filter(|number| number.is_finite() && *number >= 0.0);
            match letter {
                'm' => memory[0] = first.map(Threshold::Percent),
                's' => swap[0] = first.map(Threshold::Percent),
                'M' => memory[1] = first.map(|kib| Threshold::Size(Bytes::from_kib(kib as u64))),
                'S' => swap[1] = first.map(|kib| Threshold::Size(Bytes::from_kib(kib as u64))),
                _ => {}
            }
            break;
        }
    }
    let both = |[share, size]: [Option<Threshold>; 2], total: Option<Bytes>| match (share, size) {
        (None, Some(size)) => size,
        (share, size) => share.unwrap_or(Threshold::Percent(10.0)).least(size, total),
    };
    rule.floor = Some((both(memory, total.map(|(memory, _)| memory)), both(swap, total.map(|(_, swap)| swap))));
    rule
}

/// `nohang.conf`: it asks a process to end at the soft thresholds.
fn nohang(text: &[u8]) -> Rule {
    let text = String::from_utf8_lossy(text);
    let mut rule = Rule::default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut keys = BTreeMap::new();
    for line in lines {
        if line.starts_with('@') {
            rule.choice.unknown = Some("its file adjusts badness by patterns");
        } else if let Some((key, value)) = line.split_once('=') {
            keys.insert(key.trim(), value.trim());
        }
    }
    let threshold = |key: &str| {
        let value = keys.get(key)?;
        let number = |unit: char| value.strip_suffix(unit)?.trim().parse::<f64>().ok().filter(|number| *number >= 0.0);
        number('%')
            .map(Threshold::Percent)
            .or_else(|| number('M').map(|mebibytes| Threshold::Size(Bytes((mebibytes * 1_048_576.0) as u64))))
    };
    let either = |resource: &str| {
        threshold(&format!("soft_threshold_min_{resource}"))
            .or_else(|| threshold(&format!("hard_threshold_min_{resource}")))
    };
    rule.floor = either("mem").zip(either("swap"));
    let number = |key: &str| keys.get(key)?.parse::<f64>().ok();
    if keys.get("psi_checking_enabled") == Some(&"True") {
        rule.pressure = number("soft_threshold_max_psi")
            .map(|percent| PressureRule { percent, seconds: number("psi_excess_duration").unwrap_or(0.0) as u64 });
    }
    if keys.get("ignore_positive_oom_score_adj") == Some(&"True") {
        rule.choice.unknown = Some("its file ignores positive oom_score_adj");
    }
    rule
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOTAL: Option<(Bytes, Bytes)> = Some((Bytes(10 << 30), Bytes(1 << 30)));

    #[test]
    fn the_options_of_earlyoom() {
        use Threshold::{Percent, Size};
        let mib = |count: u64| Size(Bytes(count << 20));
        let cases: [(&[u8], Threshold, Threshold); 8] = [
            (b"", Percent(10.0), Percent(10.0)),
            (b"-m\x004\0-s\x0050,20\0", Percent(4.0), Percent(50.0)),
            (b"-m4,2\0-gnr3600\0", Percent(4.0), Percent(10.0)),
            (b"-M\x00204800,102400\0", mib(200), Percent(10.0)),
            (b"-M\x00204800\0-m\x001\0", Percent(1.0), Percent(10.0)),
            (b"-m\x0050\0-M\x00204800\0-S\x001024\0", mib(200), mib(1)),
            (b"-r\x003600\0-N\0/bin/tell\0-p\0", Percent(10.0), Percent(10.0)),
            (b"-m\0many\0--dryrun\0", Percent(10.0), Percent(10.0)),
        ];
        for (arguments, memory, swap) in cases {
            let rule = earlyoom(arguments, TOTAL);
            let words = String::from_utf8_lossy(arguments);
            assert_eq!(rule.floor, Some((memory, swap)), "{words}");
            assert_eq!(rule.dry_run, words.contains("dryrun"), "{words}");
            assert_eq!(rule.unit == KillUnit::ProcessGroup, words.contains("-g"), "{words}");
        }
        let rule = earlyoom(b"--prefer=^(a|b)$\0--avoid\0sshd\0--ignore-root-user\0", TOTAL);
        assert!(rule.choice.prefer.is_some_and(|pattern| pattern.is_match("b") && !pattern.is_match("bb")));
        assert!(rule.choice.avoid.is_some_and(|pattern| pattern.is_match("sshd-session")));
        assert!(rule.choice.spares_root && rule.choice.unknown.is_none());
        assert!(earlyoom(b"--avoid\0(\0", TOTAL).choice.unknown.is_some());
    }

    #[test]
    fn the_file_of_nohang() {
        let text = b"## x\npsi_checking_enabled = True\npsi_excess_duration = 30\nsoft_threshold_max_psi  = 40\n\
            soft_threshold_min_mem = 5 %\nsoft_threshold_min_swap = 512 M\nhard_threshold_min_mem = 2 %\n";
        let rule = nohang(text);
        assert_eq!(rule.floor, Some((Threshold::Percent(5.0), Threshold::Size(Bytes(512 << 20)))));
        assert_eq!(rule.pressure, Some(PressureRule { percent: 40.0, seconds: 30 }));
        assert!(rule.choice.unknown.is_none());
        assert!(nohang(b"@BADNESS_ADJ_RE_NAME 900 /// ^x$\n").choice.unknown.is_some());
        assert_eq!(nohang(b"hard_threshold_min_mem = 2 %\n").floor, None, "nothing is made up");
    }

    proptest! {
        #[test]
        fn whatever_is_written_there_is_survived(text in prop::collection::vec(any::<u8>(), 0..200), words in "[-msMSNr0-9,.%=\\x00 a-z]{0,60}") {
            let _ = (nohang(&text), earlyoom(words.as_bytes(), TOTAL), earlyoom(&text, TOTAL));
        }
    }
}
