//! What a frame costs: `cargo bench --bench render`. The overview at three sizes over 10,000 processes, drawn into a
//! fresh buffer as the terminal would be given it. Only what is visible may cost anything.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use oomtop::app::{Event, State, update};
use oomtop::config::Config;
use oomtop::monitor::report::{Identity, ProcessReport, Report};
use oomtop::snapshot::process::Command;
use oomtop::snapshot::system::{Machine, MemoryInfo, System};
use oomtop::ui;
use oomtop::units::{Bytes, MaybeKib, ProcessId, Rate, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

fn report(count: u32) -> Arc<Report> {
    let now = Timestamp::from_secs(5_000);
    let processes = (1..=count)
        .map(|pid| ProcessReport {
            identity: Arc::new(Identity {
                name: format!("worker-{pid}").into_bytes().into(),
                uid: Some(pid % 7),
                command: Some(Arc::new(Command {
                    arguments: format!("/usr/lib/app/worker-{pid}\0--listen\0127.0.0.1:{pid}\0").into_bytes().into(),
                    cut: false,
                })),
                ..Identity::default()
            }),
            sized_at: now,
            status_at: now,
            rss: MaybeKib::from_kib(u64::from(pid) * 37 % 900_000),
            swap: MaybeKib::from_kib(0),
            oom_score_adj: Some(0),
            growth: Rate::new(f64::from(pid % 13) * 10_000.0),
            trend: [0, 1, 2, 3, 4, 5, 6, 7],
            risk: Some(pid),
            ..ProcessReport::unread(ProcessId::new(pid, 1))
        })
        .collect();
    let memory = MemoryInfo {
        total: Some(Bytes::from_mib(16_000)),
        available: Some(Bytes::from_mib(6_000)),
        anonymous: Some(Bytes::from_mib(7_000)),
        cached: Some(Bytes::from_mib(4_000)),
        free: Some(Bytes::from_mib(3_000)),
        ..MemoryInfo::default()
    };
    Arc::new(Report {
        sequence: 1,
        time: now,
        interval: Some(Duration::from_secs(1)),
        machine: Arc::new(Machine { page_size: Bytes(4096), ..Machine::default() }),
        system: System { memory, ..System::default() },
        processes,
        ..Report::default()
    })
}

fn frames(criterion: &mut Criterion) {
    for (width, height) in [(80, 24), (120, 34), (200, 60)] {
        let mut state = State::new(Arc::new(Config::default()), (width, height));
        update(&mut state, Event::Report(report(10_000)));
        let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
        criterion.bench_function(&format!("render/{width}x{height}"), |bencher| {
            bencher.iter(|| {
                let Ok(frame) = terminal.draw(|frame| ui::render(black_box(&state), frame));
                black_box(frame.count)
            });
        });
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
