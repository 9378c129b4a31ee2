//! The verdict on a run that somebody else started: what of it holds from outside. Refuses to be surer than what was seen.

use crate::monitor::kill_report::Confidence;
use crate::run::report::{Evidence, Vantage, Verdict, VerdictKind};

use super::words::{by_the_limit, cgroup_name, counter_evidence};
use super::{Case, without_oom};

/// Nobody told us its status.
pub(super) fn unknown(case: &Case<'_>) -> Verdict {
    let (mut evidence, no_oom) = without_oom(case);
    let killed = case.cgroup_kills.as_ref().map(|(path, _, _)| {
        let limit = case.room.and_then(|room| (room.cgroup.as_deref() == Some(&**path)).then_some(room.limit));
        let taken = by_the_limit(&cgroup_name(case, path), limit);
        format!("the OOM killer took somebody {taken} meanwhile; whether one of this run is not known")
    });
    let summary = match killed {
        Some(killed) => {
            evidence.extend(counter_evidence(case).take(1));
            format!("it ended; {killed}")
        }
        None if no_oom => "it ended; the OOM killer took nothing of it while it was watched".to_owned(),
        None => "it ended".to_owned(),
    };
    evidence.push(Evidence {
        source: "exit status",
        text: "not known: only its parent is told, and who may read the kernel's exit records (CAP_NET_ADMIN)".into(),
    });
    Verdict {
        kind: VerdictKind::Unknown,
        confidence: Confidence::Guess,
        summary,
        story: Vec::new(),
        evidence,
        victim: None,
    }
}

/// The verdict as far as it holds for one who came later. Its end and whom the kernel's log names are facts; of what else
/// went wrong the cause may lie before.
pub(super) fn seen_from_outside(case: &Case<'_>, mut verdict: Verdict) -> Verdict {
    if case.sight.vantage == Vantage::Above {
        return verdict;
    }
    let is_fact = matches!(verdict.kind, VerdictKind::Ok | VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost);
    if !is_fact && verdict.confidence == Confidence::Certain {
        verdict.confidence = Confidence::Likely;
    }
    verdict
        .evidence
        .push(Evidence { source: "oomtop", text: "looked on from outside: what was before is not known".into() });
    verdict
}
