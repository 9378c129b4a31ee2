//! `oomtop snapshot --csv`: one line per process, RFC 4180 with line feeds. The heading is the key of each column;
//! sizes are bytes, growth is bytes per second, empty is not known. Text is escaped as on the screen, so that a line
//! stays a line.

use std::io::{self, Write};

use crate::monitor::report::{MappingsReport, ProcessReport, Report};
use crate::table::{self, COLUMNS, Column, Value};
use crate::text;
use crate::units::MaybeKib;

/// Writes the heading and these processes in this order, in every column that is a value of its own.
///
/// # Errors
/// Those of the writer.
pub fn write(mut out: impl Write, report: &Report, processes: &[&ProcessReport]) -> io::Result<()> {
    // A sparkline is no value; what it is sorted by is that of growth.
    let columns = || COLUMNS.iter().filter(|info| info.column != Column::Trend);
    write_line(&mut out, columns().map(|info| info.key.to_owned()))?;
    for process in processes {
        write_line(
            &mut out,
            columns().map(|info| table::value(info.column, process, report).map_or_else(String::new, plain)),
        )?;
    }
    out.flush()
}

/// Writes the regions of one process.
///
/// # Errors
/// Those of the writer.
pub fn write_mappings(mut out: impl Write, mappings: &MappingsReport) -> io::Result<()> {
    let heading = ["start", "end", "permissions", "class", "probable", "rss", "pss", "swap", "name"];
    write_line(&mut out, heading.into_iter().map(str::to_owned))?;
    let size = |size: MaybeKib| size.get().map_or_else(String::new, |size| size.0.to_string());
    for (region, (class, probable)) in mappings.mappings.regions.iter().zip(&mappings.class_of) {
        let fields = [
            format!("{:#x}", region.start),
            format!("{:#x}", region.end),
            super::permissions(region),
            class.name().to_owned(),
            probable.to_string(),
            size(region.rss),
            size(region.pss),
            size(region.swap),
            text::printable(mappings.mappings.name(region)).into_owned(),
        ];
        write_line(&mut out, fields.into_iter())?;
    }
    out.flush()
}

fn plain(value: Value<'_>) -> String {
    match value {
        Value::Size(bytes) => bytes.0.to_string(),
        Value::Rate(rate) => format!("{:.0}", rate.per_second()),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.into_owned(),
    }
}

fn write_line(out: &mut impl Write, fields: impl Iterator<Item = String>) -> io::Result<()> {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
            write!(out, "\"{}\"", field.replace('"', "\"\""))?;
        } else {
            out.write_all(field.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;
    use crate::monitor::report::MappingsState;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn one_line_per_process_whatever_its_name() {
        let report = fixture::report();
        let processes: Vec<_> = report.processes.iter().collect();
        assert_eq!(
            text(|out| write(out, &report, &processes)),
            "\
pid,ppid,user,state,threads,rss,growth,anon,file,shmem,swap,rss+swap,pss,uss,pt,peak,virt,score,adj,risk,domain,cgroup,go,name,command
1,,,,,,,,,,,,,,,,,,,,,,,\"a\"\"\\n\\x1b[2J,\\xff\",\"a\"\"\\n\\x1b[2J,\\xff\"
30987,29688,ci,S,9,498073600,1992294,491520000,6553600,0,12288,498085888,494592000,493568000,1044480,499122176,1258291200,868,300,1,docker web,/docker/web,go1.26.1,a.test,x.org/leak/a (a.test) -test.v
"
        );
    }

    #[test]
    fn regions_in_the_order_of_their_addresses() {
        let detail = fixture::detail();
        let MappingsState::Known(known) = &detail.mappings else { panic!("known") };
        assert_eq!(
            text(|out| write_mappings(out, known)),
            "\
start,end,permissions,class,probable,rss,pss,swap,name
0x400000,0x500000,r-xp,executable,false,1048576,1048576,0,\"/srv/a,b\\xff\"
0xc000000000,0xc000400000,rw-p,anonymous,true,4194304,4194304,0,
"
        );
    }
}
